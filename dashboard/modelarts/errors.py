"""Everything that the client raises, in one tree.

::

    ModelArtsError
    ├── NotSentError            nothing reached ModelArts: no connection, no token
    ├── AmbiguousError          it may have been carried out: no, late or broken answer
    ├── UnclearError            not sent: an answer does not say what it needs
    ├── ThrottledError          not carried out, wait: 429, 503 with Retry-After
    ├── AuthenticationError     the cloud does not accept our credentials
    ├── PermissionRefusedError  it accepts them, but the account may not do this
    ├── InstanceNotFoundError   the instance does not exist (any more)
    ├── StateRefusedError       the instance's state does not allow it
    ├── InvalidInputError       a value that was sent is not acceptable
    ├── NotServedError          the cloud does not have this generation or call
    ├── RefusedError            any other refusal, including redirects
    └── ConfigurationError      our configuration of the cloud is wrong
        └── InsecureEndpointError  it would send credentials unencrypted

``responses`` and ``transport_errors`` choose the error; ``codes`` explains the
documented codes.
"""

from collections.abc import Mapping
from typing import ClassVar

from dashboard.modelarts.messages import Problem, ProblemText


class ModelArtsError(Exception):
    """A call that did not succeed.

    It never contains a credential, a request body or a raw answer.

    Attributes:
        code: Code of the message, which says what happened and who can fix it.
        params: Values of the message.
        status: HTTP status; None without an answer.
        error_code: Upstream's code, such as ``ModelArts.6309``, ``APIG.0308`` or
            ``IAM.0061``.
        upstream_message: Upstream's own text, one line of at most 300 characters.
        request_id: Upstream's ID of the exchange, for its support.
        retry_after_seconds: How long upstream asks to wait, 0 to 60; None if it does
            not say.
        retryable: Whether the same call may succeed later without any change.
        ambiguous: Whether a write may have been carried out nevertheless.
    """

    retryable: ClassVar[bool] = False
    ambiguous: ClassVar[bool] = False

    def __init__(
        self,
        message: Problem,
        params: Mapping[str, object] | None = None,
        *,
        status: int | None = None,
        error_code: str | None = None,
        upstream_message: str | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.params = dict(params or {})
        self.status = status
        self.error_code = error_code
        self.upstream_message = upstream_message
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    @property
    def code(self) -> str:
        return self.message.code

    @property
    def sentence(self) -> str:
        """The message in English, for logs and commands."""
        return str(ProblemText(self.message, self.params))

    def __str__(self) -> str:
        """Return the message in English, with the status and upstream's code."""
        parts = [f"HTTP {self.status}"] if self.status is not None else []
        parts += [self.error_code] if self.error_code else []
        return f"{self.sentence} ({', '.join(parts)})" if parts else self.sentence


class NotSentError(ModelArtsError):
    """The request did not reach ModelArts, so nothing was changed."""

    retryable = True


class AmbiguousError(ModelArtsError):
    """No reliable answer arrived: a write may have been carried out or not."""

    retryable = True
    ambiguous = True


class UnclearError(ModelArtsError):
    """An answer does not say what the next request needs, so that was not sent."""

    retryable = True


class ThrottledError(ModelArtsError):
    """Not carried out; wait ``retry_after_seconds``, or back off if it is None."""

    retryable = True


class AuthenticationError(ModelArtsError):
    """The cloud refuses our credentials: stop all calls to it, do not retry."""


class PermissionRefusedError(ModelArtsError):
    """The credentials are valid, but the account may not do this."""


class InstanceNotFoundError(ModelArtsError):
    """The instance does not exist, or no longer exists."""


class StateRefusedError(ModelArtsError):
    """The instance's state does not allow the call: read the instance again."""


class InvalidInputError(ModelArtsError):
    """A value that was sent is not acceptable."""


class NotServedError(ModelArtsError):
    """The cloud does not serve this call, or nothing at all at this address."""


class RefusedError(ModelArtsError):
    """Refused for another reason; sending it again unchanged is useless."""


class ConfigurationError(ModelArtsError):
    """The configuration of a cloud is wrong; the message says how to correct it."""


class InsecureEndpointError(ConfigurationError):
    """An address begins with http:// and is not on this machine."""
