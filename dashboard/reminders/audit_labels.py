from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, choice, register

from .models import NotificationSettings, Reminder

_SETTINGS = {
    "lead_times": Field(_("minutes before a stop")),
    "on_failure": Field(_("on failed instances")),
    "on_failed_edit": Field(_("on failed changes")),
    "on_overdue": Field(_("on late stops")),
    "on_no_end": Field(_("on GPUs without auto-stop")),
    "on_cloud": Field(_("on clouds that can't be read")),
    "on_handover": Field(_("on handovers")),
    "on_budget": Field(_("on budgets")),
    "scope": Field(_("instances"), choice(NotificationSettings.Scope.choices)),
    "owner": Field(_("owner")),
    "cloud": Field(_("cloud")),
    "team": Field(_("team")),
    "quiet_from": Field(_("quiet from")),
    "quiet_until": Field(_("quiet until")),
    "time_zone": Field(_("time zone")),
}

register(
    "reminder",
    actions={
        "settings_changed": _("Notification settings changed"),
        "acknowledged": _("Notification acknowledged"),
    },
    fields=_SETTINGS
    | {
        "in_page": Field(_("in Curfew")),
        "by_mail": Field(_("by email")),
        "weekly_digest": Field(_("weekly digest")),
        "on_others": Field(_("on changes by others")),
        # Of events before this setting included changes and starts.
        "on_stopped": Field(_("on stops by others")),
        "on_request": Field(_("on requests")),
        "stops_only_mine": Field(_("only own stops")),
        "only_on_call": Field(_("not while someone else is on call")),
        "kind": Field(_("kind"), choice(Reminder.Kind.choices)),
        "subject": Field(_("subject")),
    },
)
register(
    "channel",
    actions={
        "added": _("Channel added"),
        "changed": _("Channel changed"),
        "removed": _("Channel removed"),
        "tested": _("Channel tested"),
    },
    fields=_SETTINGS
    | {
        "name": Field(_("name")),
        "address": Field(_("address")),
        "active": Field(_("active")),
    },
)
register(
    "on_call",
    actions={"replaced": _("On-call roster replaced")},
    fields={"shifts": Field(_("shifts")), "names": Field(_("names"))},
)
