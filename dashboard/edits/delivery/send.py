"""Send the edits of one instance: claim, read, merge, write, read back, record.

``docs/architecture.md`` draws the flow and gives its reasons.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import stamina
import structlog
from django.db import InterfaceError, OperationalError
from pydantic import ValidationError

from dashboard.edits import merge, messages
from dashboard.edits.models import NEXT_START_FIELDS, UNTIL_STOPPED, Edit
from dashboard.instances.messages import message_of
from dashboard.modelarts.errors import (
    AuthenticationError,
    ConfigurationError,
    InstanceNotFoundError,
    ModelArtsError,
    StateRefusedError,
)
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.stored_messages import Message

from . import extend, late_writes, queue, record, undo
from .queue import Delivery
from .record import Report
from .writer import NotAuthorizedError, Writer

log = structlog.get_logger(__name__)

MAX_DRAIN_SECONDS = 5.0
"""After this time a drain claims no more; the sweep enqueues the rest."""

RECORD_SECONDS = 10.0
"""How long a worker retries recording a result; must stay below a task's 25 s limit."""

State = Edit.State


def drain(instance_pk: int) -> None:
    """Deliver the edits of one instance (``Instance.pk``), oldest first."""
    begun = time.monotonic()
    while time.monotonic() - begun < MAX_DRAIN_SECONDS:
        delivery = queue.claim(instance_pk)
        if delivery is None or not _record(delivery, deliver(delivery)):
            return
        if not delivery.has_more:
            return


def deliver(delivery: Delivery) -> Report:
    """Read the instance, send what its edits still need, and read it again."""
    try:
        writer = Writer(delivery)
        report = Report(observation=writer.read())
        report.late = delivery.find_late_writes(report.current)
        if not delivery.edits:
            undo.undo_late_writes(delivery, writer, report)
        elif delivery.edits[0].kind == Edit.Kind.UPDATE:
            _update(delivery, writer, report)
        elif delivery.edits[0].kind == Edit.Kind.EXTEND:
            extend.extend(delivery, writer, report)
        else:
            _start_or_stop(delivery, writer, report)
    except NotAuthorizedError:
        report = not_authorized(delivery)
    except ModelArtsError as error:
        report = from_error(delivery, error)
    return report


def not_authorized(delivery: Delivery) -> Report:
    """Report that a request may not be sent.

    If another worker has the queue, ``record`` stores nothing. Otherwise the next claim
    ends the edit: the permission is gone, or the deadline has passed.
    """
    report = Report()
    message = messages.CHECKED_AGAIN()
    report.set_state(delivery.edits, State.RETRYING, message=message)
    return report


def _update(delivery: Delivery, writer: Writer, report: Report) -> None:
    change = Change.of(delivery, report)
    if change.send:
        try:
            report.observation = writer.put_and_keep_prompt(change.send, report.current)
        except ValidationError:
            change.refuse_values(report)
            return
        except StateRefusedError as error:
            if not change.wait_for_stop(delivery, report, error):
                raise
            return
    change.conclude(report)


class Change(NamedTuple):
    """What a delivery of changed settings sends, after the comparison with the cloud.

    Attributes:
        edits: Those without a conflict.
        send: Fields and values; empty if the cloud has all requested ones.
        newer_by_field: As in ``merge.MergeResult``.
    """

    edits: list[Edit]
    send: dict[str, Any]
    newer_by_field: dict[Edit, dict[str, Edit]]

    @classmethod
    def of(cls, delivery: Delivery, report: Report) -> "Change":
        """Compare the edits with what the cloud shows, and report the conflicts."""
        merged = merge.merge(
            delivery.edits,
            report.current,
            delivery.earlier_edits,
            {late.field: late.value for late in report.late},
        )
        for edit in merged.conflicts:
            values = {name: report.current[name] for name in edit.patch}
            report.set_state([edit], State.CONFLICT, result=values, message=Message())
        edits = [edit for edit in delivery.edits if edit not in merged.conflicts]
        return cls(edits, merged.send, merged.newer_by_field)

    def refuse_values(self, report: Report) -> None:
        """Report values that the cloud would refuse."""
        is_length = NEXT_START_FIELDS & self.send.keys()
        no_length, invalid = messages.NO_VALID_LENGTH(), messages.INVALID_VALUES()
        message = no_length if is_length else invalid
        report.set_state(self.edits, State.FAILED, message=message)

    def wait_for_stop(
        self, delivery: Delivery, report: Report, error: StateRefusedError
    ) -> bool:
        """Keep the edits open until the instance has stopped, if that is why.

        Curfew never stops it for that. An error leaves the values of the read before
        it.
        """
        if not _may_wait_for_stop(delivery, report):
            return False
        report.set_state(
            self.edits,
            State.RETRYING,
            waits_for_stop=True,
            message=messages.WAITS_FOR_STOP(reason=message_of(error)),
            error_code=(error.error_code or "")[:64],
            error_message=error.upstream_message or "",
        )
        return True

    def conclude(self, report: Report) -> None:
        """Compare what the cloud shows now with what was sent, and report it."""
        if not merge.is_applied(self.send, report.current):
            for edit in self.edits:
                result = {name: report.current.get(name) for name in edit.patch}
                record.accepted_not_applied(report, [edit], result)
            return
        for edit in self.edits:
            newer_by_field = self.newer_by_field.get(edit, {})
            report.set_state(
                [edit],
                State.APPLIED,
                result={name: report.current[name] for name in edit.patch},
                newer_by_field={
                    name: record.reference_to(newer)
                    for name, newer in newer_by_field.items()
                },
                applied_while_running=report.status == InstanceStatus.RUNNING,
                message=Message(),
            )


def _may_wait_for_stop(delivery: Delivery, report: Report) -> bool:
    capabilities = delivery.instance.capabilities
    return capabilities.may_refuse_while_running and report.status in UNTIL_STOPPED


def _start_or_stop(delivery: Delivery, writer: Writer, report: Report) -> None:
    edit = delivery.edits[-1]
    kind = Edit.Kind(edit.kind)
    if report.current[late_writes.POWER] != kind:
        if kind == Edit.Kind.STOP:
            record.mirror(delivery, report)
        report.observation = writer.switch(kind, report.current, edit.patch)
    status = {"status": report.status}
    if report.current[late_writes.POWER] != kind:
        record.accepted_not_applied(report, delivery.edits, status)
    else:
        report.set_state(
            delivery.edits, State.APPLIED, result=status, message=Message()
        )


def from_error(delivery: Delivery, error: ModelArtsError) -> Report:
    """Fail the edits, or retry them when another try can succeed."""
    is_gone = isinstance(error, InstanceNotFoundError)
    # A read that was refused says nothing about the write before it.
    is_unread = delivery.awaiting_read_back and not is_gone
    # Bad credentials put the whole cloud on hold.
    is_account_fault = isinstance(error, AuthenticationError | ConfigurationError)
    sent = delivery.attempt is not None
    report = Report(error=error, ambiguous=is_unread or (error.ambiguous and sent))
    report.set_state(
        delivery.edits,
        State.RETRYING
        if error.retryable or is_unread or is_account_fault
        else State.FAILED,
        message=messages.INSTANCE_GONE() if is_gone else message_of(error),
        error_code=(error.error_code or "")[:64],
        error_message=error.upstream_message or "",
    )
    return report


def _record(delivery: Delivery, report: Report) -> bool:
    def write() -> bool:
        return record.record(delivery, report)

    return insist(write, [report])


def insist[Recorded](
    write: Callable[[], Recorded], reports: Iterable[Report]
) -> Recorded:
    """Record reports, and retry while the database refuses.

    Raises:
        OperationalError: It never accepted. The queues are free when their leases end.
    """
    for attempt in stamina.retry_context(
        on=(OperationalError, InterfaceError),
        attempts=None,
        timeout=RECORD_SECONDS,
        wait_initial=0.2,
        wait_max=1.0,
    ):
        with attempt:
            if attempt.num > 1:
                for report in reports:
                    for edit in report.new_states:
                        edit.refresh_from_db(fields=["state"])
            recorded = write()
    return recorded
