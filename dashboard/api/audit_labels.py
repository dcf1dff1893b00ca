from django.utils.translation import gettext_lazy

from dashboard.audit.labels import Field, choice, moment, register

from .selectors import SCOPES

register(
    "token",
    actions={
        "made": gettext_lazy("Token created"),
        "first_used": gettext_lazy("Token first used"),
        "revoked": gettext_lazy("Token revoked"),
    },
    fields={
        "scopes": Field(gettext_lazy("scopes"), choice(SCOPES.items())),
        "expires_at": Field(gettext_lazy("expires"), moment),
    },
)
