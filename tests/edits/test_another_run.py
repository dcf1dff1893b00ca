"""A stop is meant for the run that its author saw, and reaches no later one."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import batches, services
from dashboard.edits.delivery import send
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.plans import BulkChange
from dashboard.emulator import Emulator, Fault
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance

from .deliveries import deliver, due_now, sentence_of

State = Edit.State
STOP = BulkChange(EditKind.STOP, {})


def preview(fleet: list[Instance], actor: User, change: BulkChange = STOP) -> EditBatch:
    pks = [instance.pk for instance in fleet]
    batch = batches.draft_batch(actor=actor, selection=pks, source=verbatim("test"))
    return batches.preview_batch(batch=batch, change=change)


def confirm(batch: EditBatch) -> EditBatch:
    return batches.confirm_batch(batch=batch, preview=batches.preview_of(batch))


def stops_sent(cloud: Emulator, instance: Instance) -> int:
    entries = cloud.log.entries()
    actions = [entry for entry in entries if entry.route == "action"]
    return sum(entry.instance_id == instance.instance_id for entry in actions)


def begin_another_run(cloud: Emulator, instance: Instance) -> None:
    """Stop and start an instance in the cloud; the mirror does not know yet."""
    cloud.fleet.force(instance.instance_id, status="STOPPED")
    cloud.fleet.force(instance.instance_id, status="RUNNING", stops_in_seconds=28_800)


def test_an_announced_stop_that_was_throttled_does_not_reach_the_next_run(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    batch = confirm(preview([running], operator, STOP._replace(warns_owners=True)))
    Edit.objects.update(not_before=timezone.now() - timedelta(seconds=2))
    cloud.faults.add(Fault("status", route="action", status=429, times=1))
    stop = deliver(batch.edits.get())
    assert (stop.state, stop.attempt_count) == (State.RETRYING, 1)
    sent = stops_sent(cloud, running)
    Instance.objects.filter(pk=running.pk).update(
        run_started_at=timezone.now() + timedelta(seconds=10)
    )
    due_now(stop)
    assert deliver(stop).state == State.CANCELLED
    assert "A new run has started" in sentence_of(stop)
    assert stops_sent(cloud, running) == sent


def test_a_stop_compares_the_run_that_the_cloud_shows_just_before_it_is_sent(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    kind = Edit.Kind.STOP
    stop = services.submit_power(instance=running, actor=operator, kind=kind)
    begin_another_run(cloud, running)
    assert deliver(stop).state == State.RETRYING
    due_now(stop)
    assert deliver(stop).state == State.CANCELLED
    assert "A new run has started" in sentence_of(stop)
    assert stops_sent(cloud, running) == 0
    assert cloud.fleet.get(running.instance_id).status == "RUNNING"
    # Who looks again means the new run.
    running.refresh_from_db()
    stop = services.submit_power(instance=running, actor=operator, kind=kind)
    assert deliver(stop).state == State.APPLIED


@pytest.mark.parametrize("is_known", [True, False])
def test_a_bulk_stop_that_is_approved_later_skips_instances_that_run_anew(
    operator: User, as_operator: Client, is_known: bool
) -> None:
    fleet = [make_instance(name="same"), make_instance(name="again")]
    if not is_known:
        Instance.objects.update(run_started_at=None)
    batch = preview(fleet, operator)
    again = Instance.objects.filter(pk=fleet[1].pk)
    again.update(run_started_at=timezone.now() + timedelta(seconds=10))
    batch = confirm(batch)
    assert batch.edits.get().instance == fleet[0]
    skip = batch.skips.get()
    assert skip.instance == fleet[1]
    page = as_operator.get(f"{batch.get_absolute_url()}?state=skipped").text
    assert "this stop was meant for the previous one" in page


def test_a_start_between_preview_and_confirmation_is_seen_without_its_exact_time(
    operator: User,
) -> None:
    """The mirror may learn of a run after the preview that began before it."""
    instance = make_instance()
    began_at = timezone.now() - timedelta(hours=1)
    instances = Instance.objects.filter(pk=instance.pk)
    instances.update(run_started_at=began_at)
    batch = preview([instance], operator)
    instances.update(run_started_at=began_at + timedelta(minutes=59))
    with pytest.raises(batches.BatchError):
        confirm(batch)
    # A start that is only computed again a little differently is the same run.
    instances.update(run_started_at=began_at + timedelta(seconds=3))
    assert confirm(batch).edits.count() == 1


def test_a_stop_of_an_instance_that_did_not_run_is_bound_to_no_run(
    cloud: Emulator, stopped: Instance, operator: User
) -> None:
    stop = services.submit_power(instance=stopped, actor=operator, kind=Edit.Kind.STOP)
    begin_another_run(cloud, stopped)
    send.drain(stopped.pk)
    stop.refresh_from_db()
    assert stop.state == State.APPLIED
