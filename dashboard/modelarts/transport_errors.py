"""Errors for HTTP exchanges that broke off."""

import socket
import ssl
from typing import NamedTuple

import httpx

from dashboard.modelarts import messages
from dashboard.modelarts.errors import (
    AmbiguousError,
    ConfigurationError,
    ModelArtsError,
    NotSentError,
)
from dashboard.modelarts.messages import Text
from dashboard.outbound.transport import (
    NEVER_SENT,
    EncodedAnswerError,
    OversizedAnswerError,
    causes,
)

_UNUSABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


class ConnectMessages(NamedTuple):
    """Messages about a service that cannot be reached, by the reason."""

    too_many_calls: str
    proxy_failed: str
    untrusted: str
    tls_failed: str
    no_address: str
    refused: str
    timed_out: str
    unreachable: str


_MODELARTS = ConnectMessages(
    messages.TOO_MANY_CALLS,
    messages.PROXY_FAILED,
    messages.UNTRUSTED,
    messages.TLS_FAILED,
    messages.NO_ADDRESS,
    messages.CONNECTION_REFUSED,
    messages.CONNECT_TIMED_OUT,
    messages.UNREACHABLE,
)


def error_from_failure(failure: httpx.RequestError) -> ModelArtsError:
    """Return the error for a ModelArts call without a complete answer.

    A failure before the connection is open means that nothing was sent; after a later
    one the call may have been carried out.
    """
    if isinstance(failure, _UNUSABLE):
        return ConfigurationError(messages.NOT_SENDABLE)
    if isinstance(failure, NEVER_SENT):
        return NotSentError(*connect_message(failure, _MODELARTS))
    if isinstance(failure, OversizedAnswerError):
        return AmbiguousError(messages.OVERSIZED)
    if isinstance(failure, EncodedAnswerError):
        return AmbiguousError(messages.COMPRESSED)
    if isinstance(failure, httpx.TimeoutException):
        return AmbiguousError(messages.TIMED_OUT)
    return AmbiguousError(messages.CONNECTION_LOST)


def connect_message(failure: httpx.RequestError, of: ConnectMessages) -> Text:
    """Return why no connection was made, in the messages of the service."""
    if isinstance(failure, httpx.PoolTimeout):
        return Text(of.too_many_calls)
    if isinstance(failure, httpx.ProxyError):
        return Text(of.proxy_failed)
    for cause in causes(failure):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Text(of.untrusted, {"verify_message": cause.verify_message})
        if isinstance(cause, ssl.SSLError):
            return Text(of.tls_failed)
        if isinstance(cause, socket.gaierror):
            return Text(of.no_address)
        if isinstance(cause, ConnectionRefusedError):
            return Text(of.refused)
    timed_out = isinstance(failure, httpx.ConnectTimeout)
    return Text(of.timed_out if timed_out else of.unreachable)
