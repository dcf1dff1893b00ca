"""Answers polls of pages that have not changed, in front of Django."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from django.conf import settings

from dashboard.livepoll import state, token
from dashboard.web.hardening import fixed_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class PollShortcut:
    """WSGI application that answers 204 to polls whose poll token is still current.

    It runs in front of Django, because Django's request and response objects alone take
    more time than all of this (``docs/performance.md``).
    """

    def __init__(
        self, application: "WSGIApplication", cache: state.FleetStateCache = state.cache
    ) -> None:
        self._application = application
        self._cache = cache
        self._cookie = f"{settings.SESSION_COOKIE_NAME}="
        self._headers = fixed_headers()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        response = self._not_modified(environ)
        if response is None:
            return self._application(environ, start_response)
        start_response(*response)
        return ()

    def from_memory(
        self, environ: "WSGIEnvironment"
    ) -> tuple[str, list[tuple[str, str]]] | None:
        """Return status line and headers; None if that takes a call to Redis or Django.

        For callers that must not wait.
        """
        if not self._cache.is_fresh:
            return None
        return self._not_modified(environ, may_wait=False)

    def _not_modified(
        self, environ: "WSGIEnvironment", *, may_wait: bool = True
    ) -> tuple[str, list[tuple[str, str]]] | None:
        """Return status line and headers; None if Django has to answer."""
        text = environ.get(token.ENVIRON_KEY)
        if not text or environ["REQUEST_METHOD"] != "GET":
            return None
        poll_token = token.read(
            text,
            session_key=self._session_key(environ.get("HTTP_COOKIE", "")),
            path=f"{environ.get('SCRIPT_NAME', '')}{environ['PATH_INFO']}".encode(
                "latin-1"
            ),
            query=environ["QUERY_STRING"],
        )
        fleet = poll_token and self._cache.read()
        if not poll_token or not fleet:
            return None
        if poll_token.user_pk in fleet.revoked:
            return None
        if fleet.version != poll_token.version and not state.is_unchanged(
            poll_token.page, fleet.version, may_wait=may_wait
        ):
            return None
        event = unchanged_event(fleet.as_of_ms(poll_token.cloud_pk))
        return "204 No Content", [("HX-Trigger", event), *self._headers]

    def _session_key(self, cookies: str) -> str:
        for cookie in cookies.split(";"):
            if (cookie := cookie.strip()).startswith(self._cookie):
                return unquote(cookie[len(self._cookie) :])
        return ""


def unchanged_event(as_of_ms: int | None, *, poll_token: str = "") -> str:
    """Return ``HX-Trigger`` of a 204.

    Args:
        as_of_ms: When the mirror was last complete, Unix **ms**; None for never.
        poll_token: A new one for the poller.
    """
    now_ms = time.time_ns() // 1_000_000
    age = "null" if as_of_ms is None else as_of_ms
    # Written by hand, since every poll pays for it and ``json.dumps`` takes longer.
    renewed = f',"poll_token":"{poll_token}"' if poll_token else ""
    return f'{{"curfew:unchanged":{{"now_ms":{now_ms},"as_of_ms":{age}{renewed}}}}}'
