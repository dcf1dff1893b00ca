"""Undo late writes; the rules are in ``late_writes``."""

import structlog
from pydantic import ValidationError

from dashboard.edits import leases
from dashboard.edits.models import Edit

from . import late_writes
from .queue import Delivery
from .record import Report
from .writer import TooLongError, TooShortError, Writer

log = structlog.get_logger(__name__)


def undo_late_writes(delivery: Delivery, writer: Writer, report: Report) -> None:
    """Write the desired values again where a late write must not stay."""
    late = late_writes.decide(report.late, may_undo=delivery.may_undo)
    if not late:
        return
    delivery.undoing = late
    log.warning("undoing late write", instance=delivery.instance.instance_id)
    values = {write.field: write.desired for write in late}
    if late_writes.POWER in values:
        report.before_undo = report.observation
        report.observation = writer.switch(Edit.Kind.STOP, report.current, {})
        return
    try:
        if leases.LEASE in values:
            report.observation = writer.renew(values[leases.LEASE], report.current)
        else:
            report.observation = writer.put(values, report.current)
    except (ValidationError, TooShortError, TooLongError):
        # The cloud would refuse the values that it had before, or overshoot their end.
        for write in late:
            write.accepted = write.given_up = True
