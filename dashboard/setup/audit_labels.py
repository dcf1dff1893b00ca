"""Audit trail labels of the setup."""

from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, register

register(
    "setup",
    actions={
        "clouds_chosen": _("Clouds chosen"),
        "cloud_added": _("Cloud added"),
    },
    fields={
        "clouds": Field(_("clouds")),
        "cloud": Field(_("cloud")),
    },
)
