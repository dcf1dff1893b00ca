"""Send what waits for one instance: claim, read, merge, write, read back, record.

``docs/architecture.md`` draws the flow and gives its reasons. No transaction is open
while a call to the cloud is under way.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import stamina
import structlog
from django.db import InterfaceError, OperationalError
from pydantic import ValidationError

from dashboard.edits import merge, messages
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
from .late_writes import LateWrite, cloud_values
from .outcome import Result
from .queue import Delivery

log = structlog.get_logger(__name__)

ENOUGH_SECONDS = 5.0
"""After this long a drain claims no more; the sweep enqueues the rest."""

RECORD_SECONDS = 10.0
"""How long a worker tries to record a result; a task's time limit is 25."""

MOST_ACCEPTED_NOT_APPLIED = 4
"""Deliveries after which a change that the cloud accepts but does not make fails."""

State = Edit.State

SAYS_ALREADY_THERE = {
    Edit.Kind.START: frozenset({"ModelArts.6305", "ModelArts.6306"}),
    Edit.Kind.STOP: frozenset({"ModelArts.6307", "ModelArts.6308"}),
}


class _OvertakenError(Exception):
    """Another worker has the queue, or the permission to send is gone."""


def drain(instance_pk: int) -> None:
    """Deliver what is waiting for one instance (``Instance.pk``), oldest first."""
    begun = time.monotonic()
    while time.monotonic() - begun < ENOUGH_SECONDS:
        delivery = queue.claim(instance_pk)
        if delivery is None:
            return
        try:
            result = _deliver(delivery)
        except _OvertakenError:
            # The next claim finds out why: a demoted actor, a passed deadline.
            result = Result()
            message = messages.CHECKED_AGAIN()
            result.set_state(delivery.edits, State.RETRYING, message=message)
        if not _record(delivery, result):
            return


def _deliver(delivery: Delivery) -> Result:
    """Read the instance and send what its edits still need."""
    try:
        client = upstream.client_for(delivery.instance.cloud.name)
        observation = client.show_instance(delivery.instance.instance_id)
        late = delivery.watch.find(
            cloud_values(observation.instance),
            partial(merge.recent_edits, delivery.instance),
        )
        if not delivery.edits:
            result = _repair(delivery, client, observation, late)
        elif delivery.edits[0].kind == Edit.Kind.UPDATE:
            result = _update(delivery, client, observation, late)
        else:
            result = _start_or_stop(delivery, client, observation)
    except ModelArtsError as error:
        return _from_error(delivery, error)
    result.late = late
    return result


def _update(
    delivery: Delivery,
    client: ModelArtsClient,
    observation: Observation,
    late: list[LateWrite],
) -> Result:
    result = Result(observation=observation)
    merged = merge.merge(
        delivery.edits,
        result.current,
        merge.earlier_edits(delivery.edits),
        {write.field: write.value for write in late},
    )
    for edit in merged.conflicts:
        values = {name: result.current[name] for name in edit.patch}
        result.set_state([edit], State.CONFLICT, result=values, message=Message())
    edits = [edit for edit in delivery.edits if edit not in merged.conflicts]
    if merged.send:
        try:
            result.observation = _put_and_keep_prompt(
                delivery, client, merged.send, result.current
            )
        except ValidationError:
            message = messages.NO_VALID_LENGTH()
            result.set_state(edits, State.FAILED, message=message)
            return result
        if not merge.is_applied(merged.send, result.current):
            return _accepted_not_applied(result, edits, result.current)
    for edit in edits:
        replaced = merged.replaced.get(edit, {})
        result.set_state(
            [edit],
            State.APPLIED,
            result={name: result.current[name] for name in edit.patch},
            replaced={name: outcome.replaced_by(by) for name, by in replaced.items()},
            applied_while_running=result.status == InstanceStatus.RUNNING,
            message=Message(),
        )
    return result


def _put_and_keep_prompt(
    delivery: Delivery,
    client: ModelArtsClient,
    send: dict[str, Any],
    current: dict[str, Any],
) -> Observation:
    observation = _put(delivery, client, send, current)
    after = cloud_values(observation.instance)
    prompt = current["auto_stop_prompt"]
    reset = "auto_stop_prompt" not in send and prompt is not None
    if reset and after["auto_stop_prompt"] not in {prompt, None}:
        # The documents leave open whether an absent prompt falls back to its default.
        # It is the person's own console preference: restore it.
        log.info("prompt was reset", instance=delivery.instance.instance_id)
        return _put(delivery, client, {"auto_stop_prompt": prompt}, after)
    return observation


def _put(
    delivery: Delivery,
    client: ModelArtsClient,
    send: dict[str, Any],
    current: dict[str, Any],
) -> Observation:
    """Change some settings and return what the cloud shows then.

    Raises:
        ValidationError: The cloud would refuse the values.
    """
    request = merge.request_for(send, current)
    call = partial(client.update_instance, delivery.instance.instance_id, request)
    return _write(delivery, client, request.body(), call, current)


def _write(
    delivery: Delivery,
    client: ModelArtsClient,
    body: dict[str, Any],
    call: Callable[[], object],
    current: dict[str, Any],
) -> Observation:
    """Store a request, send it, and read the instance again.

    The response is not used: it may show what was requested and not what is stored.
    """
    delivery.watch.before = current
    if not queue.about_to_send(delivery, body):
        raise _OvertakenError
    call()
    delivery.awaiting_read_back = True
    observation = client.show_instance(delivery.instance.instance_id)
    delivery.awaiting_read_back = False
    return observation


def _record(delivery: Delivery, result: Result) -> bool:
    """Record the result, and retry while the database refuses.

    Raises:
        OperationalError: It never accepted. The queue is free when its lease ends.
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


def _start_or_stop(
    delivery: Delivery, client: ModelArtsClient, observation: Observation
) -> Result:
    result = Result(observation=observation)
    kind = Edit.Kind(delivery.edits[-1].kind)
    if result.current[late_writes.POWER] != kind:
        result.observation = _switch(delivery, client, kind, result.current)
    status = {"status": result.status}
    if result.current[late_writes.POWER] != kind:
        return _accepted_not_applied(result, delivery.edits, status)
    result.set_state(delivery.edits, State.APPLIED, result=status, message=Message())
    return result


def _switch(
    delivery: Delivery,
    client: ModelArtsClient,
    kind: EditKind,
    current: dict[str, Any],
) -> Observation:
    """Start or stop the instance and return what the cloud shows then."""
    act = client.start_instance if kind == Edit.Kind.START else client.stop_instance

    def call() -> None:
        try:
            act(delivery.instance.instance_id)
        except StateRefusedError as error:
            if error.error_code not in SAYS_ALREADY_THERE[kind]:
                raise

    return _write(delivery, client, {"action": str(kind)}, call, current)


def _accepted_not_applied(
    result: Result, edits: list[Edit], current: dict[str, Any]
) -> Result:
    """Retry, or fail, after the cloud accepted a change but shows the old value.

    It may still take effect, so it is watched like any other late write.
    """
    result.accepted_not_applied = result.ambiguous = True
    for edit in edits:
        given_up = outcome.times_not_applied(edit) + 1 >= MOST_ACCEPTED_NOT_APPLIED
        result.set_state(
            [edit],
            State.FAILED if given_up else State.RETRYING,
            result={name: current.get(name) for name in (edit.patch or current)},
            message=messages.OLD_VALUE_AGAIN(number=MOST_ACCEPTED_NOT_APPLIED)
            if given_up
            else messages.OLD_VALUE(),
        )
    return result


def _from_error(delivery: Delivery, error: ModelArtsError) -> Result:
    """Fail the edits, or retry them when another try can succeed."""
    gone = isinstance(error, InstanceNotFoundError)
    # A refused reading says nothing about the write before it.
    unread = delivery.awaiting_read_back and not gone
    # Bad credentials put the whole cloud on hold; they are no fault of this edit.
    is_ours = isinstance(error, AuthenticationError | ConfigurationError)
    sent = delivery.attempt.sent_at is not None
    result = Result(error=error, ambiguous=unread or (error.ambiguous and sent))
    result.set_state(
        delivery.edits,
        State.RETRYING if error.retryable or unread or is_ours else State.FAILED,
        message=messages.INSTANCE_GONE() if gone else message_of(error),
        error_code=(error.error_code or "")[:64],
        error_message=error.upstream_message or "",
    )
    return result


def _repair(
    delivery: Delivery,
    client: ModelArtsClient,
    observation: Observation,
    late: list[LateWrite],
) -> Result:
    """Undo the late writes that must not stay; see ``late_writes``."""
    result = Result(observation=observation)
    delivery.restoring = late_writes.decide(late, may_repair=delivery.may_repair)
    if not delivery.restoring:
        return result
    log.warning("late write put right", instance=delivery.instance.instance_id)
    values = {write.field: write.desired for write in delivery.restoring}
    if late_writes.POWER in values:
        result.found = observation
        stop = Edit.Kind.STOP
        result.observation = _switch(delivery, client, stop, result.current)
        return result
    try:
        result.observation = _put(delivery, client, values, result.current)
    except ValidationError:
        # The cloud would refuse the values that it had before.
        for write in delivery.restoring:
            write.accepted = write.given_up = True
    return result
