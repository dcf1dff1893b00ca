"""Restarts: a stop, and a start that waits for it."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import services
from dashboard.edits.delivery import due_queues, queue, send
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Instance
from tests import factories

from .deliveries import deliver, sentence_of, submit

State = Edit.State


def restart(instance: Instance, actor: User, key: str = "") -> tuple[Edit, Edit]:
    """Submit a restart; return the stop and the start."""
    stop = services.submit_restart(instance=instance, actor=actor, key=key)
    return stop, Edit.objects.get(instance=instance, seq=stop.seq + 1)


def test_the_start_follows_the_stop_and_has_the_new_auto_stop(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    deliver(submit(running, operator, auto_stop_duration=7_200))
    running.refresh_from_db()
    stop, start = restart(running, operator, key="form")
    again = services.submit_restart(instance=running, actor=operator, key="form")
    assert again == stop
    assert Edit.objects.filter(kind="start").count() == 1
    assert deliver(stop).state == State.APPLIED
    start.refresh_from_db()
    assert start.state == State.QUEUED
    assert "Curfew starts it once it has stopped" in sentence_of(start)
    assert running.pk not in due_queues.take_due_queues()
    cloud.fleet.force(running.instance_id, status="STOPPED")
    Instance.objects.filter(pk=running.pk).update(status="STOPPED")
    assert deliver(start).state == State.APPLIED
    assert cloud.fleet.get(running.instance_id).status in {"STARTING", "RUNNING"}


def test_without_the_stop_there_is_no_start(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    stop, start = restart(running, operator)
    services.cancel_edit(edit=stop, actor=operator)
    start.refresh_from_db()
    assert start.state == State.CANCELLED
    assert "The instance was not stopped" in sentence_of(start)

    stop, start = restart(running, operator)
    cloud.faults.add(Fault("status", method="POST", status=400, times=1))
    assert deliver(stop).state == State.FAILED
    start.refresh_from_db()
    assert start.state == State.CANCELLED


def test_a_start_whose_stop_never_comes_ends_at_its_deadline(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    stop, start = restart(running, operator)
    assert deliver(stop).state == State.APPLIED
    # Someone has started it in the console before Curfew saw it stopped.
    Instance.objects.filter(pk=running.pk).update(status="RUNNING")
    EditQueue.objects.update(last_enqueued_at=None)
    assert running.pk not in due_queues.take_due_queues()
    Edit.objects.filter(pk=start.pk).update(deadline_at=timezone.now())
    assert running.pk in due_queues.take_due_queues()
    assert queue.claim(running.pk) is None
    start.refresh_from_db()
    assert start.state == State.FAILED


def test_a_later_stop_replaces_the_start_and_a_lost_right_ends_both(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    _stop, start = restart(running, operator)
    kind = Edit.Kind.STOP
    later = services.submit_power(instance=running, actor=operator, kind=kind)
    send.drain(running.pk)
    start.refresh_from_db()
    assert (start.state, start.superseded_by) == (State.SUPERSEDED, later)

    stop, start = restart(running, operator)
    User.objects.filter(pk=operator.pk).update(is_active=False)
    send.drain(running.pk)
    states = Edit.objects.filter(pk__in=[stop.pk, start.pk]).values_list("state")
    assert set(states) == {(State.CANCELLED,)}


def test_the_page_says_what_is_lost_and_who_may(
    as_operator: Client, running: Instance, viewer: User
) -> None:
    url = reverse("edits:restart", args=[running.cloud.name, running.instance_id])
    page = as_operator.get(url).text
    assert "Running kernels and terminals will stop" in page
    assert "It starts again once it has stopped." in page
    assert as_operator.post(url, {"key": "x"}).status_code == 303
    kinds = Edit.objects.order_by("seq").values_list("kind", flat=True)
    assert list(kinds) == ["stop", "start"]
    notebook = factories.make_notebook(cloud=running.cloud)
    of_notebook = url.replace(running.instance_id, notebook.instance_id)
    assert as_operator.post(of_notebook).status_code == 409
    with pytest.raises(services.ValidationError):
        services.submit_restart(instance=notebook, actor=viewer)
    as_operator.force_login(viewer)
    assert as_operator.post(url).status_code == 403
