"""What the app server of the benchmarks serves: ours, and beside it the baselines."""

from collections.abc import Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from dashboard.wsgi import application as ours

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


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Choose by the path."""
    path: str = environ["PATH_INFO"]
    if path == "/_bare":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (KILOBYTE,)
    if path.startswith("/_"):
        return django(environ, start_response)
    return ours(environ, start_response)
