from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

VIA_TOKEN = define("api.via_token", _("token %(token)s"))
TOKEN_OF = define("api.token_of", _("%(token)s of %(person)s"))
ACCOUNT_DEACTIVATED = define(
    "api.account_deactivated", _("The account was deactivated.")
)
