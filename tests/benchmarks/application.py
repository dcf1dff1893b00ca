"""What the app server of the benchmarks serves: ours, and beside it the baselines."""

from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from dashboard.asgi import make_application as ours
from dashboard.web.gateway import Gateway

from .urls import KILOBYTE

_CONTRIB = "django.contrib"
# No more than the baselines need: whatever else we have counts against us.
with override_settings(
    MIDDLEWARE=[
        f"{_CONTRIB}.sessions.middleware.SessionMiddleware",
        f"{_CONTRIB}.auth.middleware.AuthenticationMiddleware",
        f"{_CONTRIB}.messages.middleware.MessageMiddleware",
    ]
):
    django = WSGIHandler()

_HEAD = [
    (b"content-type", b"text/plain"),
    (b"content-length", str(len(KILOBYTE)).encode()),
]


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """A constant, from the event loop."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
    await send({"type": "http.response.body", "body": KILOBYTE, "more_body": False})


def make_application(*, threads: int) -> Any:
    """Chooses by the path."""
    site = ours(threads=threads)
    baselines = Gateway(
        django,
        shortcut=lambda environ: None,
        threads=threads,
        longest_body=64 * 1024,
        plain_headers=[],
    )

    async def application(scope: Any, receive: Any, send: Any) -> None:
        path: str = scope["path"]
        if path == "/_bare":
            chosen: Any = bare
        else:
            chosen = baselines if path.startswith("/_") else site
        await chosen(scope, receive, send)

    return application
