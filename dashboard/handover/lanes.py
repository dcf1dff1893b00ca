"""The lanes of "stopping soon": every running instance is in exactly one."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.instances import run_state


class Lane(StrEnum):
    NOW = "now"
    QUARTER = "quarter"
    HOUR = "hour"
    EIGHT_HOURS = "eight_hours"
    LATER = "later"
    IDLE = "idle"
    NEVER = "never"


class Heading(NamedTuple):
    """The heading of a lane.

    Attributes:
        hint: A longer label.
        empty: Shown if the lane is empty.
    """

    label: Promise
    hint: Promise
    empty: Promise
    icon: str
    tone: str


HEADINGS: dict[Lane, Heading] = {
    Lane.NOW: Heading(
        _("Now"),
        _("Past their stop time"),
        _("Nothing is stopping."),
        "hourglass",
        "bad",
    ),
    Lane.QUARTER: Heading(
        _("15 minutes"),
        _("Within 15 minutes"),
        _("Nothing in the next 15 minutes."),
        "bell",
        "warn",
    ),
    Lane.HOUR: Heading(
        _("1 hour"),
        _("Within the hour"),
        _("No stops within the hour."),
        "clock",
        "busy",
    ),
    Lane.EIGHT_HOURS: Heading(
        _("8 hours"),
        _("Within 8 hours"),
        _("No stops within 8 hours."),
        "sunset",
        "rest",
    ),
    Lane.LATER: Heading(
        _("Later"),
        _("After 8 hours"),
        _("No stops after 8 hours."),
        "moon",
        "rest",
    ),
    Lane.IDLE: Heading(
        _("When idle"),
        _("These stop once nobody uses them"),
        _("No run stops when idle."),
        "coffee",
        "rest",
    ),
    Lane.NEVER: Heading(
        _("No auto-stop"),
        _("These run until someone stops them"),
        _("Every run has a stop time."),
        "infinity",
        "rest",
    ),
}
"""The lanes, in the order of the page."""

_SPANS = {
    Lane.NOW: timedelta(),
    Lane.QUARTER: run_state.QUARTER,
    Lane.HOUR: run_state.HOUR,
    Lane.EIGHT_HOURS: run_state.SHIFT,
}
"""How far each lane reaches from now; "later" follows."""

_MS = timedelta(milliseconds=1)


def query_of_stops(since: datetime | None, until: datetime | None) -> dict[str, str]:
    """Return the query that lists runs by their end: from a moment, before another."""

    def text(moment: datetime) -> str:
        # The cloud reports milliseconds.
        in_utc = moment.astimezone(UTC).isoformat(timespec="milliseconds")
        return in_utc.replace("+00:00", "Z")

    window = {"stops_from": since, "stops_before": until}
    return {name: text(moment) for name, moment in window.items() if moment}


@dataclass(frozen=True)
class LaneBounds:
    """The bounds of the lanes at one moment."""

    now: datetime

    def lane(self, stops_at: datetime | None, *, is_idle: bool = False) -> Lane:
        """Return the lane of a run.

        Args:
            stops_at: Its end, if it is known.
            is_idle: Whether it has none because it ends once nobody uses it.
        """
        if stops_at is None:
            return Lane.IDLE if is_idle else Lane.NEVER
        for lane, span in _SPANS.items():
            if stops_at <= self.now + span:
                return lane
        return Lane.LATER

    def slices(self, ends: Sequence[datetime]) -> Iterator[tuple[Lane, slice]]:
        """Yield which of these ends, in order, are in each lane."""
        first = 0
        for lane, span in _SPANS.items():
            last = bisect_right(ends, self.now + span)
            yield lane, slice(first, last)
            first = last
        yield Lane.LATER, slice(first, None)

    def query(self, lane: Lane) -> dict[str, str]:
        """Return the query that lists the runs of a lane."""
        if lane is Lane.IDLE:
            return {"autostop": "idle"}
        if lane is Lane.NEVER:
            return {"autostop": "never"}
        # An end belongs to the earlier lane; the list includes the first moment.
        past = {name: self.now + span + _MS for name, span in _SPANS.items()}
        order = [*_SPANS, Lane.LATER]
        place = order.index(lane)
        first = past[order[place - 1]] if place else None
        return query_of_stops(first, past.get(lane))

    def changes_at(self, ends: Sequence[datetime]) -> datetime | None:
        """Return when one of these runs changes its lane or is overdue next.

        Args:
            ends: In order.
        """
        coming = []
        for span in (*_SPANS.values(), -run_state.overdue_after()):
            place = bisect_right(ends, self.now + span)
            coming += [end - span for end in ends[place : place + 1]]
        return min(coming, default=None)
