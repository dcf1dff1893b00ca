"""What is stored with changes and batches, and read by people later."""

from collections.abc import Sequence

from django.utils.translation import gettext, gettext_lazy

from dashboard.instances.countdown import status_badge
from dashboard.web.stored_messages import define

# Why an edit is in its state.
CANCELLED_BY = define("edits.cancelled_by", gettext_lazy("Cancelled by %(username)s."))
CANCELLED_WITH_BATCH = define(
    "edits.cancelled_with_batch",
    gettext_lazy("Cancelled by %(username)s with the rest of the bulk change."),
)
CANCELLED_WITH_POLICY = define(
    "edits.cancelled_with_policy",
    gettext_lazy("Cancelled by %(username)s, who paused the policy."),
)
DISCARDED_BY = define("edits.discarded_by", gettext_lazy("Discarded by %(username)s."))
NOT_PERMITTED = define(
    "edits.not_permitted",
    gettext_lazy("%(username)s is no longer permitted to change this instance."),
)
POLICY_PAUSED = define(
    "edits.policy_paused",
    gettext_lazy("Automatic enforcement of the policy “%(policy)s” is off."),
)
EXEMPT = define(
    "edits.exempt", gettext_lazy("The instance has an exception from “%(policy)s”.")
)
NO_VIOLATION = define(
    "edits.no_violation", gettext_lazy("The instance no longer violates “%(policy)s”.")
)
REPLACED_BY = define(
    "edits.replaced_by", gettext_lazy("The later change is from %(username)s.")
)
NOT_IN_TIME = define("edits.not_in_time", gettext_lazy("Not delivered in time."))
CHECKED_AGAIN = define(
    "edits.checked_again", gettext_lazy("Checked again before sending.")
)
DELIVERY_FAULT = define(
    "edits.delivery_fault",
    gettext_lazy(
        "A fault in Curfew prevented delivery and has been logged. Try again, and tell "
        "your administrator if it happens again."
    ),
)
RESTORED = define(
    "edits.restored",
    gettext_lazy(
        "The database was restored from a backup while this change was open. Check the "
        "current settings, then try again."
    ),
)
INSTANCE_GONE = define(
    "edits.instance_gone",
    gettext_lazy("The instance no longer exists in the cloud."),
)
OLD_VALUE = define(
    "edits.old_value",
    gettext_lazy("ModelArts accepted this change but still shows the old value."),
)
OLD_VALUE_AGAIN = define(
    "edits.old_value_again",
    gettext_lazy(
        "ModelArts accepted this %(number)s times, but did not take the change: it "
        "still shows the old value."
    ),
)
NO_VALID_LENGTH = define(
    "edits.no_valid_length",
    gettext_lazy(
        "Auto-stop cannot be turned on with the run time that ModelArts has stored. "
        "Set a run time as well."
    ),
)

# What the audit trail says of late writes.
LATE_WRITE = define(
    "edits.late_write",
    gettext_lazy("A write was applied after Curfew had reported another result."),
)
LATE_WRITE_UNDONE = define(
    "edits.late_write_undone",
    gettext_lazy("An older change was applied late; Curfew put the newer value back."),
)

# Why an instance of a batch is skipped.
NOT_YOURS = define(
    "edits.not_yours", gettext_lazy("Only its owner and operators can change it.")
)
ALREADY_SET = define(
    "edits.already_set", gettext_lazy("Already set, or set by a pending change.")
)
ALREADY_PENDING = define(
    "edits.already_pending", gettext_lazy("The same start or stop is already pending.")
)
NO_RUN_TIME = define(
    "edits.no_run_time",
    gettext_lazy("It has no valid run time to keep; choose one for all."),
)
CHANGED_SINCE = define(
    "edits.changed_since", gettext_lazy("Changed since the preview.")
)
VIOLATES = define("edits.violates", gettext_lazy("Policy “%(policy)s”: %(sentence)s"))

# Where the instances of a batch come from.
SELECTED = define("edits.selected", gettext_lazy("Selected in the list"))
SELECTED_BY_PROGRAM = define(
    "edits.selected_by_program", gettext_lazy("Selected through the API")
)
ALL_INSTANCES = define("edits.all_instances", gettext_lazy("All instances"))
VIOLATIONS = define(
    "edits.violations", gettext_lazy("Violations of the policy “%(policy)s”")
)
FAILED_BEFORE = define(
    "edits.failed_before", gettext_lazy("Failed changes of an earlier bulk change")
)

_FILTERS = {
    "q": gettext_lazy("search “%(value)s”"),
    "status": gettext_lazy("status %(value)s"),
    "flavor": gettext_lazy("flavor %(value)s"),
    "stops_from": gettext_lazy("stops from %(value)s"),
    "stops_before": gettext_lazy("stops before %(value)s"),
    "flavor_type": gettext_lazy("flavor type %(value)s"),
    "owner": gettext_lazy("owner %(value)s"),
    "cloud": gettext_lazy("cloud %(value)s"),
    "workspace": gettext_lazy("workspace %(value)s"),
}
_AUTO_STOP = {
    "on": gettext_lazy("auto-stop on"),
    "off": gettext_lazy("auto-stop off"),
    "due": gettext_lazy("stopping within 1 hour"),
    "overdue": gettext_lazy("overdue"),
    "never": gettext_lazy("running, no auto-stop"),
}


def _filters_text(filters: Sequence[Sequence[str]]) -> str:
    texts = [filter_text(name, value) for name, value in filters]
    return gettext("Filter: %(filters)s") % {"filters": ", ".join(texts)}


def filter_text(name: str, value: str) -> str:
    """A filter of the list, in the active language."""
    if name == "autostop":
        return str(_AUTO_STOP[value])
    shown = status_badge(value).label if name == "status" else value
    return _FILTERS[name] % {"value": shown}


FILTERED = define("edits.filtered", _filters_text)
"""``filters``: name and value of each filter of the list."""
