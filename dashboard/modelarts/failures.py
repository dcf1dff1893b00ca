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

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_UNUSABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


def error_from_failure(failure: httpx.RequestError) -> ModelArtsError:
    """The error for a ModelArts call without a complete answer.

    What fails before a connection stands was not sent; anything later may have been
    carried out.
    """
    if isinstance(failure, _UNUSABLE):
        return ConfigurationError(
            "The ModelArts address or a credential cannot be sent over HTTP; correct "
            "it in clouds.yaml."
        )
    if isinstance(failure, _NEVER_SENT):
        return NotSentError(connect_sentence(failure, "ModelArts"))
    if isinstance(failure, OversizedAnswerError):
        return AmbiguousError("ModelArts sent an answer that is far too large.")
    if isinstance(failure, EncodedAnswerError):
        return AmbiguousError("ModelArts sent a compressed answer, unasked.")
    if isinstance(failure, httpx.TimeoutException):
        return AmbiguousError("ModelArts did not answer in time.")
    return AmbiguousError("The connection to ModelArts broke before its answer ended.")


def connect_sentence(failure: httpx.RequestError, whom: str) -> str:
    """Why no connection came about, in plain words.

    Args:
        failure: Raised before the request was sent.
        whom: Name of the service, to begin the sentence with.
    """
    if isinstance(failure, httpx.PoolTimeout):
        return f"Too many calls to {whom} are under way from this server."
    for cause in _causes(failure):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"The certificate of {whom} is not trusted "
                f"({cause.verify_message}); an operator must check the address and "
                "the certificate authority."
            )
        if isinstance(cause, ssl.SSLError):
            return f"No secure connection to {whom} could be agreed on."
        if isinstance(cause, socket.gaierror):
            return f"The address of {whom} cannot be looked up."
        if isinstance(cause, ConnectionRefusedError):
            return f"{whom} refuses the connection."
    if isinstance(failure, httpx.ConnectTimeout):
        return f"{whom} did not take the connection in time."
    return f"{whom} cannot be reached."


def _causes(failure: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = failure
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
