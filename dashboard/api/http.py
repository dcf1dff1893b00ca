from django.http import HttpRequest

from dashboard.accounts.models import User

from .models import ApiToken


class TokenRequest(HttpRequest):
    """A request whose token has been checked."""

    user: User
    api_token: ApiToken
