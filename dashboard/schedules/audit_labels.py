"""Audit trail labels of schedules, holiday calendars and overrides."""

from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, choice, moment, register

from .models import Override, Schedule

register(
    "schedule",
    actions={
        "added": _("Schedule added"),
        "changed": _("Schedule changed"),
        "moved": _("Schedule moved"),
        "switched": _("Schedule switched"),
        "removed": _("Schedule removed"),
    },
    fields={
        "position": Field(_("position")),
        "name": Field(_("name")),
        "reason": Field(_("reason")),
        "mode": Field(_("mode"), choice(Schedule.Mode.choices)),
        "time_zone": Field(_("time zone")),
        "first_day": Field(_("first day")),
        "last_day": Field(_("last day")),
        "starts": Field(_("starts instances")),
        "working_times": Field(_("working times")),
        "holidays": Field(_("holidays")),
        "cloud": Field(_("cloud")),
        "workspace_id": Field(_("workspace")),
        "flavor_type": Field(_("flavor type")),
        "owner": Field(_("owner")),
        "tag": Field(_("tag")),
        "team": Field(_("team")),
        "instance": Field(_("instance")),
        "cancelled": Field(_("cancelled changes")),
    },
)
register(
    "holiday_calendar",
    actions={
        "added": _("Holiday calendar added"),
        "changed": _("Holiday calendar changed"),
        "removed": _("Holiday calendar removed"),
    },
    fields={
        "name": Field(_("name")),
        "days": Field(_("days")),
    },
)
register(
    "override",
    actions={
        "created": _("Override set"),
        "ended": _("Override ended"),
        "expired": _("Override expired"),
    },
    fields={
        "kind": Field(_("kind"), choice(Override.Kind.choices)),
        "until": Field(_("until"), moment),
        "starts_again": Field(_("starts again")),
    },
)
