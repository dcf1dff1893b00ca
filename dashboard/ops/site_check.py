"""Checks the path from ``CURFEW_URL`` to the web server, with all its proxies."""

import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from dashboard.metrics import seen
from dashboard.modelarts.endpoints import is_loopback

from .faults import FaultError

ANSWER_SECONDS = 10
SLOW_BODY_SECONDS = 30
"""An incomplete request must have been ended by then."""

UNDERSCORED = "192.0.2.1"
FORGED = "192.0.2.2"
"""Documentation addresses: no client has them."""


def check(url: str) -> str:
    """Check a URL, ``https://host`` without a path.

    Returns:
        A sentence, if all is well.

    Raises:
        FaultError: Something is wrong; the message says what to do.
    """
    try:
        arrived = _ask(url)
    except httpx.TransportError as error:
        if is_loopback(urlsplit(url).hostname or ""):
            return f"Not tried: nothing answers at {url} here."
        raise FaultError(
            f"{url} cannot be reached from here: {error}. If people can reach it, try "
            "it from where they are: manage.py doctor --only site"
        ) from None
    _judge_address(arrived)
    _try_a_slow_body(url)
    return (
        "Forged addresses are not believed, and a request that never ends takes "
        "nothing from others."
    )


def _ask(url: str) -> dict[str, Any]:
    answer = httpx.get(
        f"{url}{seen.PATH}",
        headers={
            seen.HEADER: seen.sign(),
            "X_Forwarded_For": UNDERSCORED,
            "X-Forwarded-For": FORGED,
        },
        verify=ssl.create_default_context(),
        timeout=ANSWER_SECONDS,
        trust_env=False,
    )
    if answer.is_redirect:
        raise FaultError(
            f"{url} redirects to {answer.headers['Location']!r:.200}, so people are "
            "redirected for ever. Have the proxy set X-Forwarded-Proto: https."
        )
    try:
        arrived = answer.json()
    except ValueError:
        arrived = None
    if answer.status_code != 200 or not isinstance(arrived, dict):
        raise FaultError(
            f"{url} answers with status {answer.status_code}: it does not lead to this "
            "Curfew, or that has another release, clock or CURFEW_SECRET_KEY."
        )
    return arrived


def _judge_address(arrived: dict[str, Any]) -> None:
    proxies = settings.CURFEW.trusted_proxies
    address, hops = arrived.get("address"), arrived.get("forwarded_for") or []
    if UNDERSCORED in {address, *hops}:
        raise FaultError(
            "X_Forwarded_For passes for X-Forwarded-For on the way, so anybody can "
            "forge their address. Have the proxy drop headers with an underscore."
        )
    if not proxies:
        return  # no proxy: X-Forwarded-For is ignored
    if address is None or hops == [FORGED]:
        raise FaultError(
            f"CURFEW_TRUSTED_PROXIES is {proxies}, but no proxy says where a request "
            "comes from. Have it set X-Forwarded-For."
        )
    if address == FORGED:
        raise FaultError(
            f"CURFEW_TRUSTED_PROXIES is {proxies}, but fewer proxies say where a "
            "request comes from, so anybody can forge their address. Lower it."
        )
    # The first of them may replace what the client sent, or add to it.
    if len([hop for hop in hops if hop != FORGED]) > proxies:
        raise FaultError(
            f"CURFEW_TRUSTED_PROXIES is {proxies}, but {len(hops)} proxies say where a "
            "request comes from, so everybody seems to come from the first. Raise it."
        )


def _try_a_slow_body(url: str) -> None:
    parts = urlsplit(url)
    host, port = (
        parts.hostname or "",
        parts.port or (443 if parts.scheme == "https" else 80),
    )
    head = (
        "POST /accounts/login/ HTTP/1.1\r\n"
        f"Host: {parts.netloc}\r\n"
        f"Origin: {url}\r\n"
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
        raise FaultError(
            f"A request whose body never comes is not ended within {SLOW_BODY_SECONDS} "
            "s: some of them would stop the site. Have the proxy end them "
            "(docs/operations.md)."
        ) from None
    except OSError:
        return  # hung up
