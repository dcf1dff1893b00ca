"""Worker side of an edit: read, compare, send, read back.

The flow and its reasons are drawn in ``docs/architecture.md``. Nothing here holds a
transaction while it talks to the cloud.
"""

import time
from typing import Any

import stamina
import structlog
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext_noop
from pydantic import ValidationError

from dashboard.instances import upstream
from dashboard.modelarts.client import ModelArtsClient, Observation
from dashboard.modelarts.errors import (
    AuthenticationError,
    ConfigurationError,
    InstanceNotFoundError,
    ModelArtsError,
    StateRefusedError,
)
from dashboard.modelarts.schemas import InstanceStatus

from . import lanes, recording, wishes
from .lanes import Turn, due_instances
from .models import Edit
from .recording import Result

__all__ = ["drain", "due_instances"]

log = structlog.get_logger(__name__)

ENOUGH_SECONDS = 5.0
"""After this long a drain stops taking turns; the sweeper asks again."""

RECORD_SECONDS = 10.0
"""So long a worker holds on to what it knows; a task's time limit is 25."""

MOST_UNHEEDED = 4
"""Turns after which a change that the cloud accepts but does not make has failed."""

State = Edit.State

ALREADY_THERE = {
    Edit.Kind.START: frozenset(
        {
            InstanceStatus.RUNNING,
            InstanceStatus.STARTING,
            InstanceStatus.RESTARTING,
            InstanceStatus.START_QUEUING,
            InstanceStatus.READY_TO_START,
        }
    ),
    Edit.Kind.STOP: frozenset({InstanceStatus.STOPPED, InstanceStatus.STOPPING}),
}
SAYS_ALREADY_THERE = {
    Edit.Kind.START: frozenset({"ModelArts.6305", "ModelArts.6306"}),
    Edit.Kind.STOP: frozenset({"ModelArts.6307", "ModelArts.6308"}),
}


class _OvertakenError(Exception):
    """Somebody else has the lane, or the right to send is gone: send nothing."""


def drain(instance_pk: int) -> None:
    """Deliver what is waiting for one instance, in turns.

    Args:
        instance_pk: ``Instance.pk``.
    """
    begun = time.monotonic()
    while time.monotonic() - begun < ENOUGH_SECONDS:
        turn = lanes.claim(instance_pk)
        if turn is None:
            return
        try:
            result = _deliver(turn)
        except _OvertakenError:
            # The next claim finds out why: a demoted actor, a passed deadline.
            result = _retry_all(turn, gettext_noop("Checked again before sending."))
        if not _record(turn, result):
            return


def _record(turn: Turn, result: Result) -> bool:
    """Write it down, again and again while the database does not take it.

    Raises:
        OperationalError: It never did. The lane is free when its lease ends.
    """
    recorded = False
    for attempt in stamina.retry_context(
        on=(OperationalError, InterfaceError),
        attempts=None,
        timeout=RECORD_SECONDS,
        wait_initial=0.2,
        wait_max=1.0,
    ):
        with attempt:
            if attempt.num > 1:
                recording.forget(result)
            recorded = recording.record(turn, result)
    return recorded


def _deliver(turn: Turn) -> Result:
    try:
        client = upstream.client_for(turn.instance.cloud.name)
        seen = client.show_instance(turn.instance.instance_id)
        if not turn.edits:
            return _recheck(turn, client, seen)
        if turn.edits[0].kind == Edit.Kind.UPDATE:
            return _update(turn, client, seen)
        return _switch(turn, client, seen)
    except ModelArtsError as error:
        return _from_error(turn, error)


def _update(turn: Turn, client: ModelArtsClient, seen: Observation) -> Result:
    now = wishes.cloud_values(seen.instance)
    verdict = wishes.judge(turn.edits, now, wishes.earlier_edits(turn.edits))
    result = Result(observation=seen)
    held_by_cloud = seen
    for edit in verdict.conflicts:
        result.fates[edit] = (
            State.CONFLICT,
            {
                "result": {name: now[name] for name in edit.patch},
                "message": gettext_noop(
                    "Somebody changed this in the cloud meanwhile; nothing of "
                    "this edit was sent."
                ),
            },
        )
    carried = [edit for edit in turn.edits if edit not in verdict.conflicts]
    if verdict.send:
        try:
            held_by_cloud = _put(turn, client, verdict.send, now)
        except ValidationError as error:
            reasons = " ".join(fault["msg"] for fault in error.errors())
            return _settle(turn, result, carried, State.FAILED, {"message": reasons})
        result.observation = held_by_cloud
        now = wishes.cloud_values(held_by_cloud.instance)
        if not wishes.heeded(verdict.send, now):
            return _unheeded(turn, result, carried, now)
    running = held_by_cloud.instance.status == InstanceStatus.RUNNING
    for edit in carried:
        held = {name: now[name] for name in edit.patch}
        result.fates[edit] = (
            State.APPLIED,
            {"result": held, "applied_while_running": running, "message": ""},
        )
    return result


def _put(
    turn: Turn, client: ModelArtsClient, send: dict[str, Any], before: dict[str, Any]
) -> Observation:
    """Send the changes and return what the cloud holds then."""
    answer = _send(turn, client, send, before)
    after = wishes.cloud_values(answer.instance)
    prompt = before["auto_stop_prompt"]
    reset = "auto_stop_prompt" not in send and prompt is not None
    if reset and after["auto_stop_prompt"] not in {prompt, None}:
        # The documents leave open whether an absent prompt falls back to its default.
        # It is the person's own console preference: put it back.
        log.info("prompt was reset", instance=turn.instance.instance_id)
        answer = _send(turn, client, {"auto_stop_prompt": prompt}, after)
    return answer


def _send(
    turn: Turn, client: ModelArtsClient, send: dict[str, Any], before: dict[str, Any]
) -> Observation:
    request = wishes.request_for(send, before)
    if not lanes.about_to_send(turn, request.body()):
        raise _OvertakenError
    instance_id = turn.instance.instance_id
    client.update_instance(instance_id, request)
    return _read_back(turn, client)


def _read_back(turn: Turn, client: ModelArtsClient) -> Observation:
    """What the cloud holds after a write that it has answered.

    The answer itself is not believed: it may show the wish and not what is stored.
    """
    turn.unread = True
    seen = client.show_instance(turn.instance.instance_id)
    turn.unread = False
    return seen


def _recheck(turn: Turn, client: ModelArtsClient, seen: Observation) -> Result:
    """See whether an older write of ours landed late, over a newer one; put it right.

    A value that was never ours is a stranger's: it is shown, not fought.
    """
    result = Result(observation=seen)
    now = wishes.cloud_values(seen.instance)
    late = wishes.late_writes(turn.instance, now)
    if late and turn.may_repair:
        turn.vouching = list(set(late.values()))
        turn.late = {name: (edit, now[name]) for name, edit in late.items()}
        wanted = {name: edit.patch[name] for name, edit in late.items()}
        log.warning("late write put right", instance=turn.instance.instance_id)
        result.observation = _send(turn, client, wanted, now)
    return result


def _switch(turn: Turn, client: ModelArtsClient, seen: Observation) -> Result:
    edit = turn.edits[-1]
    kind = Edit.Kind(edit.kind)
    if seen.instance.status not in ALREADY_THERE[kind]:
        if not lanes.about_to_send(turn, {"action": str(kind)}):
            raise _OvertakenError
        act = client.start_instance if kind == Edit.Kind.START else client.stop_instance
        try:
            act(turn.instance.instance_id)
        except StateRefusedError as error:
            if error.error_code not in SAYS_ALREADY_THERE[kind]:
                raise
        seen = _read_back(turn, client)
    result = Result(observation=seen)
    held = {"status": seen.instance.status}
    if seen.instance.status not in ALREADY_THERE[kind]:
        return _unheeded(turn, result, turn.edits, held)
    changes = {"result": held, "message": ""}
    return _settle(turn, result, turn.edits, State.APPLIED, changes)


def _unheeded(
    turn: Turn, result: Result, edits: list[Edit], held: dict[str, Any]
) -> Result:
    """The cloud said yes but shows the old value: look again, then give up.

    What it has accepted may still land, so it is looked for like any other late write.
    """
    result.unheeded = result.ambiguous = True
    for edit in edits:
        given_up = recording.times_unheeded(edit) + 1 >= MOST_UNHEEDED
        message = (
            gettext_noop(
                "ModelArts accepted this %(number)s times, but did not take "
                "the change: it still shows the old value."
            )
            % {"number": MOST_UNHEEDED}
            if given_up
            else gettext_noop("ModelArts accepted this but still shows the old value.")
        )
        held_now = {name: held.get(name) for name in (edit.patch or held)}
        result.fates[edit] = (
            State.FAILED if given_up else State.RETRYING,
            {"result": held_now, "message": message},
        )
    return result


def _settle(
    turn: Turn, result: Result, edits: list[Edit], state: str, changes: dict[str, Any]
) -> Result:
    result.fates |= {edit: (state, dict(changes)) for edit in edits}
    return result


def _retry_all(turn: Turn, message: str) -> Result:
    return _settle(turn, Result(), turn.edits, State.RETRYING, {"message": message})


def _from_error(turn: Turn, error: ModelArtsError) -> Result:
    """Refused for good, or to be tried again."""
    result = Result(error=error)
    changes = {
        "message": error.sentence,
        "error_code": (error.error_code or "")[:64],
        "error_message": error.upstream_message or "",
    }
    gone = isinstance(error, InstanceNotFoundError)
    if gone:
        changes["message"] = gettext_noop("The instance no longer exists in the cloud.")
    # A refused reading says nothing about the write before it.
    unread = turn.unread and not gone
    # Bad credentials hold the whole cloud; they are no fault of this edit.
    is_ours = isinstance(error, AuthenticationError | ConfigurationError)
    again = error.retryable or unread or is_ours
    result.ambiguous = unread or (error.ambiguous and turn.attempt.sent_at is not None)
    state = State.RETRYING if again else State.FAILED
    return _settle(turn, result, turn.edits, state, changes)
