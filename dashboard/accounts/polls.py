"""Answers polls with news without the middleware that they do not need.

Middleware takes most of the time of such a poll. A valid poll token says that a request
of this session passed all of it within the last minute, so this reads what may have
changed since then: the session, the person and their rights. It handles the plain case
alone, and leaves everything else to Django: it redirects, refuses, logs and explains
nothing.

The answer's poll token expires no later than that of the poll, so all of the middleware
runs once a minute.
"""

import time
from collections.abc import Callable, Iterable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.wsgi import WSGIRequest
from django.db import InterfaceError, OperationalError, close_old_connections
from django.http import HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.urls import get_script_prefix, resolve, reverse
from django.utils import timezone, translation
from django_htmx.middleware import HtmxDetails

from dashboard.web.errors import is_unavailable
from dashboard.web.hardening import headers_of_fragments
from dashboard.web.languages import language_of
from dashboard.web.middleware import zone_of

from .sessions import is_expired
from .two_factor import lacks_factor

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

View = Callable[..., HttpResponse]
Answer = tuple[str, list[tuple[str, str]], bytes]


class NewsHandler:
    """Calls the views that answer polls.

    Args:
        view_names: Of addresses without arguments.
    """

    def __init__(self, view_names: Iterable[str]) -> None:
        self._view_names = view_names
        self._headers = headers_of_fragments()
        self._session_store: Any = import_module(settings.SESSION_ENGINE).SessionStore
        self._compress = GZipMiddleware(lambda _: HttpResponse()).process_response

    @cached_property
    def _views(self) -> dict[str, View]:
        # The addresses are read at the first poll, as Django does.
        prefix = get_script_prefix().rstrip("/")
        paths = [reverse(name).removeprefix(prefix) for name in self._view_names]
        return {path: resolve(path).func for path in paths}

    def __call__(self, environ: "WSGIEnvironment", expires_at: int) -> Answer | None:
        """Return the answer to a poll; None if Django has to find it.

        Args:
            environ: Of a request with a valid poll token.
            expires_at: When that token expires, Unix seconds.

        Raises:
            Exception: A fault of ours. ``web.gateway`` logs it and answers 500, and
                once the token has expired, Django answers.
        """
        view = self._views.get(environ["PATH_INFO"])
        if view is None:
            return None
        try:
            return self._answer(view, environ, expires_at)
        except (redis.RedisError, OperationalError, InterfaceError) as error:
            if not is_unavailable(error):
                raise
            return None  # Django meets it again, and shows a page for it.
        finally:
            close_old_connections()

    def _answer(
        self, view: View, environ: "WSGIEnvironment", expires_at: int
    ) -> Answer | None:
        request: Any = WSGIRequest(environ)
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        request.session = self._session_store(key)
        request.user = user = get_user(request)
        if (
            not user.is_authenticated
            or user.one_time_until is not None
            or is_expired(request, int(time.time()))
            or lacks_factor(request)
        ):
            return None
        request.htmx = HtmxDetails(request)
        request.poll_token_expires_at = expires_at
        with (
            translation.override(language_of(request)),
            timezone.override(zone_of(request)),
        ):
            response: Any = view(request)
        if response.status_code not in {200, 204}:
            return None
        response = self._compress(request, response)
        headers = {**self._headers, **response.headers}
        status = f"{response.status_code} {response.reason_phrase}"
        return status, list(headers.items()), response.content
