"""Errors for HTTP exchanges that failed without a complete answer."""

import socket
import ssl

import httpx

from dashboard.modelarts.errors import (
    AmbiguousError,
    ConfigurationError,
    ModelArtsError,
    NotSentError,
)
from dashboard.modelarts.messages import Problem, ProblemText
from dashboard.outbound.transport import (
    NEVER_SENT,
    EncodedAnswerError,
    OversizedAnswerError,
    causes,
)


def error_from_failure(failure: httpx.RequestError) -> ModelArtsError:
    """Return the error for a ModelArts call without a complete answer.

    Nothing was sent if the failure occurred before the connection was open; after that
    the call may have been carried out.
    """
    if isinstance(failure, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return ConfigurationError(Problem.NOT_SENDABLE)
    if isinstance(failure, NEVER_SENT):
        return NotSentError(*connect_message(failure))
    if isinstance(failure, OversizedAnswerError):
        return AmbiguousError(Problem.OVERSIZED)
    if isinstance(failure, EncodedAnswerError):
        return AmbiguousError(Problem.COMPRESSED)
    if isinstance(failure, httpx.TimeoutException):
        return AmbiguousError(Problem.TIMED_OUT)
    return AmbiguousError(Problem.CONNECTION_LOST)


def connect_message(
    failure: httpx.RequestError, *, to_sign_in: bool = False
) -> ProblemText:
    """Return why no connection to ModelArts was made.

    Args:
        failure: One of ``NEVER_SENT``.
        to_sign_in: The connection was to the sign-in service instead.
    """
    reason, params = _reason(failure)
    return ProblemText(
        Problem[f"SIGN_IN_{reason.name}"] if to_sign_in else reason, params
    )


def _reason(failure: httpx.RequestError) -> ProblemText:
    if isinstance(failure, httpx.PoolTimeout):
        return ProblemText(Problem.TOO_MANY_CALLS)
    if isinstance(failure, httpx.ProxyError):
        return ProblemText(Problem.PROXY_FAILED)
    for cause in causes(failure):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ProblemText(
                Problem.UNTRUSTED, {"verify_message": cause.verify_message}
            )
        if isinstance(cause, ssl.SSLError):
            return ProblemText(Problem.TLS_FAILED)
        if isinstance(cause, socket.gaierror):
            return ProblemText(Problem.NO_ADDRESS)
        if isinstance(cause, ConnectionRefusedError):
            return ProblemText(Problem.CONNECTION_REFUSED)
    timed_out = isinstance(failure, httpx.ConnectTimeout)
    return ProblemText(Problem.CONNECT_TIMED_OUT if timed_out else Problem.UNREACHABLE)
