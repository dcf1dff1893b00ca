"""From an HTTP exchange that broke off to the error it stands for."""

import socket
import ssl
from collections.abc import Iterator

import httpx

from dashboard.modelarts.errors import (
    AmbiguousError,
    ConfigurationError,
    ModelArtsError,
    NotSentError,
)
from dashboard.modelarts.transport import EncodedAnswerError, OversizedAnswerError

from .words import gettext_noop

NEVER_SENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
    httpx.ProxyError,
)
"""What fails before a request is on its way."""

_UNUSABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


def error_from_failure(failure: httpx.RequestError) -> ModelArtsError:
    """The error for a ModelArts call without a complete answer.

    What fails before a connection stands was not sent; anything later may have been
    carried out.
    """
    if isinstance(failure, _UNUSABLE):
        return ConfigurationError(
            gettext_noop(
                "The ModelArts address or a credential cannot be sent over HTTP; "
                "correct "
                "it in clouds.yaml."
            )
        )
    if isinstance(failure, NEVER_SENT):
        return NotSentError(connect_sentence(failure, "ModelArts"))
    if isinstance(failure, OversizedAnswerError):
        return AmbiguousError(
            gettext_noop("ModelArts sent an answer that is far too large.")
        )
    if isinstance(failure, EncodedAnswerError):
        return AmbiguousError(
            gettext_noop("ModelArts sent a compressed answer, unasked.")
        )
    if isinstance(failure, httpx.TimeoutException):
        return AmbiguousError(gettext_noop("ModelArts did not answer in time."))
    return AmbiguousError(
        gettext_noop("The connection to ModelArts broke before its answer ended.")
    )


def connect_sentence(failure: httpx.RequestError, whom: str) -> str:
    """Why no connection came about, in plain words.

    Args:
        failure: Raised before the request was sent.
        whom: Name of the service, to begin the sentence with.
    """
    if isinstance(failure, httpx.PoolTimeout):
        return gettext_noop(
            "Too many calls to %(whom)s are under way from this server."
        ) % {"whom": whom}
    if isinstance(failure, httpx.ProxyError):
        return gettext_noop(
            "%(whom)s cannot be reached through the proxy; an operator must check "
            "CURFEW_CLOUD_PROXY."
        ) % {"whom": whom}
    for cause in _causes(failure):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return gettext_noop(
                "The certificate of %(whom)s is not trusted (%(verify_message)s); "
                "an operator must check the address and the certificate authority."
            ) % {"whom": whom, "verify_message": cause.verify_message}
        if isinstance(cause, ssl.SSLError):
            return gettext_noop(
                "No secure connection to %(whom)s could be agreed on."
            ) % {"whom": whom}
        if isinstance(cause, socket.gaierror):
            return gettext_noop("The address of %(whom)s cannot be looked up.") % {
                "whom": whom
            }
        if isinstance(cause, ConnectionRefusedError):
            return gettext_noop("%(whom)s refuses the connection.") % {"whom": whom}
    if isinstance(failure, httpx.ConnectTimeout):
        return gettext_noop("%(whom)s did not take the connection in time.") % {
            "whom": whom
        }
    return gettext_noop("%(whom)s cannot be reached.") % {"whom": whom}


def _causes(failure: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = failure
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
