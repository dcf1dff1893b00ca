"""Gaps: times in which Curfew did not see what a cloud's instances did.

A cloud is read once each refresh interval. When Curfew was down, or the cloud could not
be read, for longer than ``gap_after``, what happened meanwhile is unknown.
"""

from datetime import datetime, timedelta

from django.conf import settings

_SHORTEST = timedelta(minutes=15)


def gap_after() -> timedelta:
    """Return how far apart two looks may be before there is a gap between them."""
    return max(_SHORTEST, timedelta(seconds=3 * settings.CURFEW.refresh_seconds))


def is_gap(since: datetime | None, until: datetime) -> bool:
    """Whether there is a gap between two looks; ``since`` is None without a first."""
    return since is not None and until - since > gap_after()
