"""Answers polls of pages that have not changed, in front of Django."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from django.conf import settings

from dashboard.livepoll import state, token
from dashboard.web.gateway import Later
from dashboard.web.hardening import fixed_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from dashboard.web.gateway import Headers, Response

    News = Callable[[WSGIEnvironment, int], tuple[str, Headers, bytes] | None]
    """Returns status, headers and body; None if Django has to find them. Its second
    argument is when the poll token expires, Unix seconds."""


class PollShortcut:
    """WSGI application that answers polls with a valid poll token.

    It runs in front of Django, because Django's request and response objects alone take
    more time than a poll without news (``docs/performance.md``).

    Args:
        news: Answers polls of pages that have changed; None for Django.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        cache: state.FleetStateCache = state.cache,
        news: "News | None" = None,
    ) -> None:
        self._application = application
        self._cache = cache
        self._news = news
        self._cookie = f"{settings.SESSION_COOKIE_NAME}="
        self._headers = fixed_headers()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        response = self._answer(environ)
        if response and not isinstance(response, Later):
            start_response(*response)
            return ()
        if self._news and isinstance(response, Later):
            expires_at = token.expires_at(environ[token.ENVIRON_KEY])
            if answer := self._news(environ, expires_at):
                status, headers, body = answer
                start_response(status, headers)
                return (body,)
        return self._application(environ, start_response)

    def from_memory(self, environ: "WSGIEnvironment") -> "Response | Later | None":
        """Return what ``Gateway`` does with a request, without waiting for anything."""
        return self._answer(environ, may_wait=False)

    def _answer(
        self, environ: "WSGIEnvironment", *, may_wait: bool = True
    ) -> "Response | Later | None":
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
        if not poll_token:
            return None
        page = poll_token.page
        # What the first poll of a page finds out answers the others.
        same = Later(page.key and f"{page.key}.{page.digest}")
        if not may_wait and not self._cache.is_fresh:
            return same
        fleet = self._cache.read()
        if not fleet:
            return same
        if poll_token.user_pk in fleet.revoked:
            return None
        if fleet.version != poll_token.version:
            is_unchanged = state.is_unchanged(page, fleet.version, may_wait=may_wait)
            if is_unchanged is None and may_wait:
                is_unchanged = state.is_unchanged_in_database(page, fleet.version)
            if not is_unchanged:
                return same if is_unchanged is None else Later()
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
