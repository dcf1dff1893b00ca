"""Types of requests, for annotations."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from .models import User


class SignedInRequest(HttpRequest):
    """A request of a signed-in user; the middleware guarantees that."""

    user: User
    htmx: HtmxDetails
