"""Labels of what the audit trail records of notifications."""

from django.utils.translation import gettext_lazy

from dashboard.audit.labels import Field, choice, register

from .models import NotificationSettings

_WANTED = {
    "lead_times": Field(gettext_lazy("minutes before a stop")),
    "on_failure": Field(gettext_lazy("on failed instances")),
    "on_failed_edit": Field(gettext_lazy("on failed changes")),
    "scope": Field(
        gettext_lazy("instances"), choice(NotificationSettings.Scope.choices)
    ),
    "owner": Field(gettext_lazy("owner")),
    "cloud": Field(gettext_lazy("cloud")),
    "quiet_from": Field(gettext_lazy("quiet from")),
    "quiet_until": Field(gettext_lazy("quiet until")),
    "time_zone": Field(gettext_lazy("time zone")),
}

register(
    "reminder",
    actions={"settings_changed": gettext_lazy("Notification settings changed")},
    fields=_WANTED
    | {
        "in_page": Field(gettext_lazy("in Curfew")),
        "by_mail": Field(gettext_lazy("by email")),
        "on_stopped": Field(gettext_lazy("on stops by others")),
    },
)
register(
    "channel",
    actions={
        "added": gettext_lazy("Channel added"),
        "changed": gettext_lazy("Channel changed"),
        "removed": gettext_lazy("Channel removed"),
        "tested": gettext_lazy("Channel tested"),
    },
    fields=_WANTED
    | {
        "name": Field(gettext_lazy("name")),
        "address": Field(gettext_lazy("address")),
        "active": Field(gettext_lazy("active")),
    },
)
