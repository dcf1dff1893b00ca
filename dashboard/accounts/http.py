"""Types of requests, for annotations."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from .models import User


class SignedInRequest(HttpRequest):
    """What a view gets: the middleware has asked for a sign-in before."""

    user: User
    htmx: HtmxDetails
