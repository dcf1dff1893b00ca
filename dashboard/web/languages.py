"""Which language an answer speaks.

A page: the person's own choice, else what this browser was given on the sign-in page (a
cookie), else what the browser asks for. The API: English always, so that a program does
not fail when its person chooses another language. Workers and commands speak
``LANGUAGE_CODE``: what they store or log is English, and put into a reader's language
when it is shown.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from .api_requests import is_api_request
from .middleware import GetResponse

AS_BROWSER = ""
"""Chosen by whoever leaves it to the browser."""

COOKIE_SECONDS = 365 * 24 * 3600


class LanguageMiddleware:
    """Draw each answer in its reader's language."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Activate the language for this request."""
        language = _language(request)
        request.language = language  # type: ignore[attr-defined]  # ours
        with translation.override(language):
            response = self.get_response(request)
        if not request.user.is_authenticated and not is_api_request(request):
            patch_vary_headers(response, ["Accept-Language"])
        return response


def is_spoken(language: str) -> bool:
    """Whether pages can be had in this language (its code, such as ``de``)."""
    return language in dict(settings.LANGUAGES)


def remember(response: HttpResponse, language: str) -> None:
    """Have this browser keep a language for pages before the sign-in."""
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


def language_without_asking(request: HttpRequest) -> str:
    """The language of a request whose person may not be known, as when that failed."""
    known: str = getattr(request, "language", AS_BROWSER)
    return known or translation.get_language_from_request(request)


def _language(request: HttpRequest) -> str:
    if is_api_request(request):
        return settings.LANGUAGE_CODE
    # Nobody has the attribute before the sign-in.
    chosen: str = getattr(request.user, "language", AS_BROWSER)
    if is_spoken(chosen):
        return chosen
    # Cookie, then Accept-Language, then LANGUAGE_CODE.
    return translation.get_language_from_request(request)
