"""Types of requests, for annotations."""

from django.http import HttpRequest

from dashboard.accounts.models import User

from .models import ApiToken


class TokenRequest(HttpRequest):
    """What an endpoint gets: the token was looked up before."""

    user: User
    api_token: ApiToken
