"""Many instances of a cloud are read by listing, before and after."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import dispatch
from dashboard.edits.delivery import (
    authorization,
    due_queues,
    group,
    pages,
    record,
    send,
    writer,
)
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.emulator import Behavior, Emulator, Fault
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import refresh_cloud
from dashboard.modelarts.demanager import DemanagerApi

from .conftest import NOTEBOOKS
from .deliveries import due_now, submit
from .groups import WORDS, asked, due_together, make_due, states

State = Edit.State
pytestmark = pytest.mark.usefixtures("enqueue")


def test_a_page_before_and_a_page_after_read_them_all(
    cloud: Emulator, operator: User
) -> None:
    edits, served = due_together(cloud, operator, 10)
    assert due_queues.generations_to_group() == [served]
    assert asked(cloud, served) == {"list": 2, "update": 10}
    assert states(edits) == [State.APPLIED] * 10
    for edit in Edit.objects.select_related("instance"):
        assert edit.result == {"description": WORDS}
        assert edit.instance.description == WORDS
        attempt = edit.attempts.get()
        assert attempt.outcome == "applied"
        assert attempt.sent_at is not None
    assert not EditQueue.objects.exclude(lease_until=None).exists()


def test_a_cloud_may_answer_with_shorter_pages(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No document says how many records a page may have at most."""
    edits, served = due_together(cloud, operator, 12)
    genuine, most = DemanagerApi.list_by_age, pages.PAGE_MARGIN + 8

    def short(self: DemanagerApi, offset: int, wanted: Any) -> Any:
        page = genuine(self, offset, wanted)
        first = page.instances[:most]
        return replace(page, instances=first, unreadable=[], records=most)

    monkeypatch.setattr(DemanagerApi, "list_by_age", short)
    found = asked(cloud, served)
    assert found["show"] <= 2 * pages.MIN_ON_PAGE
    assert found["list"] >= 4
    assert states(edits) == [State.APPLIED] * 12


@NOTEBOOKS
def test_notebooks_too(cloud: Emulator, operator: User) -> None:
    Instance.objects.filter(generation="notebooks").update(status="STOPPED")
    for one in cloud.notebooks.notebooks():
        cloud.notebooks.force(one.id, status="STOPPED")
    edits, served = due_together(cloud, operator, 6, "notebooks")
    assert asked(cloud, served) == {"notebooks.list_all": 2, "notebooks.update": 6}
    assert states(edits) == [State.APPLIED] * 6


def test_few_are_delivered_one_by_one(cloud: Emulator, operator: User) -> None:
    edits, served = due_together(cloud, operator, due_queues.MIN_GROUP - 1)
    assert due_queues.generations_to_group() == []
    assert asked(cloud, served) == {}
    assert set(due_queues.take_due_queues()) == {edit.instance_id for edit in edits}


def test_what_is_more_than_new_settings_is_left_to_others(
    cloud: Emulator, operator: User
) -> None:
    edits, served = due_together(cloud, operator, 10)
    retried, dead, watched = (edit.instance_id for edit in edits[:3])
    now = timezone.now() - timedelta(seconds=1)
    Edit.objects.filter(instance=retried).update(state=State.RETRYING)
    EditQueue.objects.filter(pk=dead).update(lease_until=now)
    EditQueue.objects.filter(pk=watched).update(recheck_at=now, late_write_until=now)
    assert asked(cloud, served)["update"] == 7
    make_due()
    assert set(due_queues.take_due_queues([served])) == {retried, dead, watched}


def test_the_next_group_begins_while_the_end_of_one_is_sent(
    cloud: Emulator, operator: User, enqueue: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.CURFEW, "upstream_rate", 4.0)
    monkeypatch.setattr(group, "_size", lambda: 12)
    edits, served = due_together(cloud, operator, 24)
    genuine, waited, taken = group._Group._authorize_and_send, [], []

    def sent(self: Any, planned: Any) -> None:
        genuine(self, planned)
        unsent = 12 - Attempt.objects.exclude(sent_at=None).count()
        is_under_way = served in due_queues.generations_under_way()
        if not taken:
            assert is_under_way == (unsent >= due_queues.MIN_GROUP)
            waited.append(is_under_way)
            taken.extend(due_queues.take_group(served, 12))

    monkeypatch.setattr(group._Group, "_authorize_and_send", sent)
    enqueue.reset_mock()
    group.drain(served)
    assert waited[0]
    assert len(taken) == 12
    assert enqueue.call_args_list[0].args == (dispatch.DRAIN_GROUP, *served)
    assert Counter(states(edits)) == {State.APPLIED: 12, State.QUEUED: 12}


def test_one_group_of_a_cloud_at_a_time(cloud: Emulator, operator: User) -> None:
    """The other workers are there for people who wait."""
    edits, served = due_together(cloud, operator, 20)
    members = due_queues.take_group(served, 10)
    assert len(members) == 10
    assert served in due_queues.generations_under_way()
    assert due_queues.take_group(served, 10) == []
    assert due_queues.take_due_queues([served]) == []
    due_queues.give_back(members)
    assert served not in due_queues.generations_under_way()
    assert due_queues.take_group(served, 10) == members
    due_queues.give_back(members)

    # Another worker takes its group in between.
    genuine, others = due_queues._for_groups, []

    def slowly() -> Any:
        if not others:
            others.append("being taken")
            others.extend(due_queues.take_group(served, 10))
        return genuine()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(due_queues, "_for_groups", slowly)
        assert due_queues.take_group(served, 10) == []
    assert others[1:] == members
    # A single edit has its own message, and needs no sweep.
    alone = edits[-1]
    send.drain(alone.instance_id)
    assert states([alone]) == [State.APPLIED]


def test_each_has_its_own_outcome(cloud: Emulator, operator: User) -> None:
    edits, served = due_together(cloud, operator, 10)
    faults = [
        {"kind": "status", "status": 403, "code": "ModelArts.0104"},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 504, "applied": True},
        {"kind": "not_changed", "echo": True},
        {"kind": "drop"},
    ]
    for edit, fault in zip(edits, faults, strict=False):
        cloud.faults.add(
            Fault(method="PUT", instance_id=edit.instance.instance_id, **fault)
        )
    group.drain(served)
    found = states(edits)
    assert found[0] == State.FAILED
    assert found[1:5] == [State.RETRYING] * 4
    assert found[5:] == [State.APPLIED] * 5
    ambiguous = Attempt.objects.filter(ambiguous=True).values_list("edits", flat=True)
    assert set(ambiguous) >= {edits[2].pk, edits[3].pk, edits[4].pk}
    # They answer to others: the cloud is well.
    assert Cloud.objects.get().failures == 0
    cloud.faults.clear()
    for edit in edits[1:5]:
        due_now(edit)
        send.drain(edit.instance_id)
    assert states(edits)[1:] == [State.APPLIED] * 9


def test_a_throttled_request_ends_the_group(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.CURFEW, "upstream_rate", 1.0)
    monkeypatch.setattr(group, "_size", lambda: 8)
    edits, served = due_together(cloud, operator, 8)
    # The answer comes once the second of requests after it has been claimed.
    throttled = Fault(
        "status", method="PUT", status=429, retry_after="30", latency_seconds=0.5
    )
    cloud.faults.add(throttled)
    assert asked(cloud, served)["update"] == 1
    assert Counter(states(edits)) == {State.QUEUED: 6, State.RETRYING: 2}
    assert Attempt.objects.exclude(sent_at=None).count() == 1


def test_without_a_listing_they_are_delivered_one_by_one(
    cloud: Emulator, operator: User, enqueue: Mock
) -> None:
    edits, served = due_together(cloud, operator, 8)
    enqueue.reset_mock()
    cloud.faults.add(Fault("status", route="list", status=503))
    assert asked(cloud, served) == {"list": 1}
    assert states(edits) == [State.QUEUED] * 8
    told = {call.args for call in enqueue.call_args_list}
    assert told == {(dispatch.DRAIN, edit.instance_id) for edit in edits}
    assert Cloud.objects.get().failures == 0


def test_a_lost_permission_counts_up_to_the_second(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.CURFEW, "upstream_rate", 3.0)
    edits, served = due_together(cloud, operator, 9)
    genuine = authorization.authorize_requests

    def demoted_meanwhile(*arguments: Any) -> Any:
        if cloud.log.entries(route="update"):
            User.objects.filter(pk=operator.pk).update(role=User.Role.VIEWER)
        return genuine(*arguments)

    monkeypatch.setattr(authorization, "authorize_requests", demoted_meanwhile)
    assert asked(cloud, served)["update"] == 3
    assert Counter(states(edits)) == {
        State.APPLIED: 3,
        State.RETRYING: 3,
        State.CANCELLED: 3,
    }


def test_a_group_is_recorded_by_its_own_worker_alone(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits, served = due_together(cloud, operator, 8)
    taken = edits[0]

    def late(results: Any) -> Any:
        monkeypatch.setattr(record, "record_results", genuine)
        EditQueue.objects.filter(pk=taken.instance_id).update(fencing_token=7)
        return genuine(results)

    genuine = record.record_results
    monkeypatch.setattr(record, "record_results", late)
    group.drain(served)
    assert states(edits) == [State.SENDING] + [State.APPLIED] * 7


@pytest.mark.parametrize(
    "empty_cloud", [{"behavior": Behavior(prompt_absent="default")}], indirect=True
)
def test_a_reminder_that_was_reset_is_restored(cloud: Emulator, operator: User) -> None:
    silent = list(Instance.objects.filter(generation="demanager")[:6])
    for one in silent:
        there = {"prompt": False, "enable": True, "duration_seconds": 7200}
        cloud.fleet.force(one.instance_id, status="STOPPED", auto_stop=there)
    refresh_cloud("demo")
    edits = [
        submit(Instance.objects.get(pk=one.pk), operator, auto_stop_duration=4 * 3600)
        for one in silent
    ]
    make_due()
    served = due_queues.ServedGeneration(silent[0].cloud_id, "demanager")
    assert asked(cloud, served)["update"] == 12
    assert states(edits) == [State.APPLIED] * 6
    for one in silent:
        stored = cloud.fleet.get(one.instance_id).auto_stop
        assert (stored.prompt, stored.duration_seconds) == (False, 4 * 3600)


def test_senders_are_no_more_than_the_rate_needs(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person does meanwhile waits for as many turns, and no more."""
    edits, served = due_together(cloud, operator, 8)
    threads = set()
    genuine = writer.Writer.requests

    def noted(self: writer.Writer, *arguments: Any) -> Any:
        def send_from(request: Any) -> Any:
            def send() -> Any:
                threads.add(threading.get_ident())
                return request.send()

            return request._replace(send=send)

        return [send_from(one) for one in genuine(self, *arguments)]

    monkeypatch.setattr(writer.Writer, "requests", noted)
    group.drain(served)
    assert states(edits) == [State.APPLIED] * 8
    assert 1 <= len(threads) <= 2
