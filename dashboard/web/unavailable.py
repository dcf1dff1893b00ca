"""Responses while Redis or the database is unavailable.

Pages work without Redis. Rate limits against guessing do not: signing in, codes and
confirming a password fail closed for the few seconds that it takes.

Nothing works without the database. While it is down, starting, full or locked for too
long, every page says so and when to retry; a form can be sent again.
"""

import sqlite3
import sys

import redis
import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation

from .errors import error_page
from .languages import language_without_asking
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
        """Answer 503 with ``Retry-After`` when the reason is a store."""
        if isinstance(exception, redis.RedisError):
            page = render(request, "503.html", status=503)
            return not_now(request, page, exception)
        if is_database_unavailable(exception):
            return _database_unavailable(request, exception)
        return None


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer errors of other middlewares; Django's ``handler500``.

    Returns:
        503 when the database is unavailable, else 500.
    """
    fault = sys.exc_info()[1]
    if fault is not None and is_database_unavailable(fault):
        with translation.override(language_without_asking(request)):
            return _database_unavailable(request, fault)
    return error_page(request, 500)


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
    log.error(f"{store} is away", path=request.path, reason=str(reason)[:200])
    page.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return page


def _database_unavailable(request: HttpRequest, reason: BaseException) -> HttpResponse:
    context = {
        "is_form": request.method not in READS,
        "fields": fields_to_send_again(request),
    }
    page = render(request, "503_database.html", context, status=503)
    return not_now(request, page, reason, store="database")
