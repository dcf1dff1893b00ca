"""Runs from the status changes that were recorded, where ``recorder`` wrote none.

That is before the release that has it, and while processes of the former one still run
during an upgrade. A migration calls ``backfill`` with its historical models, so it uses
no columns but those of the first migration.

What the events do not tell stays unknown: a run that was under way when the instance
was first seen began at an unknown moment, and one whose start nothing tells has no
length. Owner, flavor, workspace and tags are those that the instance has now.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import batched
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from dashboard.audit.models import AuditEvent
from dashboard.instances.causes import Cause
from dashboard.instances.models import Instance

from . import allocations, recorder
from .models import Allocation, RollUp, Run

_INSTANCES, _ROWS = 500, 2_000
"""How many are in memory at once."""

_Known = Run.Known


class Models(NamedTuple):
    """The model classes, of the app or of a migration."""

    instance: Any = Instance
    run: Any = Run
    allocation: Any = Allocation
    roll_up: Any = RollUp
    audit_event: Any = AuditEvent


def reconcile() -> int:
    """Write the runs of instances whose status contradicts them; return how many."""
    open_runs = Exists(Run.objects.filter(instance=OuterRef("pk"), ended_at=None))
    runs = Q(status__in=recorder.RUNNING, missing_since=None)
    stopped = Q(status__in=recorder.NOT_RUNNING) | Q(missing_since__isnull=False)
    return backfill(
        Instance.objects.filter((runs & ~open_runs) | (stopped & open_runs))
    )


def backfill(instances: QuerySet[Any], models: Models | None = None) -> int:
    """Write the runs that no one wrote, and return how many; idempotent.

    Each part of the fleet is a transaction of its own, which locks its instances.
    """
    models, written = models or Models(), 0
    pks = list(instances.order_by("pk").values_list("pk", flat=True))
    for part in batched(pks, _INSTANCES, strict=False):
        with transaction.atomic():
            rows = models.instance.objects.filter(pk__in=part).order_by("pk")
            rows = rows.select_for_update(no_key=True, of=["self"])
            found = rows.select_related("cloud").defer("document", "search_text")
            written += _Part(list(found), models).write()
    return written


class _Part:
    """Some instances, and what is recorded of them."""

    def __init__(self, instances: list[Any], models: Models) -> None:
        self.models = models
        self.instances = {instance.pk: instance for instance in instances}
        self.allocation_of = allocations.of(instances, models.allocation)
        runs = models.run.objects.filter(instance__in=self.instances).order_by()
        first = runs.values_list("instance").annotate(Min("started_at"))
        self.first: dict[int, datetime] = dict(first)
        latest = runs.filter(next_started_at=None)
        self.latest = {run.instance_id: run for run in latest}

    def write(self) -> int:
        vanished, changes = self._vanished(), self._changes()
        pk, change = next(changes, _NO_CHANGE)
        runs: list[Any] = []
        written = 0
        for instance in self.instances.values():
            replay = _Replay(instance, self)
            missing = vanished[instance.pk]
            while change and pk == instance.pk:
                while missing and missing[0].at <= change.at:
                    replay.add(missing.pop(0))
                replay.add(change)
                pk, change = next(changes, _NO_CHANGE)
            for moment in missing:
                replay.add(moment)
            runs += replay.finish()
            if len(runs) >= _ROWS:
                written += self._save(runs)
                runs = []
        return written + self._save(runs)

    def _changes(self) -> Iterator[tuple[int, "_Change"]]:
        """Yield the changes of each instance, in the order in which they were seen."""
        edits = self._related("edits").only("actor", "schedule_name", "policy_name")
        events = self._related("events").filter(instance__in=self.instances)
        rows = events.order_by("instance", "pk").iterator(chunk_size=_ROWS)
        for some in batched(rows, _ROWS, strict=False):
            edit_of = edits.in_bulk({event.edit_id for event in some if event.edit_id})
            for event in some:
                cause = Cause(event.reason, edit_of.get(event.edit_id))
                statuses = event.from_status, event.to_status
                yield event.instance_id, _Change(event.at, *statuses, cause)

    def _related(self, name: str) -> Any:
        # Edits are an app above.
        return self.models.instance._meta.get_field(name).related_model.objects

    def _vanished(self) -> dict[int, list["_Change"]]:
        """Return when each was found missing during a run, which no event tells."""
        by_reference = {
            f"{instance.cloud.name}/{instance.instance_id}": pk
            for pk, instance in self.instances.items()
        }
        told = self.models.audit_event.objects.filter(
            instance__in=by_reference,
            action="instance.stopped",
            after__status="missing",
        )
        vanished: dict[int, list[_Change]] = defaultdict(list)
        for event in told.order_by("at").only("instance", "at", "before"):
            change = _Change(event.at, event.before.get("status", ""), "", None)
            vanished[by_reference[event.instance]].append(change)
        return vanished

    def _save(self, runs: list[Any]) -> int:
        known = [run for run in runs if run.pk]
        new = [run for run in runs if not run.pk]
        if known:
            # Before the new ones: an instance has one open run.
            self.models.run.objects.bulk_update(known, recorder.ENDED_COLUMNS)
        self.models.run.objects.bulk_create(new, batch_size=_ROWS)
        since: dict[Any, datetime] = {}
        for run in runs:
            cloud = self.instances[run.instance_id].cloud
            since[cloud] = min(run.started_at, since.get(cloud, run.started_at))
        for cloud, moment in since.items():
            recorder.invalidate(cloud, moment, self.models.roll_up)
        return len(new)


class _Change(NamedTuple):
    """As of ``Transition``; ``cause`` is None if the instance was found missing."""

    at: datetime
    before: str
    after: str
    cause: Cause | None


_NO_CHANGE = (0, None)


class _Replay:
    """The runs of one instance, change by change.

    Recorded runs stay as they are. Only changes before the first of them and after the
    latest one count.

    Attributes:
        run: The latest one so far.
        is_blank: Whether nothing is known so far.
    """

    def __init__(self, instance: Any, part: _Part) -> None:
        self.instance, self.model = instance, part.models.run
        self.allocation_id = part.allocation_of[instance.pk]
        self.first = part.first.get(instance.pk)
        self.recorded: Any = part.latest.get(instance.pk)
        self.run: Any = None
        self.runs: list[Any] = []
        self.is_blank = True
        self.since: datetime | None = None

    def add(self, change: _Change) -> None:
        if self.first and change.at >= self.first:
            self._go_on_from_recorded()
        if self.since and change.at <= self.since:
            return
        if change.before in recorder.RUNNING and not self._is_open():
            # Nothing tells when it started.
            at = self.instance.first_seen_at if self.is_blank else change.at
            self._begin(min(at, change.at), _Known.UNKNOWN)
        self.is_blank = False
        if change.after in recorder.RUNNING:
            self._begin(change.at, _Known.OBSERVED)
        elif change.after in recorder.NOT_RUNNING:
            self._end(change.at, change.after, change.cause)

    def finish(self) -> list[Any]:
        """Compare with what the instance does now; return new and changed runs."""
        if self.first:
            self._go_on_from_recorded()
        instance, missing_since = self.instance, self.instance.missing_since
        is_running = instance.status in recorder.RUNNING
        if is_running and not self._is_open() and (self.is_blank or not missing_since):
            ended_at = self.run and self.run.ended_at
            self._begin(ended_at or instance.first_seen_at, _Known.UNKNOWN)
        if is_running and self._is_open() and not self.run.pk:
            self._set_present_start()
        if missing_since:
            self._end(missing_since, "")
        elif instance.status in recorder.NOT_RUNNING and self._is_open():
            at = instance.status_since or self.run.started_at
            self._end(at, instance.status, known=_Known.UNKNOWN)
        return self.runs

    def _go_on_from_recorded(self) -> None:
        """Go on from the latest recorded run."""
        first, self.first = self.first, None
        assert first  # noqa: S101 (callers check it)
        self._end(first, "", known=_Known.UNKNOWN)
        if self.run:
            self.run.next_started_at = first
        self.run, self.is_blank = self.recorded, False
        self.since = self.run.ended_at or self.run.started_at

    def _is_open(self) -> bool:
        return self.run is not None and self.run.ended_at is None

    def _begin(self, at: datetime, known: str) -> None:
        if self._is_open():
            return
        if self.run:
            at = max(at, self.run.ended_at)
            self._change(next_started_at=at)
        self.run = self.model(
            instance_id=self.instance.pk,
            allocation_id=self.allocation_id,
            started_at=at,
            started_known=known,
        )
        self.runs.append(self.run)

    def _end(
        self,
        at: datetime,
        status: str,
        cause: Cause | None = None,
        known: str = _Known.OBSERVED,
    ) -> None:
        if not self._is_open():
            return
        ended_by = recorder.ended_by(cause, status)
        self._change(
            ended_at=max(at, self.run.started_at),
            ended_known=known,
            ended_by=ended_by,
            # Auto-stop that ended a run was on.
            has_end=True if ended_by == Run.EndedBy.AUTO_STOP else self.run.has_end,
            end_status=status,
        )
        if cause:
            self.run.reason = cause.reason
            self._set_edit(cause.edit)

    def _set_edit(self, edit: Any) -> None:
        if edit is not None:
            self.run.ended_by_person_id = edit.actor_id
            self.run.ended_by_name = edit.schedule_name or edit.policy_name
            self.run.end_edit_id = edit.pk

    def _change(self, **values: Any) -> None:
        if self.run.pk and self.run not in self.runs:
            self.runs.append(self.run)
        for name, value in values.items():
            setattr(self.run, name, value)

    def _set_present_start(self) -> None:
        """Let the run that is under way begin when the cloud says, as ``recorder``."""
        run, told_at = self.run, self.instance.run_started_at
        if told_at and told_at < run.started_at:
            before = self.runs[-2] if len(self.runs) > 1 else None
            if before is not None:
                told_at = max(told_at, before.ended_at)
                before.next_started_at = told_at
            run.started_at, run.started_known = told_at, _Known.OBSERVED
        run.has_end = recorder.has_end(self.instance)
