"""Where webhooks may go: https to public addresses, and nowhere else by a detour.

apprise sends through ``requests``, which asks no one before it connects. So our adapter
takes the place of its own: it looks the host up once, refuses what is not public, and
connects to the very address it looked at, so that a second answer of the name server
has nobody to mislead. Whatever else in this process uses ``requests`` goes on as
before.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError, SSLError

from dashboard.web.stored_messages import Message

from . import messages
from .outcome import SENT, Outcome, not_sent, refused, unknown

MAX_BYTES = 64 * 1024
CONNECT_SECONDS, READ_SECONDS = 3.0, 8.0
HTTPS = 443
TRY_LATER = frozenset({429, 503})
"""Statuses that say nothing was done."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
_AZURE_HOST = ipaddress.ip_address("168.63.129.16")
"""A public address that lead_times to the host of every virtual machine on Azure."""

_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The second half of such addresses begins so; an IPv4 address follows (RFC 5214)."""


class ForbiddenError(requests.RequestException):
    """A place that nothing is sent to.

    Attributes:
        message: Why, for people.
    """

    def __init__(self, message: Message) -> None:
        super().__init__(message.code)
        self.message = message


class _Watch:
    """What became of the one request of a message."""

    def __init__(self) -> None:
        self.outcome = not_sent(messages.NOTHING_SENT())


_watch: ContextVar[_Watch | None] = ContextVar("webhook", default=None)


def send_guarded(send: Callable[[], Any]) -> Outcome:
    """Let apprise send, within bounds, and say how it ended."""
    watch = _Watch()
    token = _watch.set(watch)
    try:
        send()
    except Exception:
        # A fault of apprise's before or after the request; the watch knows which.
        return watch.outcome
    finally:
        _watch.reset(token)
    return watch.outcome


def check(host: str, port: int) -> None:
    """Refuse what can be seen to be forbidden without asking a name server.

    Raises:
        ForbiddenError: Nothing may be sent there.
    """
    if is_allowed(host):
        return
    if port != HTTPS:
        raise ForbiddenError(messages.ONLY_PORT_443())
    bare = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        # Names without a dot, and numbers spelled in ways that resolvers understand.
        if "." not in bare or bare.rpartition(".")[2][:1].isdigit():
            raise ForbiddenError(messages.HOST_NOT_PUBLIC()) from None
        if bare.endswith((".localhost", ".local", ".internal")):
            raise ForbiddenError(messages.HOST_NOT_PUBLIC()) from None
        return
    if not _is_public(address):
        raise ForbiddenError(messages.ADDRESS_NOT_PUBLIC())


def is_allowed(host: str) -> bool:
    """Whether ``CURFEW_WEBHOOK_HOSTS`` names it."""
    names = {name.lower() for name in settings.CURFEW.webhook_hosts}
    return host.strip("[]").rstrip(".").lower() in names


def addresses(host: str, port: int) -> list[str]:
    """The host's addresses, all of them fit to be connected to.

    Raises:
        ForbiddenError: One of them is not.
        socket.gaierror: The name server knows none.
    """
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    texts = list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))
    if not is_allowed(host):
        for text in texts:
            if not _is_public(ipaddress.ip_address(text)):
                raise ForbiddenError(messages.RESOLVES_TO_PRIVATE())
    return texts


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.teredo or address.is_site_local or address in _IPV4_COMPATIBLE:
            return False
        last_half = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if int(address) >> 32 & 0xFFFFFFFF in _ISATAP and not _is_public(last_half):
            return False
        inner = address.ipv4_mapped or address.sixtofour
        inner = last_half if address in _NAT64 else inner
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not address.is_multicast and address != _AZURE_HOST


class WatchedAdapter(HTTPAdapter):
    """``requests``' own, and for webhooks the watchman."""

    def send(  # type: ignore[override]  # options as they come
        self, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        """Send; for a webhook only where it may go."""
        watch = _watch.get()
        if watch is None:
            return super().send(request, **options)
        try:
            return _send_watched(watch, request, options)
        except ForbiddenError as error:
            watch.outcome = refused(error.message)
            raise


class _Pinned(HTTPAdapter):
    """Connects to an address, and speaks TLS with the host that has it."""

    def __init__(self, host: str) -> None:
        self._host = host
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, server_hostname=self._host, **options)


def _send_watched(
    watch: _Watch, request: requests.PreparedRequest, options: dict[str, Any]
) -> requests.Response:
    parts = urlsplit(str(request.url))
    host, port = parts.hostname or "", parts.port or HTTPS
    if parts.scheme != "https":
        raise ForbiddenError(messages.ONLY_HTTPS())
    check(host, port)
    try:
        found = addresses(host, port)
    except (socket.gaierror, UnicodeError) as error:
        watch.outcome = not_sent(messages.HOST_UNKNOWN())
        raise requests.ConnectionError(str(error)) from None
    request.headers["Host"] = parts.netloc
    verify = options.get("verify")
    # No proxy: it would look the name up itself. Certificates are always checked.
    options |= {"stream": True, "proxies": {}, "verify": verify or True}
    options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
    for address in found:
        literal = f"[{address}]" if ":" in address else address
        request.url = urlunsplit(parts._replace(netloc=f"{literal}:{port}"))
        watch.outcome = unknown(messages.CONNECTION_BROKE())
        try:
            with closing(_Pinned(host)) as adapter:
                return _read(watch, adapter.send(request, **options))
        except requests.RequestException as error:
            if not _never_left(error):
                raise
            watch.outcome = not_sent(_why(error))
            failure = error
    raise failure


def _read(watch: _Watch, response: requests.Response) -> requests.Response:
    status = response.status_code
    watch.outcome = _judged(status)
    with response:
        body = response.raw.read(MAX_BYTES, decode_content=False)
    response._content = body
    response._content_consumed = True
    return response


def _judged(status: int) -> Outcome:
    if 200 <= status < 300:
        return SENT
    detail = messages.WEBHOOK_ANSWERED(status=status)
    if status in TRY_LATER:
        return not_sent(detail)
    return unknown(detail) if status >= 500 else refused(detail)


def _never_left(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    inner = error.args[0] if error.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else None
    if isinstance(reason, SSLError) and reason.args:
        # Other faults of TLS may come later, while the answer is read.
        return isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError)


def _why(error: requests.RequestException) -> Message:
    if isinstance(error, requests.exceptions.SSLError):
        return messages.CERTIFICATE_INVALID()
    return messages.HOST_UNREACHABLE()


# The name by which a session makes its adapters.
requests.sessions.HTTPAdapter = WatchedAdapter  # type: ignore[attr-defined]
