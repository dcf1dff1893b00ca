"""Writing down what a turn led to, and giving the lane back; one transaction."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now

from dashboard.instances.models import FleetVersion, Instance
from dashboard.instances.refresh import apply_observation
from dashboard.modelarts.client import Observation
from dashboard.modelarts.errors import ModelArtsError

from . import circuit, settling, states
from .lanes import TURN_FIELDS, Turn
from .models import Attempt, Edit, Lane

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS = 60.0
UNHEEDED = "unheeded"

State = Edit.State


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
    health_changed = circuit.note_health(turn.instance.cloud, result.error, lane.now)
    if result.observation:
        apply_observation(turn.instance.cloud, result.observation)
    lane.lease_until = lane.holder = lane.next_at = None
    for edit, (state, changes) in result.fates.items():
        states.move(edit, state, **changes)
        if state == State.RETRYING:
            lane.next_at = lane.now + _pause(edit, result.error)
    settling.plan(lane, ambiguous=result.ambiguous, failed=result.error is not None)
    lane.save(update_fields=[*TURN_FIELDS, "next_at", "repairs"])
    _finish(turn.attempt, result)
    if result.fates:
        FleetVersion.stamp(Instance.objects.filter(pk=turn.instance.pk))
    elif health_changed:
        FleetVersion.stamp()
    return True


def forget(result: Result) -> None:
    """Go back to the states that are stored, after a record that came to nothing."""
    for edit in result.fates:
        edit.refresh_from_db(fields=["state"])


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
