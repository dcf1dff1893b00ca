"""Why an older change may stand after a newer one in the cloud's log.

Each case is one of those in ``docs/decisions/0013-late-writes.md``; in all of them the
cloud holds the right value in the end.
"""

import json

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import services
from dashboard.edits.delivery import authorization, queue
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances import upstream
from dashboard.instances.models import Instance
from dashboard.modelarts.requests import UpdateInstanceRequest

from .deliveries import a_second_ago, deliver, in_cloud, recheck, submit

State = Edit.State


def described(cloud: Emulator, instance: Instance) -> list[str]:
    """The descriptions that were sent, in the order of the cloud's log."""
    return [
        json.loads(entry.body)["description"]
        for entry in cloud.log.entries(route="update", instance_id=instance.instance_id)
        if entry.late_for is None and entry.body and "description" in entry.body
    ]


def test_an_undo_sends_the_older_change_again_after_the_newer_one_was_cancelled(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    assert deliver(submit(running, operator, description="older")).state == "applied"
    running.refresh_from_db()
    cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
    newer = deliver(submit(running, operator, description="newer"))
    services.cancel_edit(edit=newer, actor=operator)
    EditQueue.objects.update(next_at=None)
    cloud.land_late_writes()
    recheck(running)
    assert described(cloud, running)[-1] == "older"
    assert in_cloud(cloud, running) == "older"
    assert AuditEvent.objects.filter(action="edit.repaired").count() == 1


def test_the_older_change_goes_out_alone_once_the_newer_one_is_cancelled(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    """Both travelled in one request before, of which the newer value counted."""
    cloud.faults.add(Fault("status", method="PUT", status=504, times=1))
    older = submit(running, operator, description="older", auto_stop_duration=7_200)
    newer = services.submit_edit(
        instance=running,
        actor=admin,
        patch={"description": "newer"},
        base={"description": "older"},
    )
    assert deliver(older).state == State.RETRYING
    newer.refresh_from_db()
    services.cancel_edit(edit=newer, actor=admin)
    EditQueue.objects.update(next_at=None)
    assert deliver(older).state == State.APPLIED
    assert described(cloud, running) == ["newer", "older"]
    assert in_cloud(cloud, running) == "older"


def test_a_worker_that_was_taken_for_dead_is_put_right(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    """It had announced its request; a restart of the database took its sign of life."""
    older = submit(running, operator, description="older")
    overtaken = queue.claim(running.pk)
    assert overtaken is not None
    before = {"description": running.description}
    assert authorization.authorize_request(overtaken, {"description": "older"}, before)
    EditQueue.objects.update(lease_until=a_second_ago())
    newer = services.submit_edit(
        instance=running,
        actor=operator,
        patch={"description": "newer"},
        base={"description": "older"},
    )
    assert deliver(newer).state == State.APPLIED
    client = upstream.client_for("demo").demanager
    late = UpdateInstanceRequest(description="older")
    client.update_instance(running.instance_id, late)
    assert described(cloud, running) == ["newer", "older"]
    recheck(running)
    assert in_cloud(cloud, running) == "newer"
    older.refresh_from_db()
    assert older.state == State.SUPERSEDED


def test_a_newer_change_that_failed_is_not_undone_by_an_older_applied_one(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    """The newest change of a person counts, though it arrives when it was given up."""
    assert deliver(submit(running, operator, description="older")).state == "applied"
    running.refresh_from_db()
    cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
    newer = deliver(submit(running, operator, description="newer"))
    Edit.objects.filter(pk=newer.pk).update(deadline_at=a_second_ago())
    EditQueue.objects.update(next_at=None)
    assert deliver(newer).state == State.FAILED
    cloud.land_late_writes()
    recheck(running)
    assert described(cloud, running) == ["older", "newer"]
    assert in_cloud(cloud, running) == "newer"
