"""Requests to webhooks, and the hosts that they may go to."""

import ipaddress
import os
import socket
import ssl
from typing import Any

import httpx
from django.conf import settings

from dashboard.outbound.public import PrivateAddressError, is_public
from dashboard.outbound.transport import NEVER_SENT, causes, deadline, open_http
from dashboard.web.stored_messages import Message

from . import messages
from .outcome import SENT, Outcome, not_sent, refused, unknown

TOTAL_SECONDS = 12.0
TIMEOUT = httpx.Timeout(8.0, connect=3.0)
HTTPS = 443
TRY_LATER = frozenset({429, 503})
"""Statuses that mean that nothing was done."""


class ForbiddenError(Exception):
    """Nothing may be sent there; ``message`` gives people the reason."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.code)
        self.message = message


def post(address: str, payload: dict[str, Any]) -> Outcome:
    """POST JSON to a webhook and return how it ended.

    Redirects are not followed, and the body of the answer is not read.
    """
    try:
        url = httpx.URL(address)
        if url.scheme != "https":
            raise ForbiddenError(messages.ONLY_HTTPS())
        check(url.host, url.port or HTTPS)
        # The variable that requests for OpenID Connect read: one bundle for both.
        verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        with (
            deadline(TOTAL_SECONDS),
            open_http(verify=verify, public_only=not is_allowed(url.host)) as http,
            http.stream("POST", url, json=payload, timeout=TIMEOUT) as response,
        ):
            return _outcome(response.status_code)
    except ForbiddenError as error:
        return refused(error.message)
    except httpx.InvalidURL:
        return refused(messages.ADDRESS_UNSUPPORTED())
    except PrivateAddressError:
        return refused(messages.RESOLVES_TO_PRIVATE())
    except NEVER_SENT as error:
        return not_sent(_reason(error))
    except OSError:  # the bundle cannot be read
        return not_sent(messages.NOTHING_SENT())
    except httpx.TransportError:
        return unknown(messages.CONNECTION_BROKE())


def check(host: str, port: int) -> None:
    """Refuse hosts and ports that no answer of a name server can make allowed.

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
        # Names without a dot, and numbers in notations that resolvers understand.
        if "." not in bare or bare.rpartition(".")[2][:1].isdigit():
            raise ForbiddenError(messages.HOST_NOT_PUBLIC()) from None
        if bare.endswith((".localhost", ".local", ".internal")):
            raise ForbiddenError(messages.HOST_NOT_PUBLIC()) from None
        return
    if not is_public(address):
        raise ForbiddenError(messages.ADDRESS_NOT_PUBLIC())


def is_allowed(host: str) -> bool:
    """Return whether ``CURFEW_WEBHOOK_HOSTS`` names this host."""
    names = {name.lower() for name in settings.CURFEW.webhook_hosts}
    return host.strip("[]").rstrip(".").lower() in names


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return SENT
    detail = messages.WEBHOOK_ANSWERED(status=status)
    if status in TRY_LATER:
        return not_sent(detail)
    return unknown(detail) if status >= 500 else refused(detail)


def _reason(failure: httpx.TransportError) -> Message:
    for cause in causes(failure):
        if isinstance(cause, ssl.SSLError):
            return messages.CERTIFICATE_INVALID()
        if isinstance(cause, (socket.gaierror, UnicodeError)):
            return messages.HOST_UNKNOWN()
    return messages.HOST_UNREACHABLE()
