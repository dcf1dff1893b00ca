from django.utils.translation import gettext_lazy

from dashboard.web.stored_messages import define

VIA_TOKEN = define("api.via_token", gettext_lazy("token %(token)s"))
TOKEN_OF = define("api.token_of", gettext_lazy("%(token)s of %(person)s"))
ACCOUNT_DEACTIVATED = define(
    "api.account_deactivated", gettext_lazy("The account was deactivated.")
)
