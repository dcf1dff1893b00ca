from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.audit.labels import Field, choice, register
from dashboard.audit.models import AuditEvent

from .countdown import status_badge
from .durations import exact_text
from .filters import MISSING
from .models import InstanceEvent

GONE = {"missing", MISSING}


def duration(value: str) -> str:
    return exact_text(int(value)) if value.isdecimal() else value


def status(value: str) -> str:
    return gettext("Missing") if value in GONE else status_badge(value).label


def _detail_page(event: AuditEvent) -> str:
    if not event.instance:
        return ""
    return reverse("instances:detail", args=event.instance.rsplit("/", 1))


register(
    "instance",
    actions={"stopped": _("Instance stopped")},
    fields={
        "status": Field(_("status"), status),
        "cause": Field(_("cause"), choice(InstanceEvent.Reason.choices)),
        "edit": Field(_("change"), in_row=False),
    },
    page=_detail_page,
)
register(
    "cloud",
    actions={
        "removed": _("Cloud removed from the configuration"),
        "returned": _("Cloud back in the configuration"),
        "retired": _("Cloud retired"),
        "renamed": _("Cloud renamed"),
        "deleted": _("Cloud deleted"),
        "refreshed": _("Refresh of a cloud requested"),
    },
    fields={
        "was": Field(_("former name")),
        "instances": Field(_("instances")),
        "stayed": Field(_("instances that kept the former name")),
    },
)
