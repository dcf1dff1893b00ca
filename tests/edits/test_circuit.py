"""A cloud that does not answer holds its edits, and no other cloud's."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import services
from dashboard.edits.delivery import circuit_breaker, due_queues, queue, send
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.instances.refresh import refresh_cloud
from dashboard.web.stored_messages import Message


@pytest.fixture
def waiting(cloud: Emulator, operator: User) -> Sequence[Edit]:
    """Eight edits of eight instances."""
    return [
        services.submit_edit(
            instance=instance,
            actor=operator,
            patch={"description": "New words"},
            base={"description": instance.description},
        )
        for instance in Instance.objects.filter(status="STOPPED")[:8]
    ]


@pytest.fixture
def open_circuit(cloud: Emulator, waiting: Sequence[Edit]) -> Cloud:
    cloud.faults.add(Fault("drop"))
    for edit in waiting[: circuit_breaker.OPENS_AT]:
        send.drain(edit.instance_id)
    return Cloud.objects.get()


def let_time_pass() -> None:
    past = timezone.now() - timedelta(seconds=1)
    Cloud.objects.update(held_until=past)
    EditQueue.objects.update(next_at=None, last_enqueued_at=None)


def test_it_opens_after_some_failures_and_says_why(open_circuit: Cloud) -> None:
    assert open_circuit.failures == circuit_breaker.OPENS_AT
    assert open_circuit.held_since is not None
    assert open_circuit.hold_reason


def test_while_it_is_open_nothing_is_sent_and_edits_wait(
    cloud: Emulator, open_circuit: Cloud, waiting: Sequence[Edit]
) -> None:
    before = len(cloud.log.entries())
    for edit in waiting:
        send.drain(edit.instance_id)
    assert len(cloud.log.entries()) == before
    assert due_queues.take_due_queues() == []
    assert not Edit.objects.exclude(state__in=Edit.OPEN).exists()


def test_one_probe_at_a_time_asks_whether_it_is_back(
    cloud: Emulator, open_circuit: Cloud, waiting: Sequence[Edit]
) -> None:
    let_time_pass()
    assert len(due_queues.take_due_queues()) == 1
    for edit in waiting:
        send.drain(edit.instance_id)
    assert Attempt.objects.count() == circuit_breaker.OPENS_AT + 1


def test_of_those_who_would_probe_at_once_one_may(
    open_circuit: Cloud, waiting: Sequence[Edit]
) -> None:
    let_time_pass()
    deliveries = [queue.claim(edit.instance_id) for edit in waiting]
    assert len([delivery for delivery in deliveries if delivery is not None]) == 1


def test_a_probe_that_is_answered_closes_it(
    cloud: Emulator, open_circuit: Cloud, waiting: Sequence[Edit]
) -> None:
    cloud.faults.clear()
    let_time_pass()
    for edit in waiting:
        send.drain(edit.instance_id)
    states = set(Edit.objects.values_list("state", flat=True))
    assert states == {Edit.State.APPLIED}
    assert Cloud.objects.get().failures == 0


def test_a_refresh_that_works_closes_it_too(
    cloud: Emulator, open_circuit: Cloud
) -> None:
    cloud.faults.clear()
    refresh_cloud("demo")
    row = Cloud.objects.get()
    assert (row.failures, row.held_until, row.hold_reason) == (0, None, Message())


def test_a_refusal_is_an_answer(cloud: Emulator, waiting: Sequence[Edit]) -> None:
    cloud.faults.add(Fault("status", method="PUT", status=400, code="ModelArts.6347"))
    for edit in waiting:
        send.drain(edit.instance_id)
    assert Cloud.objects.get().failures == 0


def test_the_list_says_that_edits_wait_and_why(
    open_circuit: Cloud, operator: User, client: Client
) -> None:
    client.force_login(operator)
    page = client.get("/instances/").content.decode()
    assert "Changes paused" in page
    assert "8 pending" in page


def test_open_pages_are_told_when_it_opens_and_closes(
    cloud: Emulator, waiting: Sequence[Edit], open_circuit: Cloud
) -> None:
    opened = FleetVersion.current()
    cloud.faults.clear()
    refresh_cloud("demo")
    assert FleetVersion.current() > opened
    assert Cloud.objects.get().held_since is None
