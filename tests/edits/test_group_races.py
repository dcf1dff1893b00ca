"""Groups, when the cloud or a queue changes between the listing and the requests."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.delivery import authorization, group, queue, send
from dashboard.edits.models import Attempt, Edit
from dashboard.emulator import Emulator, Fault
from dashboard.modelarts.demanager import DemanagerApi

from .deliveries import due_now, in_cloud, puts, submit
from .groups import (
    WORDS,
    asked,
    before_page,
    before_the_requests,
    due_together,
    states,
)

State = Edit.State
pytestmark = pytest.mark.usefixtures("enqueue")


def test_an_old_value_is_never_sent_over_a_newer_one(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits, served = due_together(cloud, operator, 8)
    changed = edits[3].instance
    cloud.fleet.force(changed.instance_id, description="from the console")
    group.drain(served)
    expected = [State.APPLIED] * 8
    expected[3] = State.CONFLICT
    assert states(edits) == expected
    assert puts(cloud, changed) == []


def test_a_change_within_the_window_is_replaced_and_its_delivery_began_before_it(
    cloud: Emulator, operator: User
) -> None:
    """Nobody can tell: the cloud has no conditional request. See decision 34."""
    edits, served = due_together(cloud, operator, 8)
    theirs, moments = edits[3].instance, []

    def change() -> None:
        cloud.fleet.force(theirs.instance_id, description="from the console")
        moments.append(timezone.now())

    with pytest.MonkeyPatch.context() as patch:
        before_the_requests(patch, change)
        assert asked(cloud, served) == {"list": 2, "update": 8}
    assert states(edits) == [State.APPLIED] * 8
    assert in_cloud(cloud, theirs) == WORDS
    attempt = edits[3].attempts.get()
    assert attempt.started_at < moments[0], "what I3 and its checker go by"


def test_a_change_of_another_setting_stays_and_is_seen(
    cloud: Emulator, operator: User
) -> None:
    edits, served = due_together(cloud, operator, 8)
    theirs = edits[3].instance
    there = {"prompt": True, "enable": True, "duration_seconds": 5_400}
    change = partial(cloud.fleet.force, theirs.instance_id, auto_stop=there)
    with pytest.MonkeyPatch.context() as patch:
        before_the_requests(patch, change)
        group.drain(served)
    assert states(edits) == [State.APPLIED] * 8
    assert cloud.fleet.get(theirs.instance_id).auto_stop.duration_seconds == 5_400
    theirs.refresh_from_db()
    assert (theirs.description, theirs.auto_stop_duration) == (WORDS, 5_400)


def test_after_the_window_the_value_is_read_again_and_the_conflict_seen(
    cloud: Emulator, operator: User
) -> None:
    edits, served = due_together(cloud, operator, 8)
    theirs = edits[3].instance
    change = partial(
        cloud.fleet.force, theirs.instance_id, description="from the console"
    )
    with pytest.MonkeyPatch.context() as patch:
        before_the_requests(patch, change, later=group.SEND_SECONDS + 1)
        assert asked(cloud, served)["update"] == 0
    assert states(edits) == [State.RETRYING] * 8
    for edit in edits:
        due_now(edit)
        send.drain(edit.instance_id)
    expected = [State.APPLIED] * 8
    expected[3] = State.CONFLICT
    assert states(edits) == expected
    assert (in_cloud(cloud, theirs), puts(cloud, theirs)) == ("from the console", [])


def test_a_change_after_the_request_is_seen_when_it_is_read_back(
    cloud: Emulator, operator: User
) -> None:
    """The edit is not called applied, and the other value is never overwritten."""
    edits, served = due_together(cloud, operator, 8)
    theirs = edits[3].instance
    change = partial(
        cloud.fleet.force, theirs.instance_id, description="from the console"
    )
    with pytest.MonkeyPatch.context() as patch:
        before_page(patch, 1, change)
        assert asked(cloud, served) == {"list": 2, "update": 8, "show": 1}
    expected = [State.APPLIED] * 8
    expected[3] = State.RETRYING
    assert states(edits) == expected
    due_now(edits[3])
    send.drain(theirs.pk)
    expected[3] = State.CONFLICT
    assert states(edits) == expected
    assert in_cloud(cloud, theirs) == "from the console"
    assert len(puts(cloud, theirs)) == 1


# -- what is too old, what was overtaken -----------------------------------------------


def test_a_value_that_is_too_old_is_not_sent(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits, served = due_together(cloud, operator, 8)
    genuine = authorization.authorize_requests

    def slow(*arguments: Any) -> Any:
        allowed = genuine(*arguments)
        moved = group.time.monotonic() + group.SEND_SECONDS + 1
        monkeypatch.setattr(group.time, "monotonic", lambda: moved)
        return allowed

    with monkeypatch.context() as patch:
        patch.setattr(authorization, "authorize_requests", slow)
        assert asked(cloud, served)["update"] == 0
        monkeypatch.undo()
    assert states(edits) == [State.RETRYING] * 8
    assert not Attempt.objects.filter(ambiguous=True).exists()


def test_no_queue_is_claimed_once_the_values_are_old(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits, served = due_together(cloud, operator, 8)
    monkeypatch.setattr(group, "CLAIM_SECONDS", -1)
    assert asked(cloud, served)["update"] == 0
    assert states(edits) == [State.QUEUED] * 8
    assert not Attempt.objects.exists()


def test_what_was_delivered_after_the_listing_is_read_again(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits, served = due_together(cloud, operator, 8)
    genuine, other = queue.claim_all, edits[2].instance

    def overtaken(pks: Any) -> Any:
        monkeypatch.setattr(queue, "claim_all", genuine)
        send.drain(other.pk)
        other.refresh_from_db()
        submit(other, operator, description="Newer")
        return genuine(pks)

    monkeypatch.setattr(queue, "claim_all", overtaken)
    group.drain(served)
    assert states(edits) == [State.APPLIED] * 8
    assert [body["description"] for body in puts(cloud, other)] == [WORDS, "Newer"]


@pytest.mark.parametrize(
    "spoilt",
    [
        {"kind": "patch", "patch": {"description": "as it was"}},
        {"kind": "patch", "patch": {"latest_update_timestamp": "1000000000000"}},
        {"kind": "missing_fields", "fields": ["description", "spec"]},
        {"kind": "wrong_types"},
    ],
)
def test_a_listing_only_confirms(
    cloud: Emulator, operator: User, spoilt: dict[str, Any]
) -> None:
    """A page that is stale or says too little costs a call, and nothing else."""
    edits, served = due_together(cloud, operator, 8)
    there = edits[0].instance.instance_id
    genuine = authorization.authorize_requests

    def meanwhile(*arguments: Any) -> Any:
        cloud.faults.add(Fault(route="list", instance_id=there, **spoilt))
        return genuine(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authorization, "authorize_requests", meanwhile)
        assert asked(cloud, served) == {"list": 2, "update": 8, "show": 1}
    assert states(edits) == [State.APPLIED] * 8


def test_a_page_from_before_the_answer_confirms_nothing(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the cloud's own clock: a cache may answer."""
    edits, served = due_together(cloud, operator, 8)
    genuine = DemanagerApi.list_by_age

    def cached(self: DemanagerApi, offset: int, wanted: Any) -> Any:
        page = genuine(self, offset, wanted)
        old = page.clock.__class__(0, page.clock.received_at_ms, 1_000)
        return replace(page, clock=old)

    monkeypatch.setattr(DemanagerApi, "list_by_age", cached)
    assert asked(cloud, served) == {"list": 2, "update": 8, "show": 8}
    assert states(edits) == [State.APPLIED] * 8
