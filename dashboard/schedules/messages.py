"""Stored messages about schedules and overrides."""

from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

SCHEDULE = define("schedules.schedule", _("Schedule “%(schedule)s”"))
"""A schedule as the actor."""

REPLACED = define("schedules.replaced", _("Replaced by a newer one."))
AUTHOR_WITHOUT_RIGHT = define(
    "schedules.author_without_right",
    _("Its author may no longer change the instance."),
)
