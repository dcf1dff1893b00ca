"""Writes instances that were read on their own into the mirror."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from dashboard.modelarts.errors import InstanceNotFoundError
from dashboard.modelarts.results import Observation
from dashboard.modelarts.statuses import TRANSITIONAL

from . import mapping, upstream
from .clock_skew import follow_clock
from .models import Cloud, FleetVersion, Instance
from .sync import (
    CLOCKS_APART,
    WRITTEN,
    SyncBatch,
    is_shown_by,
    mark_missing,
    sync,
    update_rows,
    was_read_later,
)

REFRESH_AGAIN_AFTER = timedelta(seconds=4)
EXPECTING_CHANGE_FOR = timedelta(minutes=5)
LATE_STOP_AGAIN_AFTER = timedelta(seconds=30)
MAX_REFRESHES = 20


def apply_observation(cloud: Cloud, observation: Observation) -> Instance:
    """Write one instance that was read on its own; call it in a transaction.

    A later request may have been written before: then nothing is.

    Returns:
        The row; its version is new if it looks different.
    """
    wire = observation.instance
    follow_clock(cloud, [wire], observation)
    requested_at = _requested_at(observation)
    sync(cloud, [wire], [], requested_at)
    rows = Instance.objects.filter(cloud=cloud, instance_id=wire.id)
    latest = timezone.now() + CLOCKS_APART
    is_older = Q(looked_at__gt=requested_at, looked_at__lte=latest)
    rows.exclude(is_older).update(looked_at=requested_at)
    return rows.get()


def is_mirrored(row: Instance, observation: Observation) -> bool:
    """Whether the mirror shows an instance as it was just read on its own."""
    wire, skew_ms, now = observation.instance, row.cloud.skew_ms, timezone.now()
    values = mapping.columns(wire, skew_ms=skew_ms, known=row, now=now)
    return is_shown_by(row, values)


class LockedRows:
    """Instances whose rows the caller has locked, and what was read of them.

    Their changes are compared first and written last, together with the fleet version.
    """

    def __init__(
        self,
        cloud: Cloud,
        rows: Iterable[Instance],
        observations: Iterable[Observation],
    ) -> None:
        """Compare what was read with the rows.

        Args:
            rows: Locked, of this cloud.
            observations: Of these instances, one of each at most.
        """
        self._known = {row.instance_id: row for row in rows}
        self._now = timezone.now()
        self._batch = SyncBatch(cloud, self._known, self._now)
        self._read: dict[str, Instance] = {}
        self._is_written = False
        for observation in observations:
            self._add(observation)

    def _add(self, observation: Observation) -> None:
        wire = observation.instance
        requested_at = _requested_at(observation)
        if was_read_later(self._known[wire.id], requested_at, self._now):
            return
        self._batch.add(wire)
        row = self._batch.changed.get(wire.id, self._known[wire.id])
        row.looked_at = requested_at
        self._read[wire.id] = row

    def write_now(self) -> None:
        """Write the documents at once, for those who read or write the same rows."""
        self._batch.save()
        self._is_written = True

    def row(self, instance_id: str) -> Instance:
        """Return an instance as it will be written."""
        return self._read.get(instance_id, self._known[instance_id])

    def write(self, stamped: Collection[int]) -> None:
        """Write what was read; call it last in the transaction.

        Args:
            stamped: The instances (``Instance.pk``) that look different anyway.
        """
        changed = {} if self._is_written else self._batch.changed
        if changed:
            self._batch.save_events()
        shown = {row.pk for row in changed.values()} | set(stamped)
        version = 0
        if shown:
            is_only_shown = self._is_written or self._batch.is_only_shown
            version = FleetVersion.raise_number(only_shown=is_only_shown)
        rows: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for instance_id, before in self._known.items():
            values: dict[str, Any] = {}
            if after := changed.get(instance_id):
                values = {
                    name: getattr(after, name)
                    for name in WRITTEN
                    if getattr(after, name) != getattr(before, name)
                }
            if row := self._read.get(instance_id):
                values["looked_at"] = row.looked_at
            if before.pk in shown:
                values["version"] = version
            if values:
                rows[tuple(values)].append((*values.values(), before.pk))
        for names, of_rows in rows.items():
            update_rows(names, of_rows)


def _requested_at(observation: Observation) -> datetime:
    return datetime.fromtimestamp(observation.clock.sent_at_ms / 1e3, UTC)


def instances_expecting_change(cloud: Cloud) -> list[Instance]:
    """Return the instances to refresh on their own, those not read for longest first.

    These are in a transition or past their stop, for at most ``EXPECTING_CHANGE_FOR``,
    and then less often for as long as the stop takes.
    """
    now = timezone.now()
    in_transition = Q(
        status__in=TRANSITIONAL, status_since__gte=now - EXPECTING_CHANGE_FOR
    )
    past_its_stop = Q(stop_due_at__lte=now, stop_due_at__gte=now - EXPECTING_CHANGE_FOR)
    still_up = Q(stop_due_at__lt=now - EXPECTING_CHANGE_FOR)
    return list(
        Instance.objects.filter(
            ((in_transition | past_its_stop) & _not_read(now - REFRESH_AGAIN_AFTER))
            | (still_up & _not_read(now - LATE_STOP_AGAIN_AFTER))
        )
        .filter(cloud=cloud, missing_since=None)
        .order_by(F("looked_at").asc(nulls_first=True))[:MAX_REFRESHES]
    )


def _not_read(since: datetime) -> Q:
    return Q(looked_at=None) | Q(looked_at__lte=since)


def read_instance(instance: Instance) -> None:
    """Read one instance into the mirror.

    Raises:
        ModelArtsError: The cloud did not answer; the mirror stays as it is.
    """
    client = upstream.client_for(instance.cloud.name)
    api = client.api(instance.generation)
    try:
        observation = api.show_instance(instance.instance_id)
    except InstanceNotFoundError:
        mark_missing(Instance.objects.filter(pk=instance.pk))
        return
    with transaction.atomic():
        apply_observation(instance.cloud, observation)
