"""Fail the open edits of a database that was restored from a backup.

An edit that is open in the backup may have been delivered since, and others after it.
The restored rows do not show that, so nothing is sent for them: the actor decides.

Redis has the highest fleet version that was ever committed. A database with a lower
one was restored. If Redis is lost as well, an operator runs ``manage.py restored``.
"""

import structlog
from django.db import transaction

from dashboard.audit.services import record_event
from dashboard.instances.models import FleetVersion, Instance
from dashboard.livepoll import state

from . import messages, states
from .models import Edit, EditQueue

log = structlog.get_logger(__name__)


def fail_edits_after_restore() -> None:
    """Fail the open edits if the database was restored; call it before delivery."""
    # Redis first: a commit in between only raises the version of the database.
    highest = state.highest_version()
    if highest is None:
        return
    # A new database has no version yet, and no edits.
    if 0 < FleetVersion.current() < highest:
        failed = fail_open_edits()
        log.error("database was restored", failed_edits=failed)


@transaction.atomic
def fail_open_edits() -> int:
    """Fail every open edit, end every late-write watch, and return how many failed."""
    open_edits = Edit.objects.filter(state__in=Edit.OPEN)
    states.lock_queues(open_edits.values_list("instance_id", flat=True))
    edits = list(
        open_edits.select_related("instance__cloud").order_by("instance_id", "seq")
    )
    states.move(edits, Edit.State.FAILED, message=messages.DATABASE_RESTORED())
    # A value that the restored rows call a late write may be a newer one.
    EditQueue.objects.update(
        recheck_at=None, late_write_until=None, next_at=None, desired={}
    )
    checked = Edit.objects.filter(outcome=Edit.Outcome.UNCONFIRMED)
    checked.update(outcome=Edit.Outcome.NOT_SEEN)
    record_event(None, "database.restored", after={"failed_edits": len(edits)})
    # The new version is higher than the one in Redis, so this happens once.
    # Of all instances, whose versions are older than what pages show.
    FleetVersion.stamp(Instance.objects.all())
    return len(edits)
