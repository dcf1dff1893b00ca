"""Requests of people, and who may make them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from .models import User
from .permissions import can_manage_people

View = Callable[..., HttpResponse]


class SignedInRequest(HttpRequest):
    """A request of a signed-in user; the middleware guarantees that."""

    user: User
    htmx: HtmxDetails


def admins_only(view: View) -> View:
    """Respond with 403 to users who may not manage people."""

    @wraps(view)
    def checked(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not can_manage_people(request.user):
            raise PermissionDenied(_("Only admins can manage people."))
        return view(request, *args, **kwargs)

    return checked
