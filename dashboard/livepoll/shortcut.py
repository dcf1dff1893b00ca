"""Answers polls that have nothing to tell, before Django hears of them."""

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
    """WSGI: a poll with a valid poll_token and no news is 204, all else goes through.

    In front of Django and not a middleware: measured, its request and response objects
    alone cost more than all that is done here (``docs/performance.md``).
    """

    def __init__(
        self, application: "WSGIApplication", board: state.FleetStateCache = state.board
    ) -> None:
        self._application = application
        self._board = board
        self._cookie = f"{settings.SESSION_COOKIE_NAME}="
        self._headers = fixed_headers()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer the poll, or hand the request on."""
        text = environ.get(token.ENVIRON_KEY)
        news = text and self._nothing_new(text, environ)
        if not news:
            return self._application(environ, start_response)
        start_response("204 No Content", [("HX-Trigger", news), *self._headers])
        return ()

    def from_memory(
        self, environ: "WSGIEnvironment"
    ) -> tuple[str, list[tuple[str, str]]] | None:
        """The same without waiting for Redis, for callers that must not wait.

        Returns:
            Status line and headers; None when the news have to be read, or when the
            full path has to answer.
        """
        text = environ.get(token.ENVIRON_KEY)
        if not text or not self._board.is_fresh:
            return None
        news = self._nothing_new(text, environ)
        return (
            ("204 No Content", [("HX-Trigger", news), *self._headers]) if news else None
        )

    def _nothing_new(self, text: str, environ: "WSGIEnvironment") -> str:
        """What goes along with 204; empty when the full path has to answer."""
        if environ["REQUEST_METHOD"] != "GET":
            return ""
        poll_token = token.read(
            text,
            session_key=self._session_key(environ.get("HTTP_COOKIE", "")),
            path=environ["PATH_INFO"].encode("latin-1"),
            query=environ["QUERY_STRING"],
        )
        news = poll_token and self._board.read()
        if not poll_token or not news:
            return ""
        if news.version != poll_token.version or poll_token.user_pk in news.revoked:
            return ""
        return unchanged(news.as_of_ms(poll_token.cloud_pk))

    def _session_key(self, cookies: str) -> str:
        for cookie in cookies.split(";"):
            if (cookie := cookie.strip()).startswith(self._cookie):
                return unquote(cookie[len(self._cookie) :])
        return ""


def unchanged(as_of_ms: int | None, *, poll_token: str = "") -> str:
    """``HX-Trigger`` of 204: the mirror's age and the server's clock, Unix **ms**.

    Args:
        as_of_ms: When the mirror was last complete; None when it never was.
        poll_token: A new one for the poller.
    """
    now_ms = time.time_ns() // 1_000_000
    age = "null" if as_of_ms is None else as_of_ms
    renewed = f',"poll_token":"{poll_token}"' if poll_token else ""
    return f'{{"curfew:unchanged":{{"now_ms":{now_ms},"as_of_ms":{age}{renewed}}}}}'
