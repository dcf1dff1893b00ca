"""The language of a response.

A page uses the person's choice, else the one this browser chose on the sign-in page (a
cookie), else the browser's preference. The API always answers in English, so that a
program does not fail when its owner chooses another language. Workers and commands use
``LANGUAGE_CODE``: they store and log English, which is translated when it is shown.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from .middleware import GetResponse, is_api_request

AS_BROWSER = ""
"""The choice to follow the browser."""

COOKIE_SECONDS = 365 * 24 * 3600


class LanguageMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = language_of(request)
        request.language = language  # type: ignore[attr-defined]  # ours
        with translation.override(language):
            response = self.get_response(request)
        if not request.user.is_authenticated and not is_api_request(request):
            patch_vary_headers(response, ["Accept-Language"])
        return response


def is_spoken(language: str) -> bool:
    return language in dict(settings.LANGUAGES)


def remember(response: HttpResponse, language: str) -> None:
    """Store the language in a cookie, for pages before the sign-in."""
    name = settings.LANGUAGE_COOKIE_NAME
    if language == AS_BROWSER:
        response.delete_cookie(name, samesite="Lax")
        return
    response.set_cookie(
        name,
        language,
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def language_without_query(request: HttpRequest) -> str:
    known: str = getattr(request, "language", AS_BROWSER)
    return known or translation.get_language_from_request(request)


def language_of(request: HttpRequest) -> str:
    """Return the language of the answer to a request whose user is known."""
    if is_api_request(request):
        return settings.LANGUAGE_CODE
    # Anonymous users do not have the attribute.
    chosen: str = getattr(request.user, "language", AS_BROWSER)
    if is_spoken(chosen):
        return chosen
    # Cookie, then Accept-Language, then LANGUAGE_CODE.
    return translation.get_language_from_request(request)
