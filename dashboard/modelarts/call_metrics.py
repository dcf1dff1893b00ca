"""What the metrics count about a call to the cloud."""

from dataclasses import dataclass

from dashboard.modelarts.codes import meaning_of
from dashboard.modelarts.errors import ModelArtsError
from dashboard.modelarts.generations import Generation


@dataclass(frozen=True)
class Call:
    """A finished call.

    Attributes:
        operation: ``list``, ``show``, ``update``, ``start`` or ``stop``; with notebooks
            also ``list_own``, ``show_lease``, ``renew``, ``add_tags``, ``delete_tags``
            or ``list_tags``; ``rate`` of the billing service.
        outcome: ``ok``; upstream's code if it is documented; else ``http_<status>``;
            else the kind of error, such as ``NotSent``; or ``interrupted``. So the
            number of outcomes is limited.
        seconds: How long it took, without the wait for the rate limit.
        generation: The API that was called: a ``Generation``, or ``billing``.
    """

    operation: str
    outcome: str
    seconds: float
    generation: str = Generation.DEMANAGER


def outcome_of(error: ModelArtsError) -> str:
    """Return the outcome of a failed call. See ``Call.outcome``."""
    if error.error_code and meaning_of(error.status or 0, error.error_code):
        return error.error_code
    if error.status is not None:
        return f"http_{error.status}"
    return type(error).__name__.removesuffix("Error")
