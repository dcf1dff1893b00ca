"""Extensions against the emulator over HTTP: a run that ends as it was asked for."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import extension, leases, services
from dashboard.edits.delivery import authorization, record
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Cloud, Instance

from .conftest import NOTEBOOKS
from .deliveries import (
    deliver,
    due_now,
    end_ms,
    extend,
    mirrored,
    renewals,
    sentence_of,
)

State = Edit.State
HOUR_MS = 3_600_000
TRANSIT_MS = 2_000
"""How late an end may be: the request's way, and the seconds of a ``Date`` header."""

pytestmark = NOTEBOOKS


class KilledError(BaseException):
    """``kill -9``: nothing catches it."""


def is_at(end: int, target: int) -> bool:
    return target - leases.TOLERANCE_MS <= end <= target + TRANSIT_MS


def test_the_run_ends_when_it_was_asked_for(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    edit = deliver(extend(notebook, operator, 4))
    assert edit.state == State.APPLIED
    target = edit.patch["stop_timestamp_ms"]
    assert is_at(end_ms(cloud, notebook), target)
    assert edit.instance.stop_timestamp_ms == end_ms(cloud, notebook)
    [body] = renewals(cloud, notebook)
    assert body["type"] == "timing"
    assert 4 * HOUR_MS - 60_000 < body["duration"] <= 4 * HOUR_MS + 1000


def test_what_is_stored_of_a_request_tells_the_end(
    notebook: Instance, operator: User
) -> None:
    edit = deliver(extend(notebook, operator, 4))
    body = Attempt.objects.get().body
    assert body["stop_timestamp_ms"] == edit.patch["stop_timestamp_ms"]
    assert body["duration"] % 1000 == 0


def test_a_late_delivery_asks_for_less(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    edit = extend(notebook, operator, 4)
    cloud.clock.advance(1_800)
    edit = deliver(edit)
    assert edit.state == State.APPLIED
    assert is_at(end_ms(cloud, notebook), edit.patch["stop_timestamp_ms"])
    [body] = renewals(cloud, notebook)
    assert body["duration"] < 3.6 * HOUR_MS


def test_delivery_so_late_that_an_hour_would_overshoot_fails(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    cloud.notebooks.force(notebook.instance_id, stops_in_seconds=3_000)
    notebook = mirrored(cloud, notebook.instance_id)
    edit = extend(notebook, operator, 1)
    cloud.clock.advance(180)
    edit = deliver(edit)
    assert edit.state == State.FAILED
    assert "later than the end that was asked for" in sentence_of(edit)
    assert renewals(cloud, notebook) == []
    edit.patch = {"stop_timestamp_ms": cloud.clock.now_ms()}
    with pytest.raises(services.EditClosedError, match="at least one hour"):
        services.retry_edit(edit=edit, actor=operator)


def test_the_shortest_extension_leaves_time_for_its_delivery(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    cloud.notebooks.force(notebook.instance_id, stops_in_seconds=600)
    notebook = mirrored(cloud, notebook.instance_id)
    edit = extend(notebook, operator, 1)
    cloud.clock.advance(60)
    edit = deliver(edit)
    assert edit.state == State.APPLIED
    assert is_at(end_ms(cloud, notebook), edit.patch["stop_timestamp_ms"])


def test_a_run_that_lasts_as_long_anyway_is_left_alone(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    edit = extend(notebook, operator, 1.5)
    end = end_ms(cloud, notebook)
    assert deliver(edit).state == State.APPLIED
    assert renewals(cloud, notebook) == []
    assert end_ms(cloud, notebook) == end


def test_an_end_that_another_person_has_moved_is_a_conflict(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    edit = extend(notebook, operator, 4)
    cloud.notebooks.force(notebook.instance_id, stops_in_seconds=10_000)
    end = end_ms(cloud, notebook)
    edit = deliver(edit)
    assert edit.state == State.CONFLICT
    assert edit.result["stop_timestamp_ms"] == end
    assert renewals(cloud, notebook) == []
    # Half of a lease is none: an extension is not settled setting by setting.
    with pytest.raises(services.EditClosedError):
        services.resolve_edit(edit=edit, actor=operator, mine={"lease_type"})


def test_what_one_extension_was_in_conflict_with_the_next_does_not_overwrite(
    cloud: Emulator, notebook: Instance, operator: User, admin: User
) -> None:
    extend(notebook, operator, 8)
    second = extend(notebook, admin, 6)
    cloud.notebooks.force(notebook.instance_id, stops_in_seconds=10_000)
    second = deliver(second)
    assert second.state == State.CONFLICT
    assert renewals(cloud, notebook) == []


def test_another_kind_of_lease_is_a_conflict(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    edit = extend(notebook, operator, 4)
    cloud.notebooks.force(notebook.instance_id, lease={"type": "IDLE"})
    assert deliver(edit).state == State.CONFLICT


def test_a_lease_that_was_touched_and_has_the_same_end_is_no_conflict(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    base = extension.base_of(notebook) | {"lease_updated_ms": 1}
    assert deliver(extend(notebook, operator, 4, base)).state == State.APPLIED


def test_an_earlier_extension_of_ours_is_no_conflict(
    notebook: Instance, operator: User, admin: User
) -> None:
    base = extension.base_of(notebook)
    assert deliver(extend(notebook, admin, 4)).state == State.APPLIED
    notebook.refresh_from_db()
    Instance.objects.filter(pk=notebook.pk).update(**base)
    assert deliver(extend(notebook, operator, 8, base)).state == State.APPLIED


def test_of_waiting_extensions_the_later_end_is_sent_once(
    cloud: Emulator, notebook: Instance, operator: User, admin: User
) -> None:
    first = extend(notebook, operator, 4)
    second = deliver(extend(notebook, admin, 8))
    first.refresh_from_db()
    assert (first.state, first.superseded_by) == (State.SUPERSEDED, second)
    assert len(renewals(cloud, notebook)) == 1


def test_a_later_request_for_an_earlier_end_shortens_nothing(
    cloud: Emulator, notebook: Instance, operator: User, admin: User
) -> None:
    first = extend(notebook, operator, 8)
    second = deliver(extend(notebook, admin, 4))
    first.refresh_from_db()
    assert {first.state, second.state} == {State.APPLIED}
    assert is_at(end_ms(cloud, notebook), first.patch["stop_timestamp_ms"])
    assert len(renewals(cloud, notebook)) == 1


def test_what_does_not_run_is_not_extended(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    edit = extend(notebook, operator, 4)
    cloud.notebooks.force(notebook.instance_id, status="STOPPED")
    edit = deliver(edit)
    assert edit.state == State.FAILED
    assert "Only a running instance" in sentence_of(edit)


def test_a_missing_permission_is_named(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    cloud.behavior.change({"renew": "refuse"})
    edit = deliver(extend(notebook, operator, 4))
    assert edit.state == State.FAILED
    assert "modelarts:notebook:updateStopPolicy" in sentence_of(edit)
    assert edit.error_code


def test_more_than_the_cloud_allows_is_refused_with_its_limit(
    notebook: Instance, operator: User
) -> None:
    now = timezone.now()
    limits = extension.limits_of(notebook, now)
    assert limits.latest == now + timedelta(hours=72)
    with pytest.raises(ValidationError, match="at most 72 hours"):
        extension.patch_until(notebook, now + timedelta(hours=73), now)
    edit = extend(notebook, operator, 72)
    Cloud.objects.update(max_run_hours=24)
    edit = deliver(edit)
    assert edit.state == State.FAILED
    assert "at most 24 hours" in sentence_of(edit)


def test_the_longest_extension_is_accepted(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    edit = deliver(extend(notebook, operator, 72))
    assert edit.state == State.APPLIED
    assert is_at(end_ms(cloud, notebook), edit.patch["stop_timestamp_ms"])


@pytest.mark.parametrize("hours", [0, 0.9])
def test_less_than_an_hour_is_refused(notebook: Instance, hours: float) -> None:
    with pytest.raises(ValidationError, match="at least one hour"):
        extension.patch_hours(notebook, hours, timezone.now())


class TestIdleLeases:
    def test_a_fixed_end_becomes_an_idle_lease(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        edit = services.submit_extension(
            instance=notebook,
            actor=operator,
            patch=extension.idle_patch(notebook, 2),
            base=extension.base_of(notebook),
        )
        edit = deliver(edit)
        assert edit.state == State.APPLIED
        assert cloud.notebooks.get(notebook.instance_id).lease.type == "IDLE"
        assert (edit.instance.lease_type, edit.instance.stops_at) == ("idle", None)

    @pytest.mark.parametrize("used_hours", [1, 80])
    def test_an_idle_time_that_may_be_shorter_is_asked_for(
        self, cloud: Emulator, notebook: Instance, operator: User, used_hours: int
    ) -> None:
        """A lease of one hour that was used for one looks like one of two hours."""
        started_ms = cloud.clock.now_ms() - used_hours * HOUR_MS
        lease = {"type": "IDLE", "period_ms": HOUR_MS, "updated_ms": started_ms}
        cloud.notebooks.force(
            notebook.instance_id, run_started_ms=started_ms, lease=lease, busy=True
        )
        notebook = mirrored(cloud, notebook.instance_id)
        assert notebook.idle_seconds is None
        edit = services.submit_extension(
            instance=notebook,
            actor=operator,
            patch=extension.idle_patch(notebook, 2),
            base=extension.base_of(notebook),
        )
        edit = deliver(edit)
        [body] = renewals(cloud, notebook)
        assert body == {"duration": 2 * HOUR_MS, "type": "idle"}
        assert (edit.state, edit.instance.idle_seconds) == (State.APPLIED, 7_200)
        assert edit.result["idle_seconds"] == 7_200

    def test_an_idle_time_that_is_known_to_be_the_same_is_not(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        for hours in (2, 2):
            edit = services.submit_extension(
                instance=notebook,
                actor=operator,
                patch=extension.idle_patch(notebook, hours),
                base=extension.base_of(notebook),
            )
            notebook = deliver(edit).instance
        edit.refresh_from_db()
        assert edit.state == State.APPLIED
        assert len(renewals(cloud, notebook)) == 1

    def test_and_an_idle_lease_a_fixed_end(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        cloud.notebooks.force(notebook.instance_id, lease={"type": "IDLE"})
        notebook = mirrored(cloud, notebook.instance_id)
        edit = extend(notebook, operator, 4)
        assert edit.patch["lease_type"] == "timing"
        edit = deliver(edit)
        assert edit.state == State.APPLIED
        assert is_at(end_ms(cloud, notebook), edit.patch["stop_timestamp_ms"])

    def test_the_newest_of_two_kinds_wins(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        first = services.submit_extension(
            instance=notebook,
            actor=operator,
            patch=extension.idle_patch(notebook, 2),
            base=extension.base_of(notebook),
        )
        edit = deliver(extend(notebook, operator, 4))
        first.refresh_from_db()
        assert (first.state, edit.state) == (State.SUPERSEDED, State.APPLIED)
        assert cloud.notebooks.get(notebook.instance_id).lease.type == "TIMING"


class TestKilled:
    """A worker dies; the next one reads first, and never extends twice."""

    @pytest.mark.parametrize(
        ("module", "name", "number"),
        [(authorization, "authorize_request", 1), (record, "record", 1)],
    )
    def test_a_kill_before_or_after_the_request_extends_once(
        self,
        cloud: Emulator,
        notebook: Instance,
        operator: User,
        monkeypatch: pytest.MonkeyPatch,
        module: Any,
        name: str,
        number: int,
    ) -> None:
        def die(*_: Any) -> bool:
            raise KilledError

        edit = extend(notebook, operator, 4)
        with monkeypatch.context() as patch:
            patch.setattr(module, name, die)
            with pytest.raises(KilledError):
                deliver(edit)
        cloud.clock.advance(45)
        EditQueue.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        edit = deliver(edit)
        assert edit.state == State.APPLIED
        assert is_at(end_ms(cloud, notebook), edit.patch["stop_timestamp_ms"])
        assert len(renewals(cloud, notebook)) == number

    def test_an_end_that_was_found_late_enough_is_not_taken_for_ours(
        self,
        cloud: Emulator,
        notebook: Instance,
        operator: User,
        admin: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def die(*_: Any) -> bool:
            raise KilledError

        first = extend(notebook, operator, 3)
        cloud.notebooks.force(notebook.instance_id, stops_in_seconds=50_000)
        end = end_ms(cloud, notebook)
        with monkeypatch.context() as patch:
            patch.setattr(record, "record", die)
            with pytest.raises(KilledError):
                deliver(first)
        second = extend(notebook, admin, 20)
        extend(notebook, admin, 2)  # else the second supersedes the first
        EditQueue.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        first, second = deliver(first), deliver(second)
        assert (first.state, first.result["stop_timestamp_ms"]) == (State.APPLIED, end)
        assert second.state == State.CONFLICT
        assert end_ms(cloud, notebook) == end

    def test_a_request_without_an_answer_is_not_repeated_blindly(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        lost = Fault("drop", route="notebooks.renew", applied=True, times=1)
        cloud.faults.add(lost)
        edit = deliver(extend(notebook, operator, 4))
        assert edit.state == State.RETRYING
        cloud.clock.advance(60)
        due_now(edit)
        edit = deliver(edit)
        assert edit.state == State.APPLIED
        assert len(renewals(cloud, notebook)) == 1
        assert is_at(end_ms(cloud, notebook), edit.patch["stop_timestamp_ms"])


@pytest.mark.parametrize("current_time", [True, False])
def test_the_clock_of_the_cloud_needs_no_member_of_the_answer(
    cloud: Emulator, notebook: Instance, operator: User, current_time: bool
) -> None:
    cloud.behavior.change({"current_time": current_time})
    edit = deliver(extend(notebook, operator, 4))
    assert is_at(end_ms(cloud, notebook), edit.patch["stop_timestamp_ms"])


def test_an_accepted_renewal_that_is_not_carried_out_is_not_called_applied(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("not_changed", route="notebooks.renew", times=1))
    edit = deliver(extend(notebook, operator, 4))
    assert edit.state == State.RETRYING
    due_now(edit)
    assert deliver(edit).state == State.APPLIED
