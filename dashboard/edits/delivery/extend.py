"""Deliver an extension: give the current run the end that a person asked for.

See ``docs/decisions/0021-extend.md``.
"""

from dashboard.edits import leases, messages
from dashboard.edits.models import Edit
from dashboard.instances.capabilities import capabilities_of
from dashboard.instances.idle_time import known_idle_seconds
from dashboard.instances.messages import NO_LEASE, NOT_RUNNING
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.stored_messages import Message

from . import record
from .queue import Delivery
from .record import Report
from .writer import TooLongError, TooShortError, Values, Writer

State = Edit.State


def extend(delivery: Delivery, writer: Writer, report: Report) -> None:
    """Deliver the extension of a delivery; there is exactly one."""
    [edit] = delivery.edits
    requested = leases.requested_lease(edit.patch)
    values = _known_values(writer, report)
    current = leases.lease_of(values)
    if not _is_readable(report, current):
        _end(report, edit, State.RETRYING, values, messages.NO_END_REPORTED())
    elif why_not := _why_not(edit, report):
        _end(report, edit, State.FAILED, values, why_not)
    elif leases.is_met(requested, current):
        _end(report, edit, State.APPLIED, values)
    elif _is_foreign(delivery, current, report):
        _end(report, edit, State.CONFLICT, values)
    else:
        _renew(delivery, writer, report, requested)


def _renew(
    delivery: Delivery, writer: Writer, report: Report, requested: leases.Lease
) -> None:
    [edit] = delivery.edits
    values = _known_values(writer, report)
    try:
        report.observation = writer.renew(requested, report.current)
    except TooShortError:
        _end(report, edit, State.FAILED, values, messages.WOULD_OVERSHOOT())
    except TooLongError:
        hours = delivery.instance.cloud.max_run_hours
        _end(report, edit, State.FAILED, values, messages.CLOUD_MAXIMUM(hours=hours))
    else:
        values = _known_values(writer, report)
        # The most that the idle time may be is what was asked for, just now.
        if leases.is_met(requested, leases.lease_of(report.current)):
            _end(report, edit, State.APPLIED, values)
        else:
            record.accepted_not_applied(report, [edit], values)


def _is_readable(report: Report, current: leases.Lease | None) -> bool:
    """Whether the answer says how the run ends, if the instance runs."""
    if report.status not in set(InstanceStatus):
        return False
    is_running = report.status == InstanceStatus.RUNNING
    is_off = report.current.get("auto_stop_enable") is False
    return not is_running or is_off or current is not None


def _why_not(edit: Edit, report: Report) -> Message:
    """Return why this run cannot be extended at all; empty if it can."""
    capabilities = capabilities_of(edit.instance.generation)
    if capabilities.why_not_extendable:
        return capabilities.why_not_extendable()
    if report.status != InstanceStatus.RUNNING:
        return NOT_RUNNING()
    is_off = report.current["auto_stop_enable"] is False
    return NO_LEASE() if is_off and leases.lease_of(edit.base) is None else Message()


def _is_foreign(
    delivery: Delivery, current: leases.Lease | None, report: Report
) -> bool:
    """Whether another person has changed the lease since the actor looked.

    An end that one of our own extensions requested, or that was there before it, is
    ours: that extension may have been applied late or not at all. An end that one of
    them found to be late enough is not.
    """
    [edit] = delivery.edits
    base = leases.lease_of(edit.base)
    if base is None or leases.is_same(base, current):
        return False
    earlier = delivery.earlier_edits
    requested = [leases.requested_lease(one.patch) for one in earlier]
    requested += [late.value for late in report.late if late.field == leases.LEASE]
    known = [leases.lease_of(one.base) for one in earlier]
    return not (
        any(leases.is_effect(lease, current) for lease in requested)
        or any(lease and leases.is_same(lease, current) for lease in known)
    )


def _end(
    report: Report,
    edit: Edit,
    state: str,
    values: Values,
    message: Message | None = None,
) -> None:
    report.set_state([edit], state, result=values, message=message or Message())


def _known_values(writer: Writer, report: Report) -> Values:
    """Return what is known of the lease that the cloud showed last."""
    if report.observation is None:
        return dict.fromkeys(leases.FIELDS)
    values = {name: report.current.get(name) for name in leases.FIELDS}
    state = report.observation.instance.state()
    return values | {"idle_seconds": known_idle_seconds(state, writer.cloud_ms)}
