"""Responses to forms whose session has ended or changed.

The typed values are handed back, to be sent again after the sign-in. For forms sent by
htmx ``static/forms.js`` does that, with two headers of the response.
"""

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme

TOKEN_HEADER = "Curfew-CSRF-Token"  # noqa: S105 (the name of a header)
"""Sent when a token is rejected: the one that fits the browser's current cookie."""

USER_HEADER = "Curfew-User"
"""Sent with it: primary key of the signed-in person, empty for none.

A form of a page drawn for another person must not be sent in this person's name.
"""

_FORM_TOKEN = "csrfmiddlewaretoken"  # noqa: S105 (the name of a field)
_SECRET = ("password", "code", "credential", "secret", "token")
"""Fields whose name contains one of these are never handed back."""


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 with a page; Django's ``CSRF_FAILURE_VIEW``.

    The values of another site's form are not handed back: sending them from our page
    would make the form ours.
    """
    is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin"
    context = {"fields": fields_to_send_again(request) if is_ours else []}
    response = render(request, "403_csrf.html", context, status=403)
    if is_ours and "HX-Request" in request.headers:
        user = getattr(request, "user", None)
        response.headers[TOKEN_HEADER] = get_token(request)
        response.headers[USER_HEADER] = str((user and user.pk) or "")
    return response


def sign_in_and_send_again(request: HttpRequest, login_url: str) -> HttpResponse:
    """Answer a form whose session has ended.

    Returns:
        401 with a page that can send the form again; a redirect to the sign-in page
        when there is nothing to send.
    """
    page = referring_page(request)
    fields = fields_to_send_again(request)
    if not fields:
        return redirect_to_login(page, login_url)
    context = {"fields": fields, "page": page, "login_url": resolve_url(login_url)}
    return render(request, "401.html", context, status=401)


def referring_page(request: HttpRequest) -> str:
    """Return the path of the page that led here, or this path if it is unknown.

    Many forms are sent to a URL that takes no GET, so it is no place to return to.
    """
    referer = request.headers.get("Referer", "")
    hosts = {request.get_host()}
    is_ours = url_has_allowed_host_and_scheme(
        referer, hosts, require_https=request.is_secure()
    )
    if not referer or not is_ours:
        return request.get_full_path()
    path = referer.partition("://")[2].partition("/")[2]
    return f"/{path}"


def fields_to_send_again(request: HttpRequest) -> list[tuple[str, str]]:
    """Return names and values of the form; nothing if any value is secret."""
    try:
        form = request.POST
    except (BadRequest, SuspiciousOperation):
        return []  # not a form of ours
    fields = [
        (name, value)
        for name, values in form.lists()
        for value in values
        if name != _FORM_TOKEN
    ]
    if any(word in name for name, _ in fields for word in _SECRET):
        return []
    return fields
