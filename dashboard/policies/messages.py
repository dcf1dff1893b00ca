"""Stored messages about policies."""

from django.utils.translation import gettext_lazy

from dashboard.instances.countdown import exact_text
from dashboard.web.stored_messages import define

POLICY = define("policies.policy", gettext_lazy("Policy “%(policy)s”"))
"""A policy as the actor."""

LENGTH = define("policies.length", exact_text)
"""A duration in **seconds**."""

QUIET_HOURS = define(
    "policies.quiet_hours", gettext_lazy("%(first)s to %(last)s (%(zone)s)")
)

RUN_WITHOUT_END = define(
    "policies.run_without_end", gettext_lazy("This run has no end.")
)
RUN_WITHOUT_LIMIT = define(
    "policies.run_without_limit",
    gettext_lazy("This run has no end; the limit is %(longest)s."),
)
RUN_TOO_LONG = define(
    "policies.run_too_long",
    gettext_lazy("This run lasts %(length)s; the limit is %(longest)s."),
)
RUN_IN_QUIET_HOURS = define(
    "policies.run_in_quiet_hours",
    gettext_lazy("Running during quiet hours: %(hours)s."),
)
START_IN_QUIET_HOURS = define(
    "policies.start_in_quiet_hours",
    gettext_lazy("Nothing can be started during quiet hours: %(hours)s."),
)
AUTO_STOP_OFF = define("policies.auto_stop_off", gettext_lazy("Auto-stop is off."))
SETTING_WITHOUT_LIMIT = define(
    "policies.setting_without_limit",
    gettext_lazy("Auto-stop is off; the limit is %(longest)s."),
)
SETTING_TOO_LONG = define(
    "policies.setting_too_long",
    gettext_lazy("A run would last %(length)s; the limit is %(longest)s."),
)
