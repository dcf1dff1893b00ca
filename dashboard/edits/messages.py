"""The stored messages of edits and batches."""

from collections.abc import Sequence

from django.utils.translation import gettext, gettext_lazy as _

from dashboard.instances.capabilities import capabilities_of
from dashboard.instances.countdown import status_badge
from dashboard.instances.filter_fields import EXCLUDED
from dashboard.instances.filters import ME
from dashboard.web.stored_messages import define

# Why an edit is in its state.
CANCELLED_BY = define("edits.cancelled_by", _("Cancelled by %(username)s."))
CANCELLED_WITH_BATCH = define(
    "edits.cancelled_with_batch",
    _("Cancelled by %(username)s with the rest of the bulk change."),
)
CANCELLED_WITH_POLICY = define(
    "edits.cancelled_with_policy",
    _("Cancelled by %(username)s, who paused the policy."),
)
CANCELLED_WITH_SCHEDULE = define(
    "edits.cancelled_with_schedule",
    _("Cancelled by %(username)s, who changed the schedule."),
)
DISCARDED_BY = define("edits.discarded_by", _("Discarded by %(username)s."))
NOT_PERMITTED = define(
    "edits.not_permitted",
    _("%(username)s is no longer permitted to change this instance."),
)
POLICY_PAUSED = define(
    "edits.policy_paused",
    _("Automatic enforcement of the policy “%(policy)s” is off."),
)
EXEMPT = define("edits.exempt", _("The instance has an exception from “%(policy)s”."))
NO_VIOLATION = define(
    "edits.no_violation", _("The instance no longer violates “%(policy)s”.")
)
SCHEDULE_OFF = define(
    "edits.schedule_off", _("The schedule “%(schedule)s” is no longer on.")
)
OTHER_SCHEDULE = define(
    "edits.other_schedule",
    _("The schedule “%(schedule)s” no longer applies to the instance."),
)
OVERRIDDEN = define(
    "edits.overridden", _("An override of the instance skips this moment.")
)
STARTED_SINCE = define(
    "edits.started_since", _("It was started after the moment of the schedule.")
)
STOPPED_SINCE = define(
    "edits.stopped_since", _("It was stopped after the moment of the schedule.")
)
NO_LONGER_STOPPED = define(
    "edits.no_longer_stopped", _("The instance is not stopped any more.")
)
SHADOWED = define("edits.shadowed", _("“%(policy)s” applies instead."))
ANOTHER_RUN = define(
    "edits.another_run",
    _("A new run has started; this stop was meant for the previous one."),
)
# What should have stopped an instance.
LATE_AUTO_STOP = define("edits.late_auto_stop", _("Auto-stop"))
LATE_REQUEST = define("edits.late_request", _("Stop by %(actor)s"))
LATE_ELSEWHERE = define("edits.late_elsewhere", _("Stop outside Curfew"))
SUPERSEDED_BY = define("edits.replaced_by", _("The later change is from %(username)s."))
PAST_DEADLINE = define("edits.not_in_time", _("Not delivered in time."))
CHECKED_AGAIN = define("edits.checked_again", _("Checked again before sending."))
DELIVERY_FAULT = define(
    "edits.delivery_fault",
    _(
        "A fault in Curfew prevented delivery and has been logged. Try again, and tell "
        "your administrator if it happens again."
    ),
)
DATABASE_RESTORED = define(
    "edits.restored",
    _(
        "The database was restored from a backup while this change was open. Check the "
        "current settings, then try again."
    ),
)
INSTANCE_GONE = define(
    "edits.instance_gone",
    _("The instance no longer exists in the cloud."),
)
OLD_VALUE = define(
    "edits.old_value",
    _("ModelArts accepted this change but still shows the old value."),
)
OLD_VALUE_AGAIN = define(
    "edits.old_value_again",
    _("ModelArts accepted this change %(number)s times but still shows the old value."),
)
NO_VALID_LENGTH = define(
    "edits.no_valid_length",
    _(
        "Auto-stop cannot be turned on with the run time that ModelArts has stored. "
        "Set a run time as well."
    ),
)
INVALID_VALUES = define(
    "edits.invalid_values", _("ModelArts does not accept these values.")
)
WAITS_FOR_STOP = define("edits.waits_for_stop", _("Waits for the stop: %(reason)s"))
NOT_STOPPED = define(
    "edits.not_stopped", _("The instance was not stopped, so it is not started again.")
)
NO_RESTART_NEEDED = define(
    "edits.no_restart_needed",
    _("Each start of this instance has its own run time. Stop it, then start it."),
)
OVERRIDE_OVER = define(
    "edits.override_over", _("The override for which it was requested has ended.")
)
NO_END_REPORTED = define(
    "edits.no_end_reported", _("ModelArts does not report the end of this run.")
)

# Which ends of a run, and which run times, may be asked for.
CLOUD_MAXIMUM = define(
    "edits.cloud_maximum", _("The cloud allows at most %(hours)s hours from now.")
)
END_TOO_SOON = define(
    "edits.end_too_soon", _("The new end must be at least one hour from now.")
)
NO_END_POSSIBLE = define("edits.no_end_possible", _("This run cannot be extended now."))
IDLE_HOURS = define(
    "edits.idle_hours",
    _("The idle time must be %(least)s to %(most)s hours."),
)
RUN_HOURS = define("edits.run_hours", _("A run may last %(least)s to %(most)s hours."))
AUTO_STOP_NEEDED = define(
    "edits.auto_stop_needed", _("This cloud does not allow runs without auto-stop.")
)
WOULD_OVERSHOOT = define(
    "edits.would_overshoot",
    _(
        "The cloud extends by at least one hour, which is now later than the end that "
        "was asked for."
    ),
)

# Why an edit is not undone.
EXTENSION_STAYS = define(
    "edits.extension_stays",
    _("An extension cannot be undone. Stop the instance when it is no longer needed."),
)
NOT_APPLIED = define("edits.not_applied", _("Only an applied change can be undone."))
NO_FORMER_VALUES = define(
    "edits.no_former_values",
    _("The values from before this change are not known, so it cannot be undone."),
)
RAN_SINCE = define(
    "edits.ran_since",
    _(
        "The instance has since been started or stopped again, so this change cannot "
        "be undone."
    ),
)

# Audit events of late writes.
LATE_WRITE = define(
    "edits.late_write",
    _("A change was applied after Curfew had reported another result."),
)
LATE_WRITE_UNDONE = define(
    "edits.late_write_undone",
    _("An older change was applied late; Curfew put the newer value back."),
)

# Why an instance of a batch is skipped.
NOT_YOURS = define("edits.not_yours", _("Only its owner and operators can change it."))
ALREADY_SET = define("edits.already_set", _("Already set, or set by a pending change."))
ALREADY_PENDING = define(
    "edits.already_pending", _("The same start or stop is already pending.")
)
NO_RUN_TIME = define(
    "edits.no_run_time",
    _("It has no valid run time to keep; choose one for all."),
)
LESS_THAN_AN_HOUR = define(
    "edits.less_than_an_hour",
    _("Less than an hour is left until its next stop, too little for a run."),
)
LONG_ENOUGH = define("edits.long_enough", _("It already runs at least that long."))
NO_FIXED_END = define(
    "edits.no_fixed_end",
    _("It has no fixed end: it stops once nobody uses it."),
)
CHANGED_SINCE = define("edits.changed_since", _("Changed since the preview."))
CHANGED_BY = define("edits.changed_by", _("Changed by %(username)s since then."))
CHANGED_OUTSIDE = define(
    "edits.changed_outside", _("Changed outside Curfew since then.")
)
VIOLATES = define("edits.violates", _("Policy “%(policy)s”: %(sentence)s"))

# Where the instances of a batch come from.
SELECTED = define("edits.selected", _("Selected in the list"))
SELECTED_BY_PROGRAM = define("edits.selected_by_program", _("Selected through the API"))
ALL_INSTANCES = define("edits.all_instances", _("All instances"))
NO_ANSWERS = define(
    "edits.no_answers",
    _("No answer whether the run is still needed, policy “%(policy)s”"),
)
VIOLATIONS = define("edits.violations", _("Violations of the policy “%(policy)s”"))
SCHEDULED_STOP = define(
    "edits.scheduled_stop", _("Stop of the schedule “%(schedule)s”")
)
SCHEDULED_START = define(
    "edits.scheduled_start", _("Start of the schedule “%(schedule)s”")
)
DONE_BEFORE = define("edits.done_before", _("Applied by an earlier bulk change"))
FAILED_BEFORE = define(
    "edits.failed_before", _("Failed changes of an earlier bulk change")
)

# About a moment of a schedule.
MOMENT_MISSED = define(
    "edits.moment_missed", _("Curfew was not running, or could not act in time.")
)
STARTS_INSTEAD = define(
    "edits.starts_instead",
    _("Nothing was stopped: the schedule starts the instances at the same time."),
)

_FILTERS = {
    "q": _("search “%(value)s”"),
    "status": _("status %(value)s"),
    "flavor": _("flavor %(value)s"),
    "stops_from": _("stops from %(value)s"),
    "stops_before": _("stops before %(value)s"),
    "flavor_type": _("flavor type %(value)s"),
    "owner": _("owner %(value)s"),
    "team": _("team %(value)s"),
    "cloud": _("cloud %(value)s"),
    "workspace": _("workspace %(value)s"),
    "generation": _("API %(value)s"),
    "tag": _("tag %(value)s"),
}
_AUTO_STOP = {
    "on": _("auto-stop on"),
    "off": _("auto-stop off"),
    "due": _("stopping within 1 hour"),
    "overdue": _("overdue"),
    "late": _("late stop"),
    "never": _("running, no auto-stop"),
    "idle": _("running, stops when idle"),
}


def _filters_text(filters: Sequence[Sequence[str]]) -> str:
    texts = [filter_text(name, value) for name, value in filters]
    return gettext("Filter: %(filters)s") % {"filters": gettext(", ").join(texts)}


def filter_text(name: str, value: str) -> str:
    """Return a filter of the list in the active language."""
    if value.startswith(EXCLUDED):
        text = filter_text(name, value.removeprefix(EXCLUDED))
        return gettext("not %(filter)s") % {"filter": text}
    if name == "autostop":
        return str(_AUTO_STOP[value])
    text = {
        "status": lambda: status_badge(value).label,
        "generation": lambda: str(capabilities_of(value).label),
        "owner": lambda: gettext("me") if value == ME else value,
    }.get(name, lambda: value)()
    return _FILTERS[name] % {"value": text}


FILTERED = define("edits.filtered", _filters_text)
"""``filters``: name and value of each filter of the list."""
