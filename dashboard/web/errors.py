"""Error pages: Django's handlers, and responses while Redis or the database is down.

Django's own handlers check the CSRF token and so read the body. These never read it,
because it may be the cause of the error.

Pages work without Redis. Rate limits against guessing do not: signing in, codes and
confirming a password fail closed for the few seconds that it takes.

Nothing works without the database. While it is down, starting, full or locked for too
long, every page says so and when to try again; a form can be sent again.
"""

import sqlite3
import sys

import redis
import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation

from .languages import language_without_query
from .limits import READS
from .middleware import GetResponse
from .refusals import fields_to_send_again

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 10


class UnavailableMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """Answer 503 with ``Retry-After`` when Redis or the database caused it."""
        if isinstance(exception, redis.RedisError):
            page = render(request, "503.html", status=503)
            return not_now(request, page, exception)
        if is_database_unavailable(exception):
            return _database_unavailable(request, exception)
        return None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error_page(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page_in_site(request, 403, reason=str(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page_in_site(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer errors of other middlewares; Django's ``handler500``.

    Returns:
        503 when the database is unavailable, else 500.
    """
    fault = sys.exc_info()[1]
    if fault is not None and is_database_unavailable(fault):
        with translation.override(language_without_query(request)):
            return _database_unavailable(request, fault)
    return _error_page(request, 500)


def is_unavailable(fault: BaseException) -> bool:
    """Return whether Redis or the database is unavailable."""
    return isinstance(fault, redis.RedisError) or is_database_unavailable(fault)


def is_database_unavailable(fault: BaseException) -> bool:
    """Return whether the database is unavailable, as opposed to a wrong query.

    A long wait for a lock and a full disk count as unavailable.
    """
    if not isinstance(fault, OperationalError | InterfaceError):
        return False
    # SQLite uses OperationalError for syntax errors, too.
    code: int = getattr(fault.__cause__, "sqlite_errorcode", sqlite3.SQLITE_BUSY)
    return code != sqlite3.SQLITE_ERROR


def not_now(
    request: HttpRequest,
    page: HttpResponse,
    reason: BaseException,
    *,
    store: str = "redis",
) -> HttpResponse:
    log.error(f"{store} unavailable", path=request.path, reason=str(reason)[:200])
    page.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return page


def _database_unavailable(request: HttpRequest, reason: BaseException) -> HttpResponse:
    context = {
        "is_form": request.method not in READS,
        "fields": fields_to_send_again(request),
    }
    page = render(request, "503_database.html", context, status=503)
    return not_now(request, page, reason, store="database")


def _error_page(request: HttpRequest, status: int) -> HttpResponse:
    """Return the page for an anonymous reader; needs no database, session or body."""
    with translation.override(language_without_query(request)):
        return HttpResponse(render_to_string(f"{status}.html"), status=status)


def _page_in_site(request: HttpRequest, status: int, reason: str = "") -> HttpResponse:
    with translation.override(language_without_query(request)):
        return render(request, f"{status}.html", {"reason": reason}, status=status)
