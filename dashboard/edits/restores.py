"""A database that was restored from a backup: what was open in it waits for a person.

An edit that is open in the backup may have been delivered since, and others after it.
Nothing in the restored rows tells, and a value that somebody has put back looks
untouched. So such edits fail, with a sentence, and nothing is sent for them.

Redis remembers the highest version of the fleet that was ever committed. A database
that is behind it was restored. Where Redis is lost as well, ``manage.py restored`` says
the same.
"""

import structlog
from django.db import transaction

from dashboard.audit.services import record_event
from dashboard.instances.models import FleetVersion
from dashboard.livepoll import state

from . import messages, states
from .models import Edit, EditQueue

log = structlog.get_logger(__name__)


def heed_restore() -> None:
    """Fail what is open if the database was restored; call it before delivering."""
    # Redis first: what is committed in between only raises the database's.
    highest = state.highest_version()
    if highest is None:
        return
    # A new database has no version yet, and no edits.
    if 0 < FleetVersion.current() < highest:
        failed = fail_open_edits()
        log.error("database was restored", failed_edits=failed)


@transaction.atomic
def fail_open_edits() -> int:
    """Fail every open edit, and look for no late write of those before.

    Returns:
        How many there were.
    """
    open_edits = Edit.objects.filter(state__in=Edit.OPEN)
    concerned = open_edits.values("instance_id")
    list(EditQueue.objects.select_for_update().filter(pk__in=concerned).order_by("pk"))
    edits = list(
        open_edits.select_related("instance__cloud").order_by("instance_id", "seq")
    )
    states.move(edits, Edit.State.FAILED, message=messages.RESTORED())
    # A newer value in the cloud may be one that a restored row calls an older one.
    EditQueue.objects.update(
        recheck_at=None, late_write_until=None, next_at=None, desired={}
    )
    checked = Edit.objects.filter(outcome=Edit.Outcome.UNCONFIRMED)
    checked.update(outcome=Edit.Outcome.NOT_SEEN)
    record_event(
        actor=None,
        action="database.restored",
        target_kind="database",
        target_id="",
        target_label="",
        after={"failed_edits": len(edits)},
    )
    # Higher than any that was given before, so that this is noticed once.
    FleetVersion.stamp()
    return len(edits)
