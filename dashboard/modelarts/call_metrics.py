"""What the metrics count about a call."""

from dataclasses import dataclass

from dashboard.modelarts.codes import meaning_of
from dashboard.modelarts.errors import ModelArtsError


@dataclass(frozen=True)
class Call:
    """One call that is over.

    Attributes:
        operation: ``list``, ``show``, ``update``, ``start`` or ``stop``.
        outcome: ``ok``; the upstream's code where it is a documented one; else
            ``http_<status>``; else the kind of error, such as ``NotSent``; or
            ``interrupted``. So there are never more than are written down somewhere.
        seconds: How long it took, the wait for the rate limit not counted.
    """

    operation: str
    outcome: str
    seconds: float


def outcome_of(error: ModelArtsError) -> str:
    """Return the name of a failure. See ``Call.outcome``."""
    if error.error_code and meaning_of(error.status or 0, error.error_code):
        return error.error_code
    if error.status is not None:
        return f"http_{error.status}"
    return type(error).__name__.removesuffix("Error")
