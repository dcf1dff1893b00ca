"""The sums of each day and key, from moments that the database has added up.

The time from a moment to the end of the period is the end minus the moment. A run
counts from its start to the end of the period, minus the same from its own end. *Edges*
are the midnights, and the begins and ends of gaps. From one edge to the next, the time
to the end decreases by a second each second, so the number of moments between two edges
and their sum are enough to compute their total time.

Moments are whole seconds of Unix time, so that the parts of a time add up to it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from . import gap_times
from .gap_times import GapTimes
from .models import Run
from .periods import custom
from .run_queries import EndedRuns, Key
from .sums import (
    AVOIDED,
    COLUMNS,
    ENDED,
    ENDED_SECONDS,
    RUNNING,
    STOPPED,
    UNKNOWN,
    UNSURE,
    Sums,
)


class _TimeToEnd(NamedTuple):
    """The time from an edge to the end of the period, in a cloud.

    Attributes:
        begin: The edge.
        is_unknown: Whether the time after the edge is in a gap.
        parts: For each day its index, its known seconds and its unknown seconds.
    """

    begin: int
    is_unknown: bool
    parts: list[tuple[int, int, int]]


class DayTable:
    """Adds up the sums of each day and key.

    Args:
        days: The days of the period, in order.
        until: End of what counts.
        now: Nothing is avoided after this.
        most_seconds: What a stop avoids at most.
        gaps: By ``Cloud.pk``.

    Attributes:
        edges: The begin of the period, the edges in it, and the end of what counts.
    """

    def __init__(
        self,
        days: list[date],
        until: int,
        now: int,
        most_seconds: int,
        gaps: Mapping[int, GapTimes],
    ) -> None:
        self._days, self._until, self._now = days, until, now
        self._most_seconds, self._gaps = most_seconds, gaps
        self._midnights = [int(custom(day, day).since.timestamp()) for day in days]
        since = self._midnights[0]
        inner = {*self._midnights}
        for times in gaps.values():
            inner.update(times.edges())
        between = sorted(edge for edge in inner if since < edge < until)
        self.edges = [since, *between, until]
        self._times_to_end: dict[tuple[int, int], _TimeToEnd] = {}
        self._sums: dict[tuple[int, Key], list[int]] = {}

    def add_to_end(
        self, cloud: int, key: Key, column: int, edges: int, number: int, moments: int
    ) -> None:
        """Add the times from some moments to the end of the period, or subtract them.

        Args:
            column: Of ``Sums``, for the time outside gaps.
            edges: Number of edges up to each of the moments; 0 if they are before the
                period, and all of it counts.
            number: Number of moments; negative to subtract.
            moments: Sum of the moments; negative to subtract.
        """
        if edges == len(self.edges):
            return
        time = self._times_to_end.get((cloud, edges)) or self._to_end(cloud, edges)
        for index, known, unknown in time.parts:
            sums = self._of(index, key)
            sums[column] += number * known
            sums[UNKNOWN] += number * unknown
        if edges:
            sums = self._of(time.parts[0][0], key)
            later = moments - number * time.begin
            sums[UNKNOWN if time.is_unknown else column] -= later

    def _to_end(self, cloud: int, edges: int) -> _TimeToEnd:
        begin = self.edges[max(edges - 1, 0)]
        gaps = self._gaps.get(cloud, gap_times.NONE)
        time = _TimeToEnd(begin, bool(gaps.overlap(begin, begin + 1)), [])
        ends = [*self._midnights[1:], self._until]
        for index in range(bisect_right(self._midnights, begin) - 1, len(ends)):
            end = min(ends[index], self._until)
            if begin < end:
                unknown = gaps.overlap(begin, end)
                time.parts.append((index, end - begin - unknown, unknown))
                begin = end
        self._times_to_end[cloud, edges] = time
        return time

    def add_ended(self, cloud: int, key: Key, runs: EndedRuns) -> None:
        number, started, ended = runs.number, int(runs.started), int(runs.ended)
        self.add_to_end(cloud, key, RUNNING, runs.started_in, number, started)
        self.add_to_end(cloud, key, RUNNING, runs.ended_in, -number, -ended)
        if runs.stops:
            gone = int(runs.gone or 0)
            self.add_to_end(cloud, key, STOPPED, runs.ended_in, number, ended)
            self.add_to_end(cloud, key, STOPPED, runs.gone_in, -number, -gone)
        if not 0 < runs.ended_in < len(self.edges):
            return
        sums = self._of_moment(self.edges[runs.ended_in - 1], key)
        sums[ENDED[runs.ended_by]] += number
        sums[ENDED_SECONDS] += ended - started
        if runs.ended_by not in AVOIDED:
            return
        if runs.ended_known != Run.Known.OBSERVED:
            sums[UNSURE[runs.ended_by]] += number
        elif cloud not in self._gaps:
            sums[AVOIDED[runs.ended_by]] += int(runs.avoided or 0)

    def add_avoided(
        self,
        cloud: int,
        key: Key,
        ended: int,
        next_started: int | None,
        missing: int | None,
        ended_by: str,
    ) -> None:
        """Add what the end of a run avoided, in a cloud that has gaps."""
        until = avoided_until(
            ended, next_started, missing, self._now, self._most_seconds
        )
        unknown = self._gaps[cloud].overlap(ended, until)
        sums = self._of_moment(ended, key)
        sums[AVOIDED[ended_by]] += until - ended - unknown

    def rows(self) -> Iterator[tuple[date, Any, Sums]]:
        """Yield each day and key that has any sums."""
        for (index, key), sums in self._sums.items():
            if any(sums):
                yield self._days[index], key, Sums._make(sums)

    def _of_moment(self, moment: int, key: Key) -> list[int]:
        return self._of(bisect_right(self._midnights, moment) - 1, key)

    def _of(self, index: int, key: Key) -> list[int]:
        sums = self._sums.get((index, key))
        if sums is None:
            sums = self._sums[index, key] = [0] * len(COLUMNS)
        return sums


def avoided_until(
    ended: int, next_started: int | None, missing: int | None, now: int, most: int
) -> int:
    """Return until when a run would have lasted if nothing had ended it; Unix time."""
    moments = (next_started, missing, now, ended + most)
    return max(min(moment for moment in moments if moment is not None), ended)
