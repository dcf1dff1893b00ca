"""The page to which a form leads back."""

from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import Resolver404, get_script_prefix, resolve

from dashboard.web.refusals import referring_page

FIELD = "back"
"""Hidden field with the path."""

_LISTS = frozenset({"instances", "handover", "policies", "saved"})
"""Apps whose pages list instances."""

_PAGES = frozenset({"edits:overrides"})
"""Other such pages."""


def return_path(request: HttpRequest, default: str) -> str:
    """Return the list from which the form was opened, with its filters."""
    path = request.POST.get(FIELD) or referring_page(request)
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or not path.startswith("/"):
        return default
    prefix = get_script_prefix()
    if not parts.path.startswith(prefix):
        return default
    try:
        match = resolve(f"/{parts.path.removeprefix(prefix)}")
    except Resolver404:
        return default
    is_list = match.app_name in _LISTS or match.view_name in _PAGES
    if match.url_name != "home" and not is_list:
        return default
    return path
