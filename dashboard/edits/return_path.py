"""Where a person came from: the page that a form, saved or not, leads back to."""

from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import Resolver404, resolve

from dashboard.web.refusals import referring_page

FIELD = "back"
"""Hidden field that carries the path while the form is filled in."""

_LISTS = frozenset({"instances", "handover", "policies", "saved"})
"""Apps whose pages show an instance among others, with its chip."""


def return_path(request: HttpRequest, default: str) -> str:
    """The list that the form was opened from, its filters included.

    Args:
        request: Of the form, opened or sent.
        default: Path of the instance's own page.
    """
    came_from = request.POST.get(FIELD) or referring_page(request)
    parts = urlsplit(came_from)
    if parts.scheme or parts.netloc or not came_from.startswith("/"):
        return default
    try:
        match = resolve(parts.path)
    except Resolver404:
        return default
    if match.url_name != "home" and match.app_name not in _LISTS:
        return default
    return came_from
