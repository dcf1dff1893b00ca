"""What one page of a listing changes in the mirror, and what happened in between."""

import copy
from datetime import datetime

import structlog

from dashboard.modelarts import schemas
from dashboard.modelarts.client import UnreadableInstance
from dashboard.modelarts.schemas import InstanceStatus

from . import causes, mapping
from .models import Cloud, FleetVersion, Instance, InstanceEvent

log = structlog.get_logger(__name__)

_LONGEST_SHOWN = 1_000
"""Of an id that cannot be used, so many characters are kept to be looked at."""


class SyncBatch:
    """The rows of one page that differ from what the cloud says now."""

    def __init__(self, cloud: Cloud, known: dict[str, Instance], now: datetime) -> None:
        self.cloud, self.known, self.now = cloud, known, now
        self.new: dict[str, Instance] = {}
        self.changed: dict[str, Instance] = {}
        self.events: list[InstanceEvent] = []
        self.hashes: dict[str, str] = {}

    def add(self, wire: schemas.Instance) -> None:
        """Take up what the cloud says of one instance."""
        before = self.known.get(wire.id)
        values = mapping.columns(
            wire, skew_ms=self.cloud.skew_ms, known=before, now=self.now
        )
        if wire.spec is not None:
            self.hashes[wire.id] = values["content_hash"]
        if before is None:
            row = Instance(
                cloud=self.cloud, instance_id=wire.id, first_seen_at=self.now, **values
            )
            mapping.follow_run(row, before=None, now=self.now)
            self.new[wire.id] = row
            return
        same = before.content_hash == values["content_hash"]
        if same and before.missing_since is None:
            return
        row = Instance(
            pk=before.pk,
            cloud=self.cloud,
            instance_id=before.instance_id,
            first_seen_at=before.first_seen_at,
            status_since=before.status_since,
            run_started_at=before.run_started_at,
            version=before.version,
            looked_at=before.looked_at,
            missing_since=None,
            **values,
        )
        mapping.follow_run(row, before=before, now=self.now)
        if mapping.is_new_run(before, row):
            self._note_unseen_stop(before, row, row.run_started_at or self.now)
        elif causes.starts_again(before, row):
            self._note_unseen_stop(before, row, self.now)
        elif row.status != before.status:
            self._note_transition(before, row)
        self.changed[wire.id] = row

    def _note_transition(self, before: Instance, row: Instance) -> None:
        cause = causes.cause_of(before, row, self.now)
        row.status_since = self._moment_of(cause, before, self.now)
        self._add_event(row, before.status, row.status, cause, row.status_since)
        causes.note_stop(before, row, cause)

    def _note_unseen_stop(self, before: Instance, row: Instance, at: datetime) -> None:
        """Two steps in one: the end of a run that nobody saw, and the start after."""
        status, cause = causes.unseen_stop(before, row, at)
        ended_at = self._moment_of(cause, before, at)
        between = copy.copy(row)
        between.status, between.status_since = status, ended_at
        self._add_event(row, before.status, status, cause, ended_at)
        causes.note_stop(before, between, cause)
        if status == InstanceStatus.STOPPED:
            cause = causes.cause_of(between, row, self.now)
        row.status_since = at
        self._add_event(row, status, row.status, cause, at)

    def _moment_of(
        self, cause: causes.Cause, before: Instance, at: datetime
    ) -> datetime:
        if cause.reason == InstanceEvent.Reason.AUTO_STOP and before.stops_at:
            return min(before.stops_at, at)
        return at

    def _add_event(
        self, row: Instance, was: str, becomes: str, cause: causes.Cause, at: datetime
    ) -> None:
        self.events.append(
            InstanceEvent(
                instance_id=row.pk,
                at=at,
                from_status=was,
                to_status=becomes,
                reason=cause.reason,
                actor=cause.wish.actor if cause.wish else None,
                edit_id=cause.wish.pk if cause.wish else None,
            )
        )

    def add_unreadable(self, bad: UnreadableInstance) -> None:
        """Put a notice on an instance whose document makes no sense."""
        log.warning(
            "unreadable instance",
            cloud=self.cloud.name,
            instance=bad.instance_id,
            problem=bad.problem,
        )
        if bad.instance_id is None:
            return
        row = self.known.get(bad.instance_id)
        if row is None:
            received = (bad.received_id or "")[:_LONGEST_SHOWN]
            row = Instance(
                cloud=self.cloud,
                instance_id=bad.instance_id,
                name=mapping.cut(bad.name or received, *mapping.MOST_NAME),
                status=(bad.status or "UNKNOWN")[:64],
                first_seen_at=self.now,
                document={"received_id": received},
                search_text=f"{bad.name or ''}\n{received}".casefold(),
                problems=[bad.problem],
            )
            self.new[bad.instance_id] = row
        elif row.problems != [bad.problem] or row.missing_since:
            # What was last readable stays, with the notice; the next readable
            # document differs from this hash and so replaces it.
            row.problems, row.missing_since, row.content_hash = [bad.problem], None, ""
            self.changed[bad.instance_id] = row

    def save(self) -> None:
        """Write all of it and raise the version of the fleet; call in a transaction."""
        if not self.new and not self.changed:
            return
        Instance.objects.bulk_create(self.new.values())
        if len(self.changed) == 1:
            # As after each delivery, a fifth of which went into wording that.
            (row,) = self.changed.values()
            values = {name: getattr(row, name) for name in _WRITTEN}
            Instance.objects.filter(pk=row.pk).update(**values)
        else:
            Instance.objects.bulk_update(self.changed.values(), _WRITTEN)
        InstanceEvent.objects.bulk_create(self.events)
        touched = [*self.new, *self.changed]
        FleetVersion.stamp(
            Instance.objects.filter(cloud=self.cloud, instance_id__in=touched)
        )


_WRITTEN = [
    field.name
    for field in Instance._meta.concrete_fields
    if field.name
    not in {"id", "cloud", "instance_id", "first_seen_at", "version", "looked_at"}
    and not field.generated
]
