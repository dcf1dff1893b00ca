"""The gaps of clouds, as seconds to compute with (Unix time)."""

from bisect import bisect_right
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import BigAutoField, DateTimeField, QuerySet

from dashboard.instances import gaps
from dashboard.instances.models import Cloud
from dashboard.web.raw_queries import Prepared

from .models import Gap


class GapTimes:
    """The gaps of one cloud, in order and without overlaps."""

    def __init__(self, spans: Collection[tuple[int, int]] = ()) -> None:
        self._spans: list[tuple[int, int]] = []
        for since, until in sorted(spans):
            if self._spans and since <= self._spans[-1][1]:
                before = self._spans[-1]
                self._spans[-1] = before[0], max(before[1], until)
            else:
                self._spans.append((since, until))

    def edges(self) -> list[int]:
        """Return when gaps begin and end."""
        return [edge for span in self._spans for edge in span]

    def overlap(self, since: int, until: int) -> int:
        """Return how much of a time is in gaps, **seconds**."""
        if not self._spans:
            return 0
        at = max(bisect_right(self._spans, (since,)) - 1, 0)
        seconds = 0
        for begin, end in self._spans[at:]:
            if begin >= until:
                break
            seconds += max(min(end, until) - max(begin, since), 0)
        return seconds


NONE = GapTimes()


def between(
    since: datetime,
    until: datetime,
    now: datetime,
    clouds: Collection[Cloud] | None = None,
    *,
    has_stored: bool = True,
) -> list[Gap]:
    """Return the gaps in a time, the latest first; a query.

    A cloud that was not read for long has a gap until now, which is not stored. Once
    its instances count as missing because it is not configured, it has none.

    Args:
        clouds: Default: all, which takes another query.
        has_stored: False if it is known that no gap is stored; then without a query.
    """
    if clouds is None:
        clouds = Cloud.objects.all()
    if not has_stored:
        found = []
    elif len(clouds) == 1:
        (cloud,) = clouds
        found = _of_cloud.rows(cloud=cloud.pk, since=since, until=until)
    else:
        found = list(_between(since, until).filter(cloud__in=clouds))
    for cloud in clouds:
        if cloud.read_at is None:
            continue
        ends_at = min(now, cloud.retired_at or now)
        gap = Gap(cloud=cloud, since=cloud.read_at, until=ends_at)
        if gaps.is_gap(gap.since, ends_at) and gap.since < until and ends_at > since:
            found.insert(0, gap)
    return found


def _between(since: Any, until: Any) -> QuerySet[Gap]:
    found = Gap.objects.filter(since__lt=until, until__gt=since)
    return found.select_related("cloud").order_by("-since", "pk")


# For the page of each instance.
_of_cloud = Prepared(
    lambda cloud, since, until: _between(since, until).filter(cloud=cloud),
    cloud=BigAutoField(),
    since=DateTimeField(),
    until=DateTimeField(),
)


def by_cloud(found: Collection[Gap]) -> dict[int, GapTimes]:
    """Return the times of gaps by ``Cloud.pk``."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for gap in found:
        span = int(gap.since.timestamp()), int(gap.until.timestamp())
        spans.setdefault(gap.cloud_id, []).append(span)
    return {cloud: GapTimes(times) for cloud, times in spans.items()}
