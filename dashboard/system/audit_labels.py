from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import register

register(
    "system",
    actions={
        "checked": _("System check requested"),
        "mail_tested": _("Test mail requested"),
    },
)
