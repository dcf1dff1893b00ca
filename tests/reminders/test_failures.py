"""Reminders of failures of instances and changes, and their corrections."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Cloud, Instance
from dashboard.reminders.models import MAX_EVENT_AGE, Channel, Reminder
from dashboard.reminders.notification import write_notification
from dashboard.reminders.planning import plan
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .conftest import created, prefer

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)


class TestFailures:
    def test_an_instance_that_failed_and_recovered(self, scientist: User) -> None:
        failed = make_instance(status="START_FAILED", status_since=NOW)
        plan(NOW)
        plan(NOW + MINUTE)
        assert created() == [("page", "failure", None, "sent")]
        Instance.objects.filter(pk=failed.pk).update(status="RUNNING")
        plan(NOW + 2 * MINUTE)
        assert created() == [("page", "failure", None, "cancelled")]

    def test_each_failure_notifies_again(self, scientist: User) -> None:
        make_instance(status="UNAVAILABLE", status_since=NOW)
        plan(NOW)
        Instance.objects.update(status_since=NOW + MINUTE)
        plan(NOW + MINUTE)
        assert len(created()) == 2

    def test_old_failures_do_not_notify(self, scientist: User) -> None:
        make_instance(status="START_FAILED", status_since=NOW - MAX_EVENT_AGE - MINUTE)
        make_instance(status="START_FAILED", status_since=None)
        plan(NOW)
        assert created() == []

    def test_people_can_turn_failures_off(self, scientist: User) -> None:
        prefer(scientist, on_failure=False, on_failed_edit=False)
        instance = make_instance(status="START_FAILED", status_since=NOW)
        add_edit(instance, scientist, state="failed", finished_at=NOW)
        plan(NOW)
        assert created() == []


class TestEdits:
    def test_the_actor_is_notified_and_the_channel(
        self, scientist: User, operator: User, channel: Channel, instance: Instance
    ) -> None:
        edit = add_edit(instance, operator, state="failed", finished_at=NOW)
        plan(NOW)
        plan(NOW)
        assert created(kind="edit") == [
            ("page", "edit", None, "sent"),
            ("webhook", "edit", None, "waiting"),
        ]
        assert set(
            Reminder.objects.filter(kind="edit").values_list("person", flat=True)
        ) == {operator.pk, None}
        add_edit(instance, operator, seq=2, key="again", retry_of=edit)
        plan(NOW)
        assert {row[3] for row in created(kind="edit")} == {"cancelled"}

    def test_a_batch_is_one_message(self, operator: User, cloud_row: Cloud) -> None:
        batch = EditBatch.objects.create(actor=operator, kind="update")
        for number in range(5):
            instance = make_instance()
            state = "conflict" if number % 2 else "failed"
            add_edit(
                instance,
                operator,
                key=f"{number}",
                state=state,
                batch=batch,
                finished_at=NOW,
            )
        plan(NOW)
        assert created(kind="edit") == [("page", "edit", None, "sent")]

    def test_an_applied_change_does_not_notify(
        self, operator: User, instance: Instance
    ) -> None:
        add_edit(instance, operator, state="applied", finished_at=NOW)
        plan(NOW)
        assert created(kind="edit") == []
        assert Edit.objects.count() == 1


class TestCorrections:
    """A write that took effect late corrects the reported outcome of an edit."""

    @pytest.fixture
    def failed(self, instance: Instance, operator: User) -> Edit:
        edit = add_edit(instance, operator, state="failed", finished_at=NOW)
        plan(NOW)
        assert created(kind="edit") == [("page", "edit", None, "sent")]
        return edit

    def test_a_late_write_corrects_the_reported_failure(
        self, scientist: User, operator: User, failed: Edit
    ) -> None:
        Edit.objects.update(
            state="applied", outcome="applied_late", corrected_at=NOW + MINUTE
        )
        plan(NOW + MINUTE)
        plan(NOW + 2 * MINUTE)
        assert created(kind="edit", person=operator) == [
            ("page", "edit", None, "cancelled"),
            ("page", "edit", None, "sent"),
        ]
        correction = Reminder.objects.get(kind="edit", person=operator, state="sent")
        notification = write_notification(
            correction, zone=ZoneInfo("UTC"), now=NOW + MINUTE
        )
        assert notification.subject == f"A change to {failed.instance} was applied late"
        assert "Applied late: ModelArts made this change after" in notification.text
        assert "Retry the change" not in notification.text

    def test_a_correction_notifies_the_owner_of_the_instance(
        self, scientist: User, failed: Edit
    ) -> None:
        Edit.objects.update(state="conflict", outcome="restored", corrected_at=NOW)
        plan(NOW)
        assert created(kind="edit", person=scientist) == [
            ("page", "edit", None, "sent")
        ]

    def test_the_inbox_shows_the_correction(
        self, client: Client, operator: User, failed: Edit
    ) -> None:
        Edit.objects.update(
            state="applied", outcome="applied_late", corrected_at=datetime.now(UTC)
        )
        plan()
        client.force_login(operator)
        html = client.get(reverse("reminders:inbox")).content.decode()
        assert "was applied late" in html
        assert "The change was applied late." in html, "of the entry about the failure"
