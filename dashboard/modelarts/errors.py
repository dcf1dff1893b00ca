"""Everything the client raises, in one tree.

::

    ModelArtsError
    ├── NotSentError            nothing reached ModelArts: no connection, no token
    ├── AmbiguousError          it may have been done: no, late or broken answer
    ├── ThrottledError          not done, asked to wait: 429, 503 with Retry-After
    ├── AuthenticationError     the cloud does not know our credentials
    ├── PermissionRefusedError  it knows them and says no
    ├── InstanceNotFoundError   no such instance (any more)
    ├── StateRefusedError       not in the instance's present state
    ├── InvalidInputError       the values sent are not acceptable
    ├── RefusedError            any other no, redirects among them
    └── ConfigurationError      our own description of the cloud is wrong
        └── InsecureEndpointError  it would send credentials in clear

Which answer becomes which error is decided in ``answers`` and ``failures``; what the
documented codes mean is written in ``codes``.
"""

from collections.abc import Mapping
from typing import ClassVar

from dashboard.modelarts.messages import Text


class ModelArtsError(Exception):
    """A call that did not succeed.

    Never holds a credential, a request body or a raw answer.

    Attributes:
        code: Which of ``messages`` it is: what happened, and who can fix it.
        params: The values of that message.
        status: HTTP status, None where no answer came.
        error_code: Upstream code as ``ModelArts.6309``, ``APIG.0308``, ``IAM.0061``.
        upstream_message: Upstream's own words, at most 300 characters, one line.
        request_id: Upstream's name for the exchange, to quote to its support.
        retry_after_seconds: How long upstream asks to wait, 0 to 60; None where it
            does not say.
        retryable: Whether the same call may succeed later without anybody's doing.
        ambiguous: Whether a write may have been carried out all the same.
    """

    retryable: ClassVar[bool] = False
    ambiguous: ClassVar[bool] = False

    def __init__(
        self,
        code: str,
        params: Mapping[str, object] | None = None,
        *,
        status: int | None = None,
        error_code: str | None = None,
        upstream_message: str | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Take the message for people and what upstream said."""
        super().__init__(code)
        self.code = code
        self.params = dict(params or {})
        self.status = status
        self.error_code = error_code
        self.upstream_message = upstream_message
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    @property
    def sentence(self) -> str:
        """The message in English, for logs and commands."""
        return str(Text(self.code, self.params))

    def __str__(self) -> str:
        """The message in English, with status and upstream's code for logs."""
        facts = [f"HTTP {self.status}"] if self.status is not None else []
        facts += [self.error_code] if self.error_code else []
        return f"{self.sentence} ({', '.join(facts)})" if facts else self.sentence


class NotSentError(ModelArtsError):
    """The request did not reach ModelArts, so nothing was changed."""

    retryable = True


class AmbiguousError(ModelArtsError):
    """No trustworthy answer came: a write may have been carried out or not.

    For a read it only means that there is nothing to show.
    """

    retryable = True
    ambiguous = True


class ThrottledError(ModelArtsError):
    """Not carried out; wait ``retry_after_seconds``, or back off where it is None."""

    retryable = True


class AuthenticationError(ModelArtsError):
    """The cloud refuses our credentials: hold everything for it, do not retry."""


class PermissionRefusedError(ModelArtsError):
    """The credentials are fine, but the account may not do this."""


class InstanceNotFoundError(ModelArtsError):
    """The instance does not exist, or no longer."""


class StateRefusedError(ModelArtsError):
    """The instance's present state does not allow it: read it again."""


class InvalidInputError(ModelArtsError):
    """A value that was sent is not acceptable."""


class RefusedError(ModelArtsError):
    """Refused for another reason; repeating it unchanged is useless."""


class ConfigurationError(ModelArtsError):
    """A cloud is not described well enough; the message says what to do."""


class InsecureEndpointError(ConfigurationError):
    """An address begins with http:// and is not on this machine."""
