"""Names and codes of an event's values in words; what is stored stays English."""

from datetime import datetime

from django.utils.translation import gettext, gettext_noop

from dashboard.web.templatetags.pages import moment_text

_NAMES = frozenset(
    [
        gettext_noop("acting for"),
        gettext_noop("action"),
        gettext_noop("active"),
        gettext_noop("acts"),
        gettext_noop("address"),
        gettext_noop("ahead hours"),
        gettext_noop("asked for"),
        gettext_noop("auto stop enable"),
        gettext_noop("auto stop duration"),
        gettext_noop("by mail"),
        gettext_noop("cause"),
        gettext_noop("cloud"),
        gettext_noop("cloud users"),
        gettext_noop("description"),
        gettext_noop("edits"),
        gettext_noop("expires at"),
        gettext_noop("factors"),
        gettext_noop("flavor type"),
        gettext_noop("format"),
        gettext_noop("from"),
        gettext_noop("in page"),
        gettext_noop("instances"),
        gettext_noop("kind"),
        gettext_noop("leads"),
        gettext_noop("masked"),
        gettext_noop("max seconds"),
        gettext_noop("method"),
        gettext_noop("mode"),
        gettext_noop("name"),
        gettext_noop("notes"),
        gettext_noop("on failed edit"),
        gettext_noop("on failure"),
        gettext_noop("outcome"),
        gettext_noop("owner"),
        gettext_noop("patch"),
        gettext_noop("path"),
        gettext_noop("policy"),
        gettext_noop("person"),
        gettext_noop("prompt"),
        gettext_noop("query"),
        gettext_noop("quiet from"),
        gettext_noop("quiet until"),
        gettext_noop("reason"),
        gettext_noop("result"),
        gettext_noop("role"),
        gettext_noop("scope"),
        gettext_noop("scopes"),
        gettext_noop("seal"),
        gettext_noop("sessions ended"),
        gettext_noop("shared"),
        gettext_noop("since"),
        gettext_noop("state"),
        gettext_noop("status"),
        gettext_noop("target"),
        gettext_noop("time zone"),
        gettext_noop("until"),
        gettext_noop("view"),
        gettext_noop("workspace id"),
    ]
)

# The models that know these stand above the audit trail; a test compares.
_CODES = {
    "state": {
        "queued": gettext_noop("queued"),
        "sending": gettext_noop("sending"),
        "retrying": gettext_noop("retrying"),
        "applied": gettext_noop("applied"),
        "failed": gettext_noop("failed"),
        "conflict": gettext_noop("conflict"),
        "superseded": gettext_noop("superseded"),
        "cancelled": gettext_noop("cancelled"),
        "asked": gettext_noop("asked for"),
        "approved": gettext_noop("approved"),
        "denied": gettext_noop("denied"),
        "ended": gettext_noop("ended early"),
        "expired": gettext_noop("expired"),
    },
    "role": {
        "viewer": gettext_noop("Viewer"),
        "scientist": gettext_noop("Scientist"),
        "operator": gettext_noop("Operator"),
        "admin": gettext_noop("Admin"),
    },
    "kind": {
        "update": gettext_noop("change"),
        "start": gettext_noop("start"),
        "stop": gettext_noop("stop"),
        "auto_stop": gettext_noop("auto-stop on"),
        "max_hours": gettext_noop("longest run"),
        "quiet_hours": gettext_noop("quiet hours"),
    },
    "mode": {
        "off": gettext_noop("off"),
        "report": gettext_noop("report"),
        "enforce": gettext_noop("enforce"),
    },
    "scope": {
        "mine": gettext_noop("their own"),
        "owner": gettext_noop("one owner's"),
        "cloud": gettext_noop("one cloud's"),
        "all": gettext_noop("all"),
    },
    "status": {
        "CREATE_QUEUING": gettext_noop("Queued to be created"),
        "CREATING": gettext_noop("Creating"),
        "START_QUEUING": gettext_noop("Queued to start"),
        "READY_TO_START": gettext_noop("Ready to start"),
        "CREATE_FAILED": gettext_noop("Creation failed"),
        "START_FAILED": gettext_noop("Start failed"),
        "STARTING": gettext_noop("Starting"),
        "RESTARTING": gettext_noop("Restarting"),
        "RUNNING": gettext_noop("Running"),
        "STOPPING": gettext_noop("Stopping"),
        "STOPPED": gettext_noop("Stopped"),
        "UNAVAILABLE": gettext_noop("Unavailable"),
        "DELETED": gettext_noop("Deleted"),
        "RESIZING": gettext_noop("Resizing"),
        "RESIZE_FAILED": gettext_noop("Resizing failed"),
    },
    "cause": {
        "auto_stop": gettext_noop("auto-stop"),
        "requested": gettext_noop("asked for in Curfew"),
        "restarted": gettext_noop("restarted"),
        "new_setting": gettext_noop("restarted for a new auto-stop"),
        "frozen": gettext_noop("frozen"),
        "late": gettext_noop("applied late by ModelArts"),
        "undone": gettext_noop("undone by Curfew"),
        "unknown": gettext_noop("not known"),
    },
}
_CODES["asked for"] = _CODES["kind"]
_MOMENTS = frozenset({"since", "until", "expires_at"})
_SECONDS = frozenset({"auto_stop_duration", "max_seconds"})


def name(stored: str) -> str:
    """``ahead_hours`` as ``ahead hours``, in the reader's language."""
    words = stored.replace("_", " ")
    return gettext(words) if words in _NAMES else words


def text(stored_name: str, value: str) -> str:
    """Return a value in words.

    A code in words, a duration with units, a moment in the reader's zone, all else as
    it is.
    """
    if stored_name in _SECONDS and value.isdecimal():
        return _duration(int(value))
    if words := _CODES.get(stored_name, {}).get(value):
        return gettext(words)
    if stored_name in _MOMENTS:
        try:
            return moment_text(datetime.fromisoformat(value), "moment")
        except ValueError:
            return value
    return value


def _duration(seconds: int) -> str:
    """``5400`` as ``1 h 30 min``; exact."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
