"""Taking an instance's lane and giving it back: the database's half of delivery.

Every function is one transaction. Time is the database's, so that workers on different
machines agree.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from dashboard.accounts.permissions import can_edit
from dashboard.audit.services import record_event
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.instances.refresh import apply_observation
from dashboard.modelarts.client import Observation
from dashboard.modelarts.errors import (
    AmbiguousError,
    AuthenticationError,
    ModelArtsError,
    NotSentError,
)

from . import life, states, wishes
from .models import Attempt, Edit, Lane

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=45)
"""Longer than a task's hard time limit: whoever held the lane then is dead."""

NUDGE_AGAIN = timedelta(seconds=3)
CIRCUIT_OPENS_AT = 5
"""So many calls in a row without an answer, and a cloud's edits wait."""

PROBE_EVERY = timedelta(seconds=10)
HOLD = timedelta(seconds=60)
SETTLE = timedelta(seconds=60)
"""How long a write without a known end may still land: the gateway's own patience,
which is not published, so this is our assumption."""

RECHECK = timedelta(seconds=15)
MOST_REPAIRS = 2
MOST_INTERRUPTED = 3
LONGEST_PAUSE_SECONDS = 60.0
LEAST_SWEEP = 10

UNHEEDED = "unheeded"

State = Edit.State

_TURN = ("holder", "lease_until", "unsettled_until", "recheck_at")


@dataclass
class Turn:
    """A worker's right to deliver for one instance, until the lease ends.

    Attributes:
        edits: What is to be delivered, of one kind, oldest first; all ``sending``.
            None of them: look whether a late write has to be put right.
        vouching: The edits for whose sake something is sent, whose authors must be
            permitted at that moment.
        may_repair: Whether a late write may still be put right.
        late: Fields that are put right, each with the edit that is sent again and the
            value that landed late.
        unread: Whether the cloud has answered a write, but not yet said what it holds.
    """

    instance: Instance
    edits: list[Edit]
    attempt: Attempt
    vouching: list[Edit]
    may_repair: bool = False
    late: dict[str, tuple[Edit, Any]] = field(default_factory=dict)
    unread: bool = False


@dataclass
class Result:
    """What a turn led to.

    Attributes:
        fates: The new state of each edit, with the fields to write beside it.
        observation: The cloud's last word on the instance, if there was one.
        error: Why it did not succeed.
        ambiguous: Whether the cloud may have done it without our knowing.
        unheeded: Whether the cloud accepted a change and shows the old value.
    """

    fates: dict[Edit, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    observation: Observation | None = None
    error: ModelArtsError | None = None
    ambiguous: bool = False
    unheeded: bool = False


@transaction.atomic
def due_instances() -> list[int]:
    """Instances with open edits that nobody delivers and nobody was told of lately.

    Lanes of processes that have died are freed first. Of a cloud whose circuit is open
    one lane is named, as the probe.
    """
    _free_lanes_of_the_dead()
    now = Now()
    waiting = Edit.objects.filter(instance=OuterRef("pk"), state__in=Edit.OPEN)
    lanes = Lane.objects.filter(
        Q(lease_until=None) | Q(lease_until__lte=now),
        Q(next_at=None) | Q(next_at__lte=now),
        Q(nudged_at=None) | Q(nudged_at__lte=now - NUDGE_AGAIN),
        Q(instance__cloud__held_until=None) | Q(instance__cloud__held_until__lte=now),
        Exists(waiting) | Q(recheck_at__lte=now),
    )
    sound = lanes.filter(instance__cloud__failures__lt=CIRCUIT_OPENS_AT)
    # No more than the clouds could answer until the next sweep: the rest of a large
    # batch waits here, in order, and not in the queue before everybody else's edits.
    answerable = max(LEAST_SWEEP, round(settings.CURFEW.upstream_rate))
    longest_first = sound.order_by(F("nudged_at").asc(nulls_first=True))
    due = list(longest_first.values_list("pk", flat=True)[:answerable])
    for cloud in Cloud.objects.filter(failures__gte=CIRCUIT_OPENS_AT):
        probe = lanes.filter(instance__cloud=cloud).order_by("nudged_at").first()
        if probe is not None:
            due.append(probe.pk)
    Lane.objects.filter(pk__in=due).update(nudged_at=now)
    return due


def _free_lanes_of_the_dead() -> None:
    taken = Lane.objects.filter(lease_until__gt=Now(), holder__isnull=False)
    holders = set(taken.values_list("holder", flat=True).distinct())
    if dead := life.dead(key for key in holders if key is not None):
        freed = taken.filter(holder__in=dead).update(lease_until=Now(), nudged_at=None)
        log.warning("lanes of a dead worker freed", lanes=freed)


def claim(instance_pk: int) -> Turn | None:
    """Take the lane and decide what goes out; committed before anything is sent.

    Returns:
        The turn; None when somebody else has it, nothing is waiting or it is not time.
    """
    # Before the lane is taken, so that nobody ever sees a lane without its sign.
    holder = life.holder()
    with transaction.atomic():
        return _claim(instance_pk, holder)


def _claim(instance_pk: int, holder: int) -> Turn | None:
    lane = (
        Lane.objects.select_for_update(of=("self",))
        .select_related("instance__cloud")
        .annotate(now=Now())
        .filter(pk=instance_pk)
        .first()
    )
    if lane is None or not _is_free(lane):
        return None
    lane.holder = holder
    edits = _deliverable(lane)
    recheck = lane.recheck_at is not None and lane.recheck_at <= lane.now
    if not edits and not recheck:
        lane.save(update_fields=["unsettled_until", "recheck_at"])
        FleetVersion.stamp(Instance.objects.filter(pk=instance_pk))
        return None
    attempt = _begin(lane, edits, lane.now)
    for edit in edits:
        states.move(edit, State.SENDING, attempts=edit.attempts + 1)
    if edits:
        FleetVersion.stamp(Instance.objects.filter(pk=instance_pk))
    return Turn(
        lane.instance,
        edits,
        attempt,
        vouching=edits,
        may_repair=lane.repairs < MOST_REPAIRS,
    )


def _is_free(lane: Any) -> bool:
    if _later(lane.lease_until, lane.now) or _later(lane.next_at, lane.now):
        return False
    cloud = lane.instance.cloud
    if _later(cloud.held_until, lane.now):
        return False
    if cloud.failures < CIRCUIT_OPENS_AT:
        return True
    # The circuit is open: whoever wins this update sends, as the probe.
    probe = Cloud.objects.filter(pk=cloud.pk, held_until=cloud.held_until)
    return bool(probe.update(held_until=lane.now + PROBE_EVERY))


def _later(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now


def _begin(lane: Lane, edits: list[Edit], now: datetime) -> Attempt:
    lane.fence += 1
    lane.lease_until = now + LEASE
    lane.next_at = None
    lane.save(update_fields=[*_TURN, "next_at", "fence"])
    attempt = Attempt.objects.create(instance=lane.instance, number=lane.fence)
    attempt.edits.set(edits)
    return attempt


def _deliverable(lane: "Lane") -> list[Edit]:
    """The next edits to go out, after those are settled that never will."""
    waiting = list(
        Edit.objects.filter(instance_id=lane.pk, state__in=Edit.OPEN)
        .select_related("actor", "instance__cloud")
        .order_by("seq")
    )
    _note_interruption(lane, waiting)
    waiting = [edit for edit in waiting if _still_wanted(edit, lane)]
    edits = wishes.of_one_kind(waiting)
    gone = wishes.superseded(edits)
    for edit, by in gone.items():
        states.move(
            edit,
            State.SUPERSEDED,
            superseded_by=by,
            message=f"Replaced by a later edit of {by.actor.get_username()}.",
        )
    return [edit for edit in edits if edit not in gone]


def _note_interruption(lane: Lane, edits: list[Edit]) -> None:
    """Whoever was sending has died: the lease is over and no result is written."""
    unfinished = Attempt.objects.filter(instance_id=lane.pk, outcome="")
    if unfinished.filter(sent_at__isnull=False).update(ambiguous=True):
        _unsettle(lane)
    unfinished.update(outcome="interrupted", finished_at=Now())
    for edit in edits:
        if edit.state == State.SENDING:
            edit.interrupted += 1
            edit.save(update_fields=["interrupted"])


def _unsettle(lane: Any) -> None:
    lane.unsettled_until = lane.now + SETTLE
    lane.recheck_at = lane.now + RECHECK


def _still_wanted(edit: Edit, lane: Any) -> bool:
    """Whether an edit may go out; the ones that may not are settled here."""
    if not can_edit(edit.actor, lane.instance.owner):
        states.move(
            edit,
            State.CANCELLED,
            message=f"{edit.actor.get_username()} is no longer permitted to change "
            "this instance.",
        )
    elif edit.interrupted >= MOST_INTERRUPTED:
        states.move(
            edit,
            State.FAILED,
            message="It could not be delivered because of a fault in Curfew, which "
            "has been logged. Try again, and tell your admin if it happens again.",
        )
        log.error("poisonous edit", edit=str(edit.pk), interrupted=edit.interrupted)
    elif edit.deadline_at <= lane.now:
        states.move(
            edit,
            State.FAILED,
            message=f"Not delivered in time. {edit.message}".strip(),
        )
    else:
        return True
    return False


@transaction.atomic
def about_to_send(turn: Turn, body: dict[str, Any]) -> bool:
    """Write down what is about to leave, if this worker still may send it.

    Args:
        turn: The turn; gets a new attempt when its present one has sent already.
        body: The JSON body of the request.

    Returns:
        False when the lane was taken over, or an actor lost the right to edit or the
        deadline passed meanwhile: then nothing may be sent.
    """
    lane = Lane.objects.select_for_update().annotate(now=Now()).get(pk=turn.instance.pk)
    if lane.fence != turn.attempt.number:
        return False
    fresh = Edit.objects.filter(pk__in=[edit.pk for edit in turn.vouching])
    for edit in fresh.select_related("actor", "instance"):
        allowed = can_edit(edit.actor, edit.instance.owner)
        if not allowed or (edit.is_open and edit.deadline_at <= lane.now):
            return False
    if turn.attempt.sent_at is not None:
        Attempt.objects.filter(pk=turn.attempt.pk).update(
            outcome="applied", finished_at=Now()
        )
        turn.attempt = _begin(lane, turn.edits, lane.now)
    Attempt.objects.filter(pk=turn.attempt.pk).update(body=body, sent_at=Now())
    turn.attempt.sent_at = lane.now
    if turn.late:
        _note_repair(lane, turn)
    return True


def _note_repair(lane: Lane, turn: Turn) -> None:
    """Count a repair, and leave a line in the audit trail for each edit it repeats."""
    Lane.objects.filter(pk=lane.pk).update(repairs=F("repairs") + 1)
    for edit in turn.vouching:
        found = {name: at for name, (newest, at) in turn.late.items() if newest == edit}
        record_event(
            actor=None,
            action="edit.repaired",
            target_kind="edit",
            target_id=str(edit.pk),
            target_label=str(turn.instance),
            instance=turn.instance.reference,
            before=found,
            after={name: edit.patch[name] for name in found},
            reason="An older change landed late; this one was sent again.",
        )


@transaction.atomic
def record(turn: Turn, result: Result) -> bool:
    """Write the outcome and give the lane back.

    Returns:
        False when the lane was taken over meanwhile: this result counts for nothing.
    """
    lane = Lane.objects.select_for_update().annotate(now=Now()).get(pk=turn.instance.pk)
    if lane.fence != turn.attempt.number:
        log.warning("turn overtaken", instance=turn.instance.instance_id)
        return False
    # Locks in one order: lane, cloud, instance, fleet.
    health_changed = _note_health(turn.instance.cloud, result.error, lane.now)
    if result.observation:
        apply_observation(turn.instance.cloud, result.observation)
    lane.lease_until = lane.holder = lane.next_at = None
    for edit, (state, changes) in result.fates.items():
        states.move(edit, state, **changes)
        if state == State.RETRYING:
            lane.next_at = lane.now + _pause(edit, result.error)
    _plan_recheck(lane, result)
    lane.save(update_fields=[*_TURN, "next_at", "repairs"])
    _finish(turn.attempt, result)
    if result.fates:
        FleetVersion.stamp(Instance.objects.filter(pk=turn.instance.pk))
    elif health_changed:
        FleetVersion.stamp()
    return True


def _plan_recheck(lane: Any, result: Result) -> None:
    """A write that may still land is looked for until its time is over."""
    if result.ambiguous:
        _unsettle(lane)
    elif result.error and lane.recheck_at:
        # Not seen, so not over.
        lane.recheck_at = lane.now + RECHECK
    elif lane.unsettled_until is None or lane.unsettled_until <= lane.now:
        lane.unsettled_until = lane.recheck_at = None
        lane.repairs = 0
    else:
        lane.recheck_at = min(lane.now + RECHECK, lane.unsettled_until)


def _note_health(cloud: Cloud, error: ModelArtsError | None, now: datetime) -> bool:
    """Open the cloud's circuit or close it; every process sees the same row.

    Returns:
        Whether pages show the cloud differently now.
    """
    row = Cloud.objects.filter(pk=cloud.pk)
    if isinstance(error, AuthenticationError):
        # Asking on would lock the account.
        row.update(failures=CIRCUIT_OPENS_AT, held_until=now + HOLD)
    elif isinstance(error, NotSentError | AmbiguousError):
        row.update(failures=F("failures") + 1)
        row.filter(failures__gte=CIRCUIT_OPENS_AT).update(held_until=now + PROBE_EVERY)
    else:
        closed = row.filter(held_since__isnull=False).update(
            held_until=None, held_since=None, hold_reason=""
        )
        row.filter(failures__gt=0).update(failures=0)
        return bool(closed)
    opened = row.filter(failures__gte=CIRCUIT_OPENS_AT, held_since=None)
    return bool(opened.update(held_since=now, hold_reason=error.sentence))


def times_unheeded(edit: Edit) -> int:
    """How often the cloud has accepted this edit and still shown the old value."""
    return edit.turns.filter(outcome=UNHEEDED).count()


def _finish(attempt: Attempt, result: Result) -> None:
    error = result.error
    Attempt.objects.filter(pk=attempt.pk).update(
        outcome=UNHEEDED if result.unheeded else _outcome(result),
        finished_at=Now(),
        ambiguous=result.ambiguous,
        http_status=error.status if error else None,
        error_code=(error.error_code or "")[:64] if error else "",
        request_id=(error.request_id or "")[:128] if error else "",
    )


def _outcome(result: Result) -> str:
    reached = {state for state, _ in result.fates.values()}
    for state in (State.RETRYING, State.FAILED, State.CONFLICT):
        if state in reached:
            return str(state)
    return str(next(iter(reached), "dropped"))


def _pause(edit: Edit, error: ModelArtsError | None) -> timedelta:
    """Full jitter, doubling, never shorter than the cloud asked for."""
    ceiling = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(edit.attempts, 6))
    pause = random.uniform(0.5, max(1.0, ceiling))  # noqa: S311 (no secret)
    return timedelta(seconds=max(pause, (error and error.retry_after_seconds) or 0))
