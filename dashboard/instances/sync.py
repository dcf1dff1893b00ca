"""Compares what the cloud lists with the mirror and writes what differs.

``wire`` is an instance as the cloud sent it, ``row`` is the one in the database.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import (
    InterfaceError,
    OperationalError,
    connection,
    models,
    transaction,
)
from django.utils import timezone

from dashboard.modelarts.results import UnreadableInstance, WireInstance
from dashboard.modelarts.statuses import InstanceStatus

from . import causes, mapping
from .models import Cloud, FleetVersion, Instance, InstanceEvent
from .signals import statuses_changed
from .transitions import Transition

log = structlog.get_logger(__name__)

CLOCKS_APART = timedelta(minutes=1)
"""A stored time further in the future is ignored: it was written before the clock was
set back."""

_MAX_ID_LENGTH = 1_000
"""How many characters of an unusable id are stored."""


class SyncBatch:
    """The rows of one page that differ from what the cloud says now.

    Attributes:
        hashes: ``content_hash`` of the documents that determine it alone.
    """

    def __init__(self, cloud: Cloud, known: dict[str, Instance], now: datetime) -> None:
        self.cloud, self.known, self.now = cloud, known, now
        self.new: dict[str, Instance] = {}
        self.changed: dict[str, Instance] = {}
        self.events: list[InstanceEvent] = []
        self.transitions: list[Transition] = []
        self.hashes: dict[str, str] = {}
        self.unreadable = 0

    def add(self, wire: WireInstance) -> None:
        before = self.known.get(wire.id)
        values = mapping.columns(
            wire, skew_ms=self.cloud.skew_ms, known=before, now=self.now
        )
        if not wire.state().is_partial:
            self.hashes[wire.id] = values["content_hash"]
        if before is None:
            row = Instance(
                cloud=self.cloud, instance_id=wire.id, first_seen_at=self.now, **values
            )
            self._set_run_start(row, before=None)
            if row.status == InstanceStatus.STOPPING:
                row.stop_requested_at = self.now
            self.new[wire.id] = row
            return
        if is_shown_by(before, values):
            return
        row = copy.copy(before)
        for name, value in values.items():
            setattr(row, name, value)
        row.missing_since = None
        self._set_run_start(row, before)
        row.stop_requested_at = mapping.stop_requested_at(before, row, self.now)
        if before.missing_since is not None:
            self._add_transition(row, "", row.status, None, self.now, before)
        if mapping.is_new_run(before, row):
            self._add_unseen_stop(before, row, row.run_started_at or self.now)
        elif causes.starts_again(before, row):
            self._add_unseen_stop(before, row, self.now)
        elif row.status != before.status:
            cause = causes.cause_of(before, row, self.now)
            row.status_since = _moment_of(cause, before, self.now)
            self._add_event(
                row, before.status, row.status, cause, row.status_since, before
            )
            causes.record_stop(before, row, cause)
        self.changed[wire.id] = row

    def add_unreadable(self, bad: UnreadableInstance) -> None:
        log.warning(
            "unreadable instance",
            cloud=self.cloud.name,
            instance=bad.instance_id,
            problem=bad.problem,
        )
        self.unreadable += 1
        if bad.instance_id is None:
            return
        row = self.known.get(bad.instance_id)
        if row is None:
            received_id = (bad.received_id or "")[:_MAX_ID_LENGTH]
            self.new[bad.instance_id] = Instance(
                cloud=self.cloud,
                instance_id=bad.instance_id,
                name=mapping.cut(bad.name or received_id, *mapping.MAX_NAME_SIZE),
                status=(bad.status or "UNKNOWN")[:64],
                first_seen_at=self.now,
                document={"received_id": received_id},
                search_text=f"{bad.name or ''}\n{received_id}".casefold(),
                problems=[bad.problem],
            )
        elif row.problems != [bad.problem] or row.missing_since:
            row = copy.copy(row)
            # The last readable values stay. The empty hash makes the next readable
            # document replace them.
            row.problems, row.missing_since, row.content_hash = [bad.problem], None, ""
            self.changed[bad.instance_id] = row

    def save(self) -> None:
        """Write all rows and raise the fleet version; call it in a transaction."""
        if not self.new and not self.changed:
            return
        Instance.objects.bulk_create(self.new.values())
        update_rows(
            WRITTEN,
            (
                (*(getattr(row, name) for name in WRITTEN), row.pk)
                for row in self.changed.values()
            ),
        )
        for row in self.new.values():
            self._add_transition(row, "", row.status, None, self.now, None)
        self.save_events()
        ids = [*self.new, *self.changed]
        FleetVersion.stamp(
            Instance.objects.filter(cloud=self.cloud, instance_id__in=ids),
            only_shown=self.is_only_shown,
        )

    def save_events(self) -> None:
        """Write what follows from new statuses: events, and what other apps keep."""
        InstanceEvent.objects.bulk_create(self.events)
        _send(self.cloud, self.transitions)

    @property
    def is_only_shown(self) -> bool:
        """Whether lists keep their rows, their order and their numbers."""
        return not self.new and all(
            getattr(self.known[instance_id], name) == getattr(row, name)
            for instance_id, row in self.changed.items()
            for name in _LISTED
        )

    def _set_run_start(self, row: Instance, before: Instance | None) -> None:
        skew_ms = self.cloud.skew_ms
        mapping.set_run_start(row, before=before, skew_ms=skew_ms, now=self.now)

    def _add_unseen_stop(self, before: Instance, row: Instance, at: datetime) -> None:
        """Add two events for a stop that Curfew did not see: the stop and the start."""
        status, cause = causes.unseen_stop(before, row, at)
        ended_at = _moment_of(cause, before, at)
        between = copy.copy(row)
        between.status, between.status_since = status, ended_at
        self._add_event(row, before.status, status, cause, ended_at, before)
        causes.record_stop(before, between, cause)
        if status == InstanceStatus.STOPPED:
            cause = causes.cause_of(between, row, self.now)
        row.status_since = at
        self._add_event(row, status, row.status, cause, at, before)

    def _add_event(
        self,
        row: Instance,
        from_status: str,
        to_status: str,
        cause: causes.Cause,
        at: datetime,
        before: Instance,
    ) -> None:
        if before.missing_since is None:
            self._add_transition(row, from_status, to_status, cause, at, before)
        self.events.append(
            InstanceEvent(
                instance_id=row.pk,
                at=at,
                from_status=from_status,
                to_status=to_status,
                reason=cause.reason,
                actor=cause.edit.actor if cause.edit else None,
                edit_id=cause.edit.pk if cause.edit else None,
            )
        )

    def _add_transition(
        self,
        row: Instance,
        from_status: str,
        to_status: str,
        cause: causes.Cause | None,
        at: datetime,
        before: Instance | None,
    ) -> None:
        self.transitions.append(
            Transition(
                row,
                from_status,
                to_status,
                at,
                cause,
                before,
                _seen_at(self.cloud, before),
            )
        )


WRITTEN = [
    field.name
    for field in Instance._meta.concrete_fields
    if field.name
    not in {"id", "cloud", "instance_id", "first_seen_at", "version", "looked_at"}
    and not field.generated
]
"""The columns that a document changes."""

ONLY_SHOWN = frozenset(
    {
        *("description", "document", "problems", "content_hash", "search_text", "tags"),
        *("auto_stop_duration", "auto_stop_prompt", "stop_timestamp_ms"),
        *("lease_updated_ms", "idle_seconds", "idle_stop_at", "run_started_at"),
        *("created_at", "updated_at", "status_since", "stop_requested_at"),
    }
)
"""Columns by which lists neither filter nor order, group or count, apart from those
that ``ListQuery.is_plain`` names."""

_LISTED = [name for name in WRITTEN if name not in ONLY_SHOWN]


def sync_page(
    cloud: Cloud,
    instances: list[WireInstance],
    unreadable: list[UnreadableInstance],
    requested_at: datetime,
) -> list[SyncBatch]:
    """Write one page of a listing, in one batch.

    If that fails because of a document, each instance is written in a batch of its own,
    and the one at fault is marked as unreadable.
    """
    try:
        return [sync(cloud, instances, unreadable, requested_at)]
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception:  # whatever it is, one document must not stop the others
        ids = [wire.id for wire in instances][:5]
        log.exception("documents refused", cloud=cloud.name, instances=ids)
    parts: list[tuple[list[WireInstance], list[UnreadableInstance]]] = []
    if len(instances) + len(unreadable) > 1:
        parts = [
            *(([wire], []) for wire in instances),
            *(([], [bad]) for bad in unreadable),
        ]
    elif instances:
        wire = instances[0]
        bad = UnreadableInstance(wire.id, wire.id, wire.name, wire.status, "document")
        parts = [([], [bad])]
    return [batch for part in parts for batch in sync_page(cloud, *part, requested_at)]


def sync(
    cloud: Cloud,
    instances: list[WireInstance],
    unreadable: list[UnreadableInstance],
    requested_at: datetime,
) -> SyncBatch:
    """Write instances that were requested from the cloud at this moment."""
    ids = [wire.id for wire in instances]
    ids += [bad.instance_id for bad in unreadable if bad.instance_id]
    with transaction.atomic():
        known = {
            row.instance_id: row
            for row in Instance.objects.select_for_update()
            .filter(cloud=cloud, instance_id__in=ids)
            # Large, and rarely needed.
            .defer("document", "search_text")
            .fetch_mode(models.FETCH_PEERS)
            .order_by("pk")
        }
        now = timezone.now()
        batch = SyncBatch(cloud, known, now)
        for wire in instances:
            row = known.get(wire.id)
            if row is None or not was_read_later(row, requested_at, now):
                batch.add(wire)
        for bad in unreadable:
            batch.add_unreadable(bad)
        batch.save()
    return batch


def update_rows(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write some columns of many instances, each row with values of its own.

    The ORM would compile a condition for each value (``bulk_update``, 17 times the CPU)
    or a statement for each row (four times).

    Args:
        names: Of the fields.
        rows: Their values, and then the key of the row.
    """
    quoted = connection.ops.quote_name
    fields: list[Any] = [Instance._meta.get_field(name) for name in names]
    changes = ", ".join(f"{quoted(field.column)} = %s" for field in fields)
    table, key = quoted(Instance._meta.db_table), quoted("id")
    statement = f"UPDATE {table} SET {changes} WHERE {key} = %s"  # noqa: S608 (names of our model)
    stored = [
        (
            *(
                field.get_db_prep_save(value, connection)
                for field, value in zip(fields, values, strict=False)
            ),
            values[-1],
        )
        for values in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, stored)


def is_shown_by(row: Instance, values: Mapping[str, Any]) -> bool:
    """Whether a row has these values (``mapping.columns``) already."""
    is_same: bool = row.content_hash == values["content_hash"]
    return is_same and row.missing_since is None


def was_read_later(row: Instance, requested_at: datetime, now: datetime) -> bool:
    """Whether an instance was read on its own by a later request."""
    looked_at = row.looked_at
    return bool(looked_at and requested_at < looked_at <= now + CLOCKS_APART)


def mark_missing(instances: models.QuerySet[Instance]) -> int:
    """Mark instances that the cloud no longer lists; no row is deleted.

    Returns:
        How many were not missing before.
    """
    with transaction.atomic():
        present = instances.filter(missing_since=None)
        rows = list(
            present.select_related("cloud")
            .defer("document", "search_text")
            .order_by("cloud", "pk")
        )
        for row in rows:
            causes.record_vanished(row)
        if rows:
            now = timezone.now()
            for cloud, group in groupby(rows, key=lambda row: row.cloud):
                gone = [
                    Transition(
                        *(row, row.status, "", now),
                        before=row,
                        seen_before_at=_seen_at(cloud, row),
                    )
                    for row in group
                ]
                _send(cloud, gone)
            missing = Instance.objects.filter(pk__in=[row.pk for row in rows])
            names = ("stops_at", "idle_stop_at", "stop_requested_at")
            missing.update(missing_since=now, **dict.fromkeys(names))
            FleetVersion.stamp(missing)
    return len(rows)


def _seen_at(cloud: Cloud, before: Instance | None) -> datetime | None:
    if before is None:
        return None
    moments = (cloud.read_at, before.looked_at)
    return max((moment for moment in moments if moment), default=None)


def _send(cloud: Cloud, transitions: list[Transition]) -> None:
    if transitions:
        statuses_changed.send(Cloud, cloud=cloud, transitions=transitions)


def _moment_of(cause: causes.Cause, before: Instance, at: datetime) -> datetime:
    if cause.reason == InstanceEvent.Reason.AUTO_STOP and before.stops_at:
        return min(before.stops_at, at)
    return at
