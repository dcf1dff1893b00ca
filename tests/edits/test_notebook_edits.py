"""Changes, starts and stops of notebooks, against the emulator over HTTP."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import deadlines, display, outcome_text, services
from dashboard.edits.delivery import due_queues, send
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule

from .conftest import NOTEBOOKS
from .deliveries import a_second_ago, deliver, mirrored, sentence_of, submit

State = Edit.State

pytestmark = NOTEBOOKS


def start(instance: Instance, actor: User, patch: dict[str, Any] | None = None) -> Edit:
    return services.submit_power(
        instance=instance, actor=actor, kind=Edit.Kind.START, patch=patch
    )


def run_of(hours: int) -> dict[str, Any]:
    return {"auto_stop_enable": True, "auto_stop_duration": hours * 3600}


@pytest.fixture
def resting(cloud: Emulator, notebook: Instance) -> Instance:
    """A notebook that is stopped."""
    cloud.notebooks.force(notebook.instance_id, status="STOPPED")
    return mirrored(cloud, notebook.instance_id)


class TestSettings:
    def test_name_description_and_tags_are_changed_and_read_back(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        cloud.notebooks.force(notebook.instance_id, tags={"team": "a", "old": "1"})
        notebook = mirrored(cloud, notebook.instance_id)
        tags = {"team": "b", "new": ""}
        edit = deliver(
            submit(notebook, operator, name="new-name", description="New", tags=tags)
        )
        assert edit.state == State.APPLIED
        stored = cloud.notebooks.get(notebook.instance_id)
        assert (stored.name, stored.description) == ("new-name", "New")
        assert stored.tags == tags
        assert edit.instance.tags == tags

    def test_only_the_difference_of_tags_is_sent(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        cloud.notebooks.force(notebook.instance_id, tags={"kept": "1"})
        notebook = mirrored(cloud, notebook.instance_id)
        edit = submit(notebook, operator, tags={"kept": "1", "new": "2"})
        assert deliver(edit).state == State.APPLIED
        routes = [entry.route for entry in cloud.log.entries() if entry.body]
        assert "notebooks.tags.create" in routes
        assert "notebooks.tags.delete" not in routes

    def test_no_tag_is_lost_when_the_cloud_refuses_a_new_one(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        cloud.notebooks.force(notebook.instance_id, tags={"old": "1"})
        tagged = mirrored(cloud, notebook.instance_id)
        cloud.faults.add(
            Fault("status", method="POST", status=400, code="ModelArts.0101")
        )
        edit = deliver(submit(tagged, operator, tags={"new": "2"}))
        assert edit.state == State.FAILED
        assert cloud.notebooks.get(notebook.instance_id).tags == {"old": "1"}

    def test_tags_of_another_person_are_a_conflict(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        edit = submit(notebook, operator, tags={"mine": "1"})
        cloud.notebooks.force(notebook.instance_id, tags={"theirs": "1"})
        edit = deliver(edit)
        assert edit.state == State.CONFLICT
        assert edit.result == {"tags": {"theirs": "1"}}

    def test_an_answer_with_few_members_is_no_problem(
        self, cloud: Emulator, notebook: Instance, operator: User
    ) -> None:
        cloud.behavior.change({"notebook_update_answer": "partial"})
        edit = deliver(submit(notebook, operator, name="new-name"))
        assert edit.state == State.APPLIED

    @pytest.mark.parametrize("field", ["auto_stop_enable", "auto_stop_duration"])
    def test_auto_stop_is_no_setting_of_a_notebook(
        self, notebook: Instance, operator: User, field: str
    ) -> None:
        with pytest.raises(ValidationError, match="Each start has its own length"):
            submit(notebook, operator, **{field: True})


class TestWaitingForTheStop:
    """The cloud changes a notebook only while that is stopped."""

    @pytest.fixture
    def waiting(self, cloud: Emulator, notebook: Instance, operator: User) -> Edit:
        cloud.behavior.change({"update_while_running": "refuse"})
        return deliver(submit(notebook, operator, description="later"))

    def test_it_stays_open_and_says_so(self, waiting: Edit) -> None:
        assert (waiting.state, waiting.waits_for_stop) == (State.RETRYING, True)
        assert waiting.is_waiting_for_stop
        assert not waiting.is_under_way
        assert outcome_text.badge(waiting).label == "Waits for the stop"
        assert "Waits for the stop:" in sentence_of(waiting)
        assert "does not stop it for that" in sentence_of(waiting)
        assert waiting.error_code == "ModelArts.6347"
        assert waiting.deadline_at > timezone.now() + timedelta(days=29)

    def test_it_is_not_tried_while_the_notebook_runs(
        self, cloud: Emulator, notebook: Instance, waiting: Edit
    ) -> None:
        requests = len(cloud.log.entries())
        EditQueue.objects.update(last_enqueued_at=None)
        assert due_queues.take_due_queues() == []
        send.drain(notebook.pk)
        assert len(cloud.log.entries()) == requests

    def test_it_is_sent_once_the_notebook_has_stopped(
        self, cloud: Emulator, notebook: Instance, waiting: Edit
    ) -> None:
        cloud.notebooks.stop(notebook.instance_id)
        mirrored(cloud, notebook.instance_id)
        EditQueue.objects.update(last_enqueued_at=None)
        assert due_queues.take_due_queues() == []
        cloud.clock.advance(60)
        mirrored(cloud, notebook.instance_id)
        assert due_queues.take_due_queues() == [notebook.pk]
        edit = deliver(waiting)
        assert edit.state == State.APPLIED
        assert cloud.notebooks.get(notebook.instance_id).description == "later"
        assert cloud.notebooks.get(notebook.instance_id).status == "STOPPED"

    def test_edits_of_other_kinds_pass_it(
        self, cloud: Emulator, notebook: Instance, operator: User, waiting: Edit
    ) -> None:
        stop = services.submit_power(
            instance=notebook, actor=operator, kind=Edit.Kind.STOP
        )
        assert deliver(stop).state == State.APPLIED
        waiting.refresh_from_db()
        assert waiting.state == State.RETRYING

    def test_a_newer_change_of_the_same_fields_replaces_it(
        self, notebook: Instance, operator: User, waiting: Edit
    ) -> None:
        notebook.description = "later"
        newer = deliver(submit(notebook, operator, description="newest"))
        waiting.refresh_from_db()
        assert (waiting.state, waiting.superseded_by) == (State.SUPERSEDED, newer)
        assert newer.is_waiting_for_stop

    def test_its_tags_are_changed_at_once(
        self, cloud: Emulator, notebook: Instance, operator: User, waiting: Edit
    ) -> None:
        tags = {"team": "vision"}
        edit = deliver(submit(notebook, operator, name="later", tags=tags))
        assert edit.is_waiting_for_stop
        assert cloud.notebooks.get(notebook.instance_id).tags == tags

    def test_it_can_be_cancelled(self, operator: User, waiting: Edit) -> None:
        cancelled = services.cancel_edit(edit=waiting, actor=operator)
        assert cancelled.state == State.CANCELLED

    def test_it_fails_after_a_month(self, waiting: Edit) -> None:
        assert deadlines.fail_past_deadline() == 0
        Edit.objects.update(deadline_at=a_second_ago())
        assert deadlines.fail_past_deadline() == 1

    def test_a_refusal_of_a_stopped_notebook_fails(
        self, cloud: Emulator, resting: Instance, operator: User
    ) -> None:
        cloud.faults.add(
            Fault("status", method="PUT", status=400, code="ModelArts.6347")
        )
        edit = deliver(submit(resting, operator, description="never"))
        assert (edit.state, edit.waits_for_stop) == (State.FAILED, False)


class TestStarts:
    @pytest.mark.parametrize(
        ("patch", "enable", "hours"),
        [
            (run_of(4), True, 4),
            (None, True, 1),
            ({"auto_stop_enable": False}, False, None),
        ],
    )
    def test_a_start_has_its_own_run_time(
        self,
        cloud: Emulator,
        resting: Instance,
        operator: User,
        patch: dict[str, Any] | None,
        enable: bool,
        hours: int | None,
    ) -> None:
        edit = deliver(start(resting, operator, patch))
        assert edit.state == State.APPLIED
        lease = cloud.notebooks.get(resting.instance_id).lease
        assert lease.enable is enable
        if hours:
            assert lease.period_ms == hours * 3_600_000

    def test_of_two_waiting_starts_the_newest_counts(
        self, cloud: Emulator, resting: Instance, operator: User, admin: User
    ) -> None:
        first = start(resting, operator, run_of(4))
        second = deliver(start(resting, admin, run_of(8)))
        first.refresh_from_db()
        assert (first.state, first.superseded_by) == (State.SUPERSEDED, second)
        lease = cloud.notebooks.get(resting.instance_id).lease
        assert lease.period_ms == 8 * 3_600_000

    def test_a_stop_replaces_a_waiting_start(
        self, cloud: Emulator, resting: Instance, operator: User
    ) -> None:
        first = start(resting, operator, run_of(4))
        stop = services.submit_power(
            instance=resting, actor=operator, kind=Edit.Kind.STOP
        )
        assert deliver(stop).state == State.APPLIED
        first.refresh_from_db()
        assert first.state == State.SUPERSEDED
        assert cloud.notebooks.get(resting.instance_id).status == "STOPPED"

    @pytest.mark.parametrize("hours", [0, 73])
    def test_a_run_time_that_the_cloud_refuses_is_refused(
        self, resting: Instance, operator: User, hours: int
    ) -> None:
        with pytest.raises(ValidationError, match="1 to 72 hours"):
            start(resting, operator, run_of(hours))

    def test_no_auto_stop_only_where_the_cloud_allows_it(
        self, resting: Instance, operator: User
    ) -> None:
        Cloud.objects.update(allows_no_auto_stop=False)
        resting.cloud.refresh_from_db()
        with pytest.raises(ValidationError, match="without auto-stop"):
            start(resting, operator, {"auto_stop_enable": False})

    def test_a_policy_limits_the_run_time(
        self, resting: Instance, operator: User
    ) -> None:
        Rule.objects.create(
            name="short",
            kind=Rule.Kind.MAX_HOURS,
            max_seconds=2 * 3600,
            mode=Rule.Mode.ENFORCE,
        )
        with pytest.raises(services.RuleRefusedError, match="short"):
            start(resting, operator, run_of(4))
        with pytest.raises(services.RuleRefusedError, match="short"):
            start(resting, operator, {"auto_stop_enable": False})
        assert start(resting, operator, run_of(2)).state == State.QUEUED

    def test_a_stop_of_what_has_stopped_is_success(
        self, cloud: Emulator, resting: Instance, operator: User
    ) -> None:
        stale = Fault("patch", route="notebooks.show", patch={"status": "RUNNING"})
        cloud.faults.add(replace(stale, times=1))
        stop = services.submit_power(
            instance=resting, actor=operator, kind=Edit.Kind.STOP
        )
        assert deliver(stop).state == State.APPLIED

    def test_it_is_said_how_long_it_runs(
        self, resting: Instance, operator: User
    ) -> None:
        edit = start(resting, operator, run_of(4))
        assert display.change_text(edit) == "Start for 4 h"
        edit = start(resting, operator, {"auto_stop_enable": False})
        assert display.change_text(edit) == "Start without auto-stop"
