"""Error pages: Django's handlers for 400, 403, 404 and 500.

Django's own views check the CSRF token and so read the body, which may be the very
cause of the error; these never read it.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation

from .languages import language_without_asking


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page_in_site(request, 403, reason=str(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page_in_site(request, 404)


def error_page(request: HttpRequest, status: int) -> HttpResponse:
    """Return the page for an anonymous reader; needs no database, session or body."""
    with translation.override(language_without_asking(request)):
        return HttpResponse(render_to_string(f"{status}.html"), status=status)


def _page_in_site(request: HttpRequest, status: int, reason: str = "") -> HttpResponse:
    """Return the page, with navigation for a signed-in person."""
    with translation.override(language_without_asking(request)):
        return render(request, f"{status}.html", {"reason": reason}, status=status)
