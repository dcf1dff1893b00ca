"""Checks the path from ``CURFEW_URL`` to the web server, with all its proxies."""

import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from dashboard.metrics import proxy_report
from dashboard.modelarts.endpoints import is_loopback
from dashboard.paths import MANAGE_NAME
from dashboard.web.stored_messages import Message

from . import messages
from .faults import FaultError

ANSWER_SECONDS = 10
SLOW_BODY_SECONDS = 30
"""An incomplete request must have been ended by then."""

UNDERSCORED = "192.0.2.1"
FORGED = "192.0.2.2"
"""Documentation addresses: no client has them."""


def check(url: str) -> Message:
    """Check a URL without a slash at the end; return a message if it passes.

    Raises:
        FaultError: It does not; the message says what to do.
    """
    try:
        arrived = _ask(url)
    except httpx.TransportError as error:
        if is_loopback(urlsplit(url).hostname or ""):
            return messages.SITE_NOT_HERE(url=url)
        fault = messages.SITE_UNREACHABLE(
            url=url, reason=str(error), manage=MANAGE_NAME
        )
        raise FaultError(fault) from None
    _judge_address(arrived)
    _try_a_slow_body(url)
    return messages.SITE_READY()


def _ask(url: str) -> dict[str, Any]:
    answer = httpx.get(
        f"{url}{proxy_report.PATH}",
        headers={
            proxy_report.HEADER: proxy_report.sign(),
            "X_Forwarded_For": UNDERSCORED,
            "X-Forwarded-For": FORGED,
        },
        verify=ssl.create_default_context(),
        timeout=ANSWER_SECONDS,
        trust_env=False,
    )
    if answer.is_redirect:
        location = f"{answer.headers['Location']!r:.200}"
        raise FaultError(messages.SITE_REDIRECTS(url=url, location=location))
    try:
        arrived = answer.json()
    except ValueError:
        arrived = None
    if answer.status_code != 200 or not isinstance(arrived, dict):
        raise FaultError(messages.SITE_IS_ANOTHER(url=url, status=answer.status_code))
    return arrived


def _judge_address(arrived: dict[str, Any]) -> None:
    proxies = settings.CURFEW.trusted_proxies
    address, hops = arrived.get("address"), arrived.get("forwarded_for") or []
    if UNDERSCORED in {address, *hops}:
        raise FaultError(messages.UNDERSCORES_PASS())
    if not proxies:
        return  # no proxy: X-Forwarded-For is ignored
    if address is None or hops == [FORGED]:
        raise FaultError(messages.NO_PROXY_REPORTS(proxies=proxies))
    if address == FORGED:
        raise FaultError(messages.FEWER_PROXIES_REPORT(proxies=proxies))
    # The first proxy may replace the client's header or append to it.
    if len([hop for hop in hops if hop != FORGED]) > proxies:
        raise FaultError(messages.MORE_PROXIES_REPORT(proxies=proxies, hops=len(hops)))


def _try_a_slow_body(url: str) -> None:
    parts = urlsplit(url)
    host, port = (
        parts.hostname or "",
        parts.port or (443 if parts.scheme == "https" else 80),
    )
    head = (
        f"POST {parts.path}/accounts/login/ HTTP/1.1\r\n"
        f"Host: {parts.netloc}\r\n"
        f"Origin: {parts.scheme}://{parts.netloc}\r\n"
        # Any token will do: with one, the body is read to find its counterpart.
        f"Cookie: {settings.CSRF_COOKIE_NAME}={'a' * 32}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 2000\r\n\r\na="
    )
    deadline = time.monotonic() + SLOW_BODY_SECONDS
    try:
        with socket.create_connection((host, port), ANSWER_SECONDS) as plain:
            line = plain
            if parts.scheme == "https":
                context = ssl.create_default_context()
                line = context.wrap_socket(plain, server_hostname=host)
            line.sendall(head.encode())
            line.settimeout(max(deadline - time.monotonic(), 1))
            line.recv(1)  # an answer, or the end
    except TimeoutError:
        fault = messages.SLOW_REQUESTS_PASS(seconds=SLOW_BODY_SECONDS)
        raise FaultError(fault) from None
    except OSError:
        return  # hung up
