"""Stored messages about policies."""

from django.utils.translation import gettext_lazy as _

from dashboard.instances.countdown import status_badge
from dashboard.instances.durations import exact_text
from dashboard.web.stored_messages import define

POLICY = define("policies.policy", _("Policy “%(policy)s”"))
"""A policy as the actor."""

LENGTH = define("policies.length", exact_text)
"""A duration in **seconds**."""

STATUS = define("policies.status", lambda status: str(status_badge(status).label))
"""The label of a ``status`` of the cloud."""

QUIET_HOURS = define("policies.quiet_hours", _("%(first)s to %(last)s (%(zone)s)"))

RUNNING_FOR = define("policies.running_for", _("Running for %(length)s."))
RUN_WITHOUT_END = define("policies.run_without_end", _("This run has no end."))
RUN_WITHOUT_LIMIT = define(
    "policies.run_without_limit",
    _("This run has no end; the limit is %(longest)s."),
)
RUN_TOO_LONG = define(
    "policies.run_too_long",
    _("This run lasts %(length)s; the limit is %(longest)s."),
)
IDLE_RUN_TOO_LONG = define(
    "policies.idle_run_too_long",
    _(
        "This run has reached the limit of %(longest)s and stops only when nobody "
        "uses it."
    ),
)
RUN_IN_QUIET_HOURS = define(
    "policies.run_in_quiet_hours",
    _("Running during quiet hours: %(hours)s."),
)
START_IN_QUIET_HOURS = define(
    "policies.start_in_quiet_hours",
    _("Nothing can be started during quiet hours: %(hours)s."),
)
END_TOO_LATE = define(
    "policies.end_too_late",
    _("This run would last %(length)s; the limit is %(longest)s."),
)
END_IN_QUIET_HOURS = define(
    "policies.end_in_quiet_hours",
    _("This run would go on in quiet hours: %(hours)s."),
)
IDLE_WITHOUT_LIMIT = define(
    "policies.idle_without_limit",
    _("A run that stops only when idle has no latest end; the limit is %(longest)s."),
)
LONGEST_RUN = define("policies.longest_run", _("The maximum run time is %(longest)s."))
NO_RUNS_IN_QUIET_HOURS = define(
    "policies.no_runs_in_quiet_hours", _("No runs during quiet hours: %(hours)s.")
)
AUTO_STOP_OFF = define("policies.auto_stop_off", _("Auto-stop is off."))
SETTING_WITHOUT_LIMIT = define(
    "policies.setting_without_limit",
    _("Auto-stop is off; the limit is %(longest)s."),
)
SETTING_TOO_LONG = define(
    "policies.setting_too_long",
    _("The next run would last %(length)s; the limit is %(longest)s."),
)

IN_TEAM = define("policies.in_team", _("of team %(value)s"))
IN_CLOUD = define("policies.in_cloud", _("in the cloud %(value)s"))
IN_WORKSPACE = define("policies.in_workspace", _("in workspace %(value)s"))
OF_FLAVOR_TYPE = define("policies.of_flavor_type", _("of flavor type %(value)s"))
IN_STATUS = define("policies.in_status", _("in the status %(value)s"))
OWNED_BY = define("policies.owned_by", _("owned by %(value)s"))
TAGGED = define("policies.tagged", _("tagged %(value)s"))
APPLIES_TO_ALL = define("policies.applies_to_all", _("It applies to all instances."))
APPLIES_TO_THIS = define(
    "policies.applies_to_this", _("It applies to this instance only.")
)
APPLIES_BECAUSE = define(
    "policies.applies_because",
    _("It applies because this instance is %(parts)s."),
)
"""``parts`` are messages such as ``IN_WORKSPACE``."""
