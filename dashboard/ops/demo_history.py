"""Eight weeks of the demo's fleet before its first start.

Only Curfew's own tables get them: status changes, the stops that people, schedules and
policies requested, and the runs that both tell. They lead to what the emulated cloud
shows now, so a run that is under way begins when the cloud says.
"""

import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.costs import recorder
from dashboard.costs.backfill import backfill
from dashboard.costs.models import Gap, Run
from dashboard.edits.models import Edit, EditQueue
from dashboard.instances.models import Cloud, FleetVersion, Instance, InstanceEvent
from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.statuses import InstanceStatus as Status

from .demo_habits import WEEKS, ZONE, End, Notebook, PastRun, past_runs

_SHIFT = timedelta(hours=12)
"""Handovers list the requests of a shift, and notifications those of an hour: none of
the past ones is as late."""

_JUST_NOW, _MINUTES = timedelta(seconds=20), timedelta(minutes=30)
_FULLY_USED = 120
"""A larger fleet is used less, or its past would take too long to write."""

_LEASES = (4, 8, 8, 12)
"""Hours of a notebook, whose run time is given with each start."""

_RUNNING = {Status.RUNNING, Status.SNAPSHOTTING, Status.STOPPING, Status.RESTARTING}
_FAULTY = {Status.UNAVAILABLE, Status.ERROR, Status.FROZEN}
_BEGINNING = {Status.START_QUEUING, Status.READY_TO_START, Status.STARTING}
_FAILED = {Status.START_FAILED: Status.STARTING, Status.RESIZE_FAILED: Status.RESIZING}
_REQUESTED = {End.PERSON, End.SCHEDULE, End.POLICY}
_Reason = InstanceEvent.Reason
_REASONS = {
    End.AUTO_STOP: _Reason.AUTO_STOP,
    End.PERSON: _Reason.REQUESTED,
    End.SCHEDULE: _Reason.REQUESTED,
    End.POLICY: _Reason.REQUESTED,
    End.CURFEW: _Reason.UNDONE,
}


def add(started_ms: Mapping[str, int | None], seed: int) -> str:
    """Write the history.

    Args:
        started_ms: When each run that is under way began, by the cloud's ID, Unix ms.
        seed: Of the fleet.
    """
    now = timezone.now()
    with transaction.atomic():
        past = _Past(started_ms, seed, now)
        clouds = Cloud.objects.filter(instances__isnull=False).distinct()
        Gap.objects.bulk_create(
            Gap(cloud=cloud, since=past.gap[0], until=past.gap[1]) for cloud in clouds
        )
        instances = Instance.objects.filter(missing_since=None).defer("search_text")
        for instance in instances.order_by("pk"):
            past.add(instance)
        past.save()
        # Those that are open are told by events now.
        Run.objects.all().delete()
    backfill(Instance.objects.all())
    _complete(past.gap)
    return f"{Run.objects.count()} runs in {WEEKS} weeks"


def _complete(gap: tuple[datetime, datetime]) -> None:
    """Add what events do not tell: the auto-stop of the time, and what a gap hides."""
    runs = Run.objects.filter(has_end=None)
    runs.filter(instance__auto_stop_enable=False).update(has_end=False)
    runs.exclude(instance__auto_stop_enable=False).update(has_end=True)
    between = Run.Known.BETWEEN
    Run.objects.filter(started_at=gap[1]).update(started_known=between)
    hidden = Q(ended_at__gt=gap[0], ended_at__lte=gap[1])
    Run.objects.filter(hidden).update(ended_known=between)


class _Past:
    """What is written, instance by instance."""

    def __init__(
        self, started_ms: Mapping[str, int | None], seed: int, now: datetime
    ) -> None:
        self.started_ms, self.seed, self.now = started_ms, seed, now
        today = now.astimezone(ZONE).date()
        installed_on = today - timedelta(weeks=WEEKS)
        self.installed_at = datetime.combine(installed_on, time(9, 40), ZONE)
        night = today - timedelta(days=17)
        self.gap = (
            datetime.combine(night, time(1, 12), ZONE),
            datetime.combine(night, time(4, 15), ZONE),
        )
        people = User.objects.exclude(role=User.Role.VIEWER).order_by("pk")
        self.owners = {
            name: person for person in people for name in person.cloud_identifiers
        }
        self.operators = [
            person
            for role in (User.Role.OPERATOR, User.Role.ADMIN)
            for person in people
            if person.role == role
        ]
        number = Instance.objects.count()
        self.use = min(1, _FULLY_USED / number) if number else 1
        self.instances: list[Instance] = []
        self.events: list[InstanceEvent] = []
        self.edits: list[Edit] = []
        self.queues: list[EditQueue] = []

    def add(self, instance: Instance) -> None:
        status, now = instance.status, self.now
        if status not in _KNOWN_PASTS:
            return
        key = instance.instance_id
        rng = random.Random(f"{self.seed}/past/{key}")  # noqa: S311 - not a secret
        created_at = instance.created_at or self.installed_at
        is_new = created_at > self.installed_at
        since = created_at + timedelta(seconds=8) if is_new else self.installed_at
        until = now - _MINUTES
        start = self._present_start(instance, rng) if status in _RUNNING else None
        if start:
            until = start - _MINUTES
        elif status in _FAULTY | set(_FAILED) | {Status.DELETED}:
            until = now - timedelta(hours=rng.uniform(26, 70))
        if since > until:
            return
        writer = _Writer(self, instance, is_new=is_new)
        notebook = Notebook(
            key=key,
            owner=instance.owner_name,
            is_gpu=instance.flavor_type.upper() != "CPU",
            since=since,
            until=until,
            is_new=is_new,
            limit=_limit(instance, rng),
        )
        for run in past_runs(notebook, seed=self.seed, now=now, use=self.use):
            if past := self._seen(run):
                writer.add_run(past)
        if start:
            writer.begin(start)
            if status in recorder.RUNNING:
                instance.run_started_at = start
        elif status in _FAULTY:
            writer.begin(until - timedelta(hours=3))
        writer.arrive(until)
        instance.first_seen_at = since
        self.instances.append(instance)

    def _present_start(self, instance: Instance, rng: random.Random) -> datetime:
        told_ms = self.started_ms.get(instance.instance_id)
        told_at = told_ms and datetime.fromtimestamp(told_ms / 1_000, UTC)
        guess = self.now - timedelta(minutes=rng.randrange(40, 400))
        return min(instance.run_started_at or told_at or guess, self.now - _JUST_NOW)

    def _seen(self, run: PastRun) -> PastRun | None:
        """Return a run as Curfew saw it; None if it did not."""
        since, until = self.gap
        if run.end in _REQUESTED and run.ended_at > self.now - _SHIFT:
            return None
        if since < run.started_at < until:
            run = run._replace(started_at=until)
        if since < run.ended_at < until and run.end != End.AUTO_STOP:
            run = run._replace(ended_at=until, end=End.UNKNOWN)
        return run if run.started_at < run.ended_at else None

    def save(self) -> None:
        InstanceEvent.objects.bulk_create(self.events, batch_size=2_000)
        Edit.objects.bulk_create(self.edits, batch_size=1_000)
        # Django sets it to the present.
        keys = [edit.idempotency_key for edit in self.edits]
        if keys:
            Edit.objects.filter(idempotency_key__startswith=_KEY).update(
                created_at=F("finished_at") - timedelta(seconds=3)
            )
        EditQueue.objects.bulk_create(
            self.queues,
            update_conflicts=True,
            unique_fields=["instance"],
            update_fields=["next_seq"],
        )
        columns = ["first_seen_at", "status_since", "run_started_at"]
        Instance.objects.bulk_update(self.instances, columns, batch_size=500)
        pks = [instance.pk for instance in self.instances]
        FleetVersion.stamp(Instance.objects.filter(pk__in=pks))


_KEY = "before the demo "


class _Writer:
    """The status changes of one instance, from the first one on."""

    def __init__(self, past: _Past, instance: Instance, *, is_new: bool) -> None:
        self.past, self.instance = past, instance
        self.status: str = Status.CREATING if is_new else Status.STOPPED
        self.last_at: datetime | None = None
        self.seq = 0

    def add_run(self, run: PastRun) -> None:
        if run.is_first:
            self.status = Status.RUNNING
        else:
            self.begin(run.started_at)
        if run.end == End.CLOUD:
            self._go(run.ended_at, Status.UNAVAILABLE)
            self._go(run.ended_at + timedelta(minutes=9), Status.STOPPED)
            return
        reason = _REASONS.get(run.end, _Reason.UNKNOWN)
        if reason == _Reason.AUTO_STOP and self.instance.lease_type == IDLE:
            reason = _Reason.IDLE
        edit = self._edit(run) if run.end in _REQUESTED else None
        self._go(run.ended_at, Status.STOPPED, reason, edit)

    def begin(self, at: datetime) -> None:
        if self.status == Status.STOPPED:
            self._go(at - timedelta(seconds=40), Status.STARTING)
        self._go(at, Status.RUNNING)

    def arrive(self, at: datetime) -> None:
        """Go on to the status that the cloud shows."""
        status, just_now = self.instance.status, self.past.now - _JUST_NOW
        if status in _RUNNING | _BEGINNING | {Status.RESIZING}:
            at = just_now
        elif status in _FAILED:
            self._go(at - timedelta(minutes=2), _FAILED[Status(status)])
        if status != self.status:
            reason = _LAST_REASONS.get(Status(status), _Reason.UNKNOWN)
            self._go(at, status, reason)

    def _go(
        self,
        at: datetime,
        status: str,
        reason: str = _Reason.UNKNOWN,
        edit: Edit | None = None,
    ) -> None:
        # The next run may start as soon as the gap has hidden the end of the last one.
        at = max(at, self.last_at or at)
        self.past.events.append(
            InstanceEvent(
                instance=self.instance,
                at=at,
                from_status=self.status,
                to_status=status,
                reason=reason,
                actor=edit.actor if edit else None,
                edit_id=edit.pk if edit else None,
            )
        )
        self.status, self.last_at, self.instance.status_since = status, at, at

    def _edit(self, run: PastRun) -> Edit:
        past, self.seq = self.past, self.seq + 1
        number = len(past.edits) + 1
        actor = past.owners.get(self.instance.owner_name)
        if actor is None and past.operators:
            actor = past.operators[number % 5 == 0 and len(past.operators) > 1]
        edit = Edit(
            pk=uuid.uuid5(uuid.NAMESPACE_OID, f"{past.seed}/{number}"),
            instance=self.instance,
            actor=actor if run.end == End.PERSON else None,
            policy_name=run.by if run.end == End.POLICY else "",
            schedule_name=run.by if run.end == End.SCHEDULE else "",
            scheduled_for=run.ended_at if run.end == End.SCHEDULE else None,
            seq=self.seq,
            kind=Edit.Kind.STOP,
            base={"status": Status.RUNNING},
            result={"status": Status.STOPPED},
            idempotency_key=f"{_KEY}{number}",
            state=Edit.State.APPLIED,
            attempt_count=1,
            finished_at=run.ended_at,
            deadline_at=run.ended_at + timedelta(hours=1),
        )
        past.edits.append(edit)
        if self.seq == 1:
            past.queues.append(EditQueue(instance=self.instance))
        past.queues[-1].next_seq = self.seq + 1
        return edit


_LAST_REASONS = {
    Status.STOPPING: _Reason.AUTO_STOP,
    Status.RESTARTING: _Reason.RESTARTED,
    Status.FROZEN: _Reason.FROZEN,
}
_KNOWN_PASTS = (
    _RUNNING
    | _FAULTY
    | _BEGINNING
    | set(_FAILED)
    | {Status.STOPPED, Status.RESIZING, Status.DELETED}
)


def _limit(instance: Instance, rng: random.Random) -> timedelta | None:
    if instance.auto_stop_enable is False:
        return None
    if instance.auto_stop_duration:
        return timedelta(seconds=instance.auto_stop_duration)
    return timedelta(hours=rng.choice(_LEASES))
