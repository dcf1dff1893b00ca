"""Observed changes of status, as the apps above receive them."""

from dataclasses import dataclass
from datetime import datetime

from .causes import Cause
from .models import Instance


@dataclass(frozen=True)
class Transition:
    """One change of status, or the first sight or disappearance of an instance.

    Attributes:
        instance: The row with its new values.
        from_status: Empty at first sight, or if the instance was missing.
        to_status: Empty if the instance is missing now.
        at: When it happened, as in the event that tells it.
        cause: None at first sight, and if the instance is missing or was.
        before: The row as it was; None at first sight.
        seen_before_at: When it was last looked at before; None at first sight.
    """

    instance: Instance
    from_status: str
    to_status: str
    at: datetime
    cause: Cause | None = None
    before: Instance | None = None
    seen_before_at: datetime | None = None
