from django.utils.translation import gettext_lazy

from dashboard.audit.labels import Field, moment, register
from dashboard.saved.queries import describe, read

register(
    "handover",
    actions={
        "drafted": gettext_lazy("Handover started"),
        "discarded": gettext_lazy("Handover draft discarded"),
        "published": gettext_lazy("Handover published"),
        "taken_over": gettext_lazy("Shift taken over"),
    },
    fields={
        "since": Field(gettext_lazy("since"), moment),
        "ahead_hours": Field(gettext_lazy("hours ahead")),
        "notes": Field(gettext_lazy("notes")),
        "digest": Field(gettext_lazy("digest"), in_row=False),
        "from": Field(gettext_lazy("from")),
    },
)
register(
    "wall",
    actions={
        "made": gettext_lazy("Wallboard created"),
        "renamed": gettext_lazy("Wallboard renamed"),
        "revoked": gettext_lazy("Wallboard link revoked"),
    },
    fields={
        "name": Field(gettext_lazy("name")),
        "query": Field(
            gettext_lazy("filter"), lambda value: ", ".join(describe(read(value)))
        ),
        "masked": Field(gettext_lazy("names hidden")),
    },
)
