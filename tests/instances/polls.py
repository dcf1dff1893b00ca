"""Polls of open pages, as htmx sends them."""

import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory
from django.urls import reverse

from dashboard.accounts.polls import NewsHandler
from dashboard.instances.models import Cloud, FleetVersion
from dashboard.livepoll import state
from dashboard.livepoll.shortcut import PollShortcut

Poll = Callable[..., "Answer"]


class Answer(SimpleNamespace):
    """What came back, and whether Django was asked."""

    status: str
    headers: dict[str, str]
    was_quick: bool

    @property
    def news(self) -> dict[str, Any]:
        """Of an answer that says that nothing changed."""
        event: dict[str, Any] = json.loads(self.headers["HX-Trigger"])
        return event["curfew:unchanged"]  # type: ignore[no-any-return]


def ask(
    client: Client, page: str, *, news: NewsHandler | None = None, **more: str
) -> Answer:
    """Ask as htmx would, through what stands in front of Django."""
    answer = Answer(was_quick=True)
    django = WSGIHandler()

    def slow(environ: Any, start_response: Any) -> Any:
        answer.was_quick = False
        return django(environ, start_response)

    def start_response(status: str, headers: Any, *_: Any) -> None:
        answer.status, answer.headers = status, dict(headers)

    environ = environ_of(client, page, **more)
    shortcut = PollShortcut(slow, state.FleetStateCache(), news)
    body = shortcut(environ, start_response)
    answer.body = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return answer


def environ_of(client: Client, page: str, **more: str) -> dict[str, Any]:
    """The next poll of a page as it reaches us."""
    url, poll_token = poller(page)
    cookies = "; ".join(
        f"{cookie.key}={cookie.value}" for cookie in client.cookies.values()
    )
    return RequestFactory().get(url).environ | {
        "PATH_INFO": unquote_to_bytes(url.partition("?")[0]).decode("latin-1"),
        "HTTP_COOKIE": cookies,
        "HTTP_CURFEW_POLL_TOKEN": poll_token,
        "HTTP_HX_REQUEST": "true",
        **more,
    }


def poller(page: str) -> tuple[str, str]:
    """What the page's poller asks for, and its poll token."""
    match = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', page)
    poll_token = re.search(r"hx-headers='{\"Curfew-Poll-Token\": \"([^\"]+)\"}'", page)
    assert match
    assert poll_token
    return match[1].replace("&amp;", "&"), poll_token[1]


def draw(client: Client, view: str = "instances:list", **query: str) -> str:
    """The page of a view; what its polls need is known."""
    page = client.get(reverse(view), query).text
    state.put(
        FleetVersion.current(),
        {cloud.pk: cloud.refreshed_at_ms for cloud in Cloud.objects.all()},
    )
    return page
