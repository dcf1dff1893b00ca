"""Labels of what the audit trail records of instances and clouds."""

from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from dashboard.audit.labels import Field, choice, register
from dashboard.audit.models import AuditEvent

from .countdown import status_badge
from .durations import exact_text
from .filters import MISSING
from .models import InstanceEvent

GONE = {"missing", MISSING}


def duration(value: str) -> str:
    """Shows a number of **seconds** with units."""
    return exact_text(int(value)) if value.isdecimal() else value


def status(value: str) -> str:
    """Shows the status of an instance as the pages do."""
    return gettext("Missing") if value in GONE else status_badge(value).label


def _detail_page(event: AuditEvent) -> str:
    if not event.instance:
        return ""
    return reverse("instances:detail", args=event.instance.rsplit("/", 1))


register(
    "instance",
    actions={"stopped": gettext_lazy("Instance stopped")},
    fields={
        "status": Field(gettext_lazy("status"), status),
        "cause": Field(gettext_lazy("cause"), choice(InstanceEvent.Reason.choices)),
        "edit": Field(gettext_lazy("change"), in_row=False),
    },
    page=_detail_page,
)
register(
    "cloud",
    actions={
        "removed": gettext_lazy("Cloud removed from the configuration"),
        "returned": gettext_lazy("Cloud back in the configuration"),
        "retired": gettext_lazy("Cloud retired"),
        "renamed": gettext_lazy("Cloud renamed"),
        "deleted": gettext_lazy("Cloud deleted"),
    },
    fields={
        "was": Field(gettext_lazy("former name")),
        "instances": Field(gettext_lazy("instances")),
        "stayed": Field(gettext_lazy("instances that kept the former name")),
    },
)
