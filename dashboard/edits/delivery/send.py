"""Worker side of an edit: read, compare, send, read back.

The flow and its reasons are drawn in ``docs/architecture.md``. Nothing here holds a
transaction while it talks to the cloud.
"""

import time
from functools import partial
from typing import Any

import stamina
import structlog
from django.db import InterfaceError, OperationalError
from pydantic import ValidationError

from dashboard.edits import authority, merge, messages
from dashboard.edits.models import Edit
from dashboard.instances import upstream
from dashboard.instances.edit_states import EditKind
from dashboard.instances.messages import message_of
from dashboard.modelarts.client import ModelArtsClient, Observation
from dashboard.modelarts.errors import (
    AuthenticationError,
    ConfigurationError,
    InstanceNotFoundError,
    ModelArtsError,
    StateRefusedError,
)
from dashboard.modelarts.schemas import InstanceStatus
from dashboard.web.stored_messages import Message

from . import late_writes, outcome, queue
from .outcome import Result
from .queue import Delivery

log = structlog.get_logger(__name__)

ENOUGH_SECONDS = 5.0
"""After this long a drain stops taking deliveries; the sweeper asks again."""

RECORD_SECONDS = 10.0
"""So long a worker holds on to what it knows; a task's time limit is 25."""

MOST_ACCEPTED_NOT_APPLIED = 4
"""Turns after which a change that the cloud accepts but does not make has failed."""

State = Edit.State

SAYS_ALREADY_THERE = {
    Edit.Kind.START: frozenset({"ModelArts.6305", "ModelArts.6306"}),
    Edit.Kind.STOP: frozenset({"ModelArts.6307", "ModelArts.6308"}),
}


class _OvertakenError(Exception):
    """Somebody else has the queue, or the right to send is gone: send nothing."""


def drain(instance_pk: int) -> None:
    """Deliver what is waiting for one instance, in deliveries.

    Args:
        instance_pk: ``Instance.pk``.
    """
    begun = time.monotonic()
    while time.monotonic() - begun < ENOUGH_SECONDS:
        delivery = queue.claim(instance_pk)
        if delivery is None:
            return
        try:
            result = _deliver(delivery)
        except _OvertakenError:
            # The next claim finds out why: a demoted actor, a passed deadline.
            result = _retry_all(delivery, messages.CHECKED_AGAIN())
        if not _record(delivery, result):
            return


def _record(delivery: Delivery, result: Result) -> bool:
    """Write it down, again and again while the database does not take it.

    Raises:
        OperationalError: It never did. The queue is free when its lease ends.
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
                outcome.forget(result)
            recorded = outcome.record(delivery, result)
    return recorded


def _deliver(delivery: Delivery) -> Result:
    try:
        client = upstream.client_for(delivery.instance.cloud.name)
        seen = client.show_instance(delivery.instance.instance_id)
        now = late_writes.cloud_values(seen.instance)
        result = Result(observation=seen)
        result.late = delivery.watch.find(
            now, partial(merge.recent_edits, delivery.instance)
        )
        if not delivery.edits:
            return _recheck(delivery, client, result, now)
        if delivery.edits[0].kind == Edit.Kind.UPDATE:
            return _update(delivery, client, result, now)
        return _switch(delivery, client, result, now)
    except ModelArtsError as error:
        return _from_error(delivery, error)


def _update(
    delivery: Delivery, client: ModelArtsClient, result: Result, now: dict[str, Any]
) -> Result:
    late = {one.field: one.value for one in result.late}
    merged = merge.merge(delivery.edits, now, merge.earlier_edits(delivery.edits), late)
    for edit in merged.conflicts:
        result.new_states[edit] = (
            State.CONFLICT,
            {"result": {name: now[name] for name in edit.patch}, "message": Message()},
        )
    carried = [edit for edit in delivery.edits if edit not in merged.conflicts]
    if merged.send:
        try:
            result.observation = _put(delivery, client, merged.send, now)
        except ValidationError:
            why = {"message": messages.NO_VALID_LENGTH()}
            return _all_to(delivery, result, carried, State.FAILED, why)
        now = late_writes.cloud_values(result.observation.instance)
        if not merge.is_applied(merged.send, now):
            return _accepted_not_applied(delivery, result, carried, now)
    assert result.observation is not None  # noqa: S101 (seen before anything else)
    running = result.observation.instance.status == InstanceStatus.RUNNING
    for edit in carried:
        replaced = merged.replaced.get(edit, {})
        changes = {
            "result": {name: now[name] for name in edit.patch},
            "replaced": {
                name: outcome.replaced_by(by) for name, by in replaced.items()
            },
            "applied_while_running": running,
            "message": Message(),
        }
        result.new_states[edit] = (State.APPLIED, changes)
        delivery.watch.decided |= edit.patch.keys()
    return result


def _put(
    delivery: Delivery,
    client: ModelArtsClient,
    send: dict[str, Any],
    before: dict[str, Any],
) -> Observation:
    """Send the changes and return what the cloud holds then."""
    answer = _send(delivery, client, send, before)
    after = merge.cloud_values(answer.instance)
    prompt = before["auto_stop_prompt"]
    reset = "auto_stop_prompt" not in send and prompt is not None
    if reset and after["auto_stop_prompt"] not in {prompt, None}:
        # The documents leave open whether an absent prompt falls back to its default.
        # It is the person's own console preference: put it back.
        log.info("prompt was reset", instance=delivery.instance.instance_id)
        answer = _send(delivery, client, {"auto_stop_prompt": prompt}, after)
    return answer


def _send(
    delivery: Delivery,
    client: ModelArtsClient,
    send: dict[str, Any],
    before: dict[str, Any],
) -> Observation:
    request = merge.request_for(send, before)
    delivery.watch.before = before
    if not queue.about_to_send(delivery, request.body()):
        raise _OvertakenError
    instance_id = delivery.instance.instance_id
    client.update_instance(instance_id, request)
    return _read_back(delivery, client)


def _read_back(delivery: Delivery, client: ModelArtsClient) -> Observation:
    """What the cloud holds after a write that it has answered.

    The answer itself is not believed: it may show the wish and not what is stored.
    """
    delivery.awaiting_read_back = True
    seen = client.show_instance(delivery.instance.instance_id)
    delivery.awaiting_read_back = False
    return seen


def _recheck(
    delivery: Delivery, client: ModelArtsClient, result: Result, now: dict[str, Any]
) -> Result:
    """See whether a write of unknown end has landed; put right what it has replaced.

    A value that was never ours is somebody else's: it is shown, not fought.
    """
    for late in result.late:
        may = [one for one in late.supporting_edits if not authority.why_withdrawn(one)]
        late.supporting_edits = may
        late_writes.decide(late, may_restore=delivery.may_repair and bool(may))
    restoring = [late for late in result.late if not late.accepted]
    settings = [late for late in restoring if late.field != late_writes.POWER]
    if not restoring:
        return result
    delivery.restoring = settings or restoring
    delivery.edits_to_authorize = list(
        {late.supporting_edits[0] for late in delivery.restoring}
    )
    log.warning("late write put right", instance=delivery.instance.instance_id)
    if not settings:
        result.found = result.observation
        result.observation = _act(delivery, client, Edit.Kind.STOP, now)
        return result
    try:
        wanted = {late.field: late.desired for late in settings}
        result.observation = _send(delivery, client, wanted, now)
    except ValidationError:
        # The cloud would refuse what it held before.
        for late in settings:
            late.accepted = late.given_up = True
    return result


def _switch(
    delivery: Delivery, client: ModelArtsClient, result: Result, now: dict[str, Any]
) -> Result:
    kind = Edit.Kind(delivery.edits[-1].kind)
    assert result.observation is not None  # noqa: S101 (seen before anything else)
    if now[late_writes.POWER] != kind:
        result.observation = _act(delivery, client, kind, now)
    status = result.observation.instance.status
    held = {"status": status}
    if late_writes.power_of(status) != kind:
        return _accepted_not_applied(delivery, result, delivery.edits, held)
    delivery.watch.decided.add(late_writes.POWER)
    changes = {"result": held, "message": Message()}
    return _all_to(delivery, result, delivery.edits, State.APPLIED, changes)


def _act(
    delivery: Delivery, client: ModelArtsClient, kind: EditKind, before: dict[str, Any]
) -> Observation:
    """Start or stop the instance and return what the cloud shows then."""
    delivery.watch.before = before
    if not queue.about_to_send(delivery, {"action": str(kind)}):
        raise _OvertakenError
    act = client.start_instance if kind == Edit.Kind.START else client.stop_instance
    try:
        act(delivery.instance.instance_id)
    except StateRefusedError as error:
        if error.error_code not in SAYS_ALREADY_THERE[kind]:
            raise
    return _read_back(delivery, client)


def _accepted_not_applied(
    delivery: Delivery, result: Result, edits: list[Edit], held: dict[str, Any]
) -> Result:
    """The cloud said yes but shows the old value: look again, then give up.

    What it has accepted may still land, so it is looked for like any other late write.
    """
    result.accepted_not_applied = result.ambiguous = True
    for edit in edits:
        given_up = outcome.times_not_applied(edit) + 1 >= MOST_ACCEPTED_NOT_APPLIED
        message = (
            messages.OLD_VALUE_AGAIN(number=MOST_ACCEPTED_NOT_APPLIED)
            if given_up
            else messages.OLD_VALUE()
        )
        held_now = {name: held.get(name) for name in (edit.patch or held)}
        result.new_states[edit] = (
            State.FAILED if given_up else State.RETRYING,
            {"result": held_now, "message": message},
        )
    return result


def _all_to(
    delivery: Delivery,
    result: Result,
    edits: list[Edit],
    state: str,
    changes: dict[str, Any],
) -> Result:
    result.new_states |= {edit: (state, dict(changes)) for edit in edits}
    return result


def _retry_all(delivery: Delivery, message: Message) -> Result:
    return _all_to(
        delivery, Result(), delivery.edits, State.RETRYING, {"message": message}
    )


def _from_error(delivery: Delivery, error: ModelArtsError) -> Result:
    """Refused for good, or to be tried again."""
    result = Result(error=error)
    changes: dict[str, Any] = {
        "message": message_of(error),
        "error_code": (error.error_code or "")[:64],
        "error_message": error.upstream_message or "",
    }
    gone = isinstance(error, InstanceNotFoundError)
    if gone:
        changes["message"] = messages.INSTANCE_GONE()
    # A refused reading says nothing about the write before it.
    unread = delivery.awaiting_read_back and not gone
    # Bad credentials hold the whole cloud; they are no fault of this edit.
    is_ours = isinstance(error, AuthenticationError | ConfigurationError)
    again = error.retryable or unread or is_ours
    result.ambiguous = unread or (
        error.ambiguous and delivery.attempt.sent_at is not None
    )
    state = State.RETRYING if again else State.FAILED
    return _all_to(delivery, result, delivery.edits, state, changes)
