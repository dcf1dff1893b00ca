from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, choice, moment, register

from .selectors import SCOPES

register(
    "token",
    actions={
        "made": _("Token created"),
        "first_used": _("Token first used"),
        "revoked": _("Token revoked"),
    },
    fields={
        "scopes": Field(_("scopes"), choice(SCOPES.items())),
        "expires_at": Field(_("expires"), moment),
    },
)
