"""Warnings of stops by policies, stops by others, and exceptions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import dispatch, enforcement
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.policies import services
from dashboard.policies.models import PlannedStop, Rule, RuleException
from dashboard.reminders import planning
from dashboard.reminders.models import Preferences, Reminder
from dashboard.reminders.notification import write_notification
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .conftest import created, prefer

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def rule(clock: time_machine.Traveller, admin: User) -> Rule:
    """A policy that acts: the maximum run time is eight hours."""
    rule = Rule.objects.create(
        name="GPU at most 8 h",
        reason="Money.",
        kind=Rule.Kind.MAX_HOURS,
        max_seconds=8 * 3600,
        mode=Rule.Mode.ENFORCE,
    )
    return services.turn_on_enforcement(rule=rule, actor=admin)


@pytest.fixture
def no_auto_stop(rule: Rule) -> Instance:
    """anna.schmidt's, running for ten hours, without an end."""
    ten_hours_ago = NOON - timedelta(hours=10)
    return make_instance(
        name="training",
        stops_in=None,
        run_started_at=ten_hours_ago,
        status_since=ten_hours_ago,
        first_seen_at=ten_hours_ago,
    )


def tick() -> None:
    """Run the tasks that beat schedules."""
    enforcement.enforce_rules()
    planning.plan()


def ends(instance: Instance, edit: Edit) -> None:
    """Record that the cloud has stopped the instance."""
    Edit.objects.filter(pk=edit.pk).update(state="applied", finished_at=timezone.now())
    instance.status = "STOPPING"
    instance.save()
    for before, after in (("RUNNING", "STOPPING"), ("STOPPING", "STOPPED")):
        InstanceEvent.objects.create(
            instance=instance,
            at=timezone.now(),
            from_status=before,
            to_status=after,
            reason="requested",
            actor=edit.actor,
            edit_id=edit.pk,
        )


def stop_by(actor: User, instance: Instance, batch: EditBatch | None = None) -> Edit:
    return add_edit(
        instance, actor, kind="stop", key=f"stop {instance.pk}", batch=batch
    )


def inbox(client: Client, person: User) -> str:
    client.force_login(person)
    response = client.get("/reminders/")
    assert response.status_code == 200
    return response.content.decode()


class TestWarnings:
    def test_the_owner_is_warned_an_hour_and_a_quarter_of_an_hour_before(
        self, no_auto_stop: Instance, scientist: User, clock: time_machine.Traveller
    ) -> None:
        for _ in range(70):
            tick()
            clock.shift(MINUTE)
        assert created() == [
            ("page", "policy", 60, "sent"),
            ("page", "policy", 15, "sent"),
        ]
        assert Edit.objects.get().kind == "stop"

    def test_an_owner_without_a_medium_is_warned_in_the_page(
        self, no_auto_stop: Instance, scientist: User
    ) -> None:
        prefer(scientist, in_page=False)
        tick()
        assert created(person=scientist) == [("page", "policy", 60, "sent")]

    def test_nobody_else_is_warned(
        self, no_auto_stop: Instance, stranger: User, operator: User
    ) -> None:
        prefer(operator, scope="all")
        tick()
        assert not created()
        plan = PlannedStop.objects.get()
        assert plan.warned_at == NOON, "there was nobody to warn"

    def test_policies_stop_nothing_without_a_warning(
        self, no_auto_stop: Instance, scientist: User, clock: time_machine.Traveller
    ) -> None:
        for _ in range(3):
            enforcement.enforce_rules()
            clock.shift(timedelta(hours=1))
        assert not Edit.objects.exists()
        tick()
        assert created() == [("page", "policy", 15, "sent")]
        clock.shift(14 * MINUTE)
        tick()
        assert not Edit.objects.exists()
        clock.shift(MINUTE)
        tick()
        assert Edit.objects.get().kind == "stop"

    def test_pausing_a_policy_cancels_its_warning(
        self, rule: Rule, no_auto_stop: Instance, scientist: User, admin: User
    ) -> None:
        tick()
        services.pause_enforcement(rule=rule, actor=admin)
        tick()
        assert created(kind="policy") == [("page", "policy", 60, "cancelled")]

    def test_the_mail_names_the_policy_and_links_to_an_exception(
        self, rule: Rule, no_auto_stop: Instance, by_mail: Preferences
    ) -> None:
        tick()
        reminder = Reminder.objects.get(medium="mail")
        message = write_notification(reminder, zone=by_mail.zone, now=NOON)
        assert message.subject == ("Policy “GPU at most 8 h” will stop training, 13:00")
        assert "Why: This run has no end; the limit is 8 h. Money." in message.text
        assert "Kept: only the work directory" in message.text
        assert f"/policies/{rule.pk}/exceptions/{no_auto_stop.pk}/" in message.text

    def test_the_inbox_offers_the_exception(
        self, client: Client, rule: Rule, no_auto_stop: Instance, scientist: User
    ) -> None:
        tick()
        html = inbox(client, scientist)
        assert "Policy “GPU at most 8 h” will stop training" in html
        assert f"/policies/{rule.pk}/exceptions/{no_auto_stop.pk}/" in html

    def test_the_page_of_the_instance_shows_the_planned_stop(
        self, client: Client, no_auto_stop: Instance, scientist: User
    ) -> None:
        tick()
        client.force_login(scientist)
        html = client.get(no_auto_stop.get_absolute_url()).content.decode()
        assert "will stop this run" in html
        assert "This run has no end; the limit is 8 h." in html
        Instance.objects.filter(pk=no_auto_stop.pk).update(status="STOPPED")
        html = client.get(no_auto_stop.get_absolute_url()).content.decode()
        assert "will stop this run" not in html


class TestStopped:
    def test_the_owner_learns_which_policy_stopped_the_run_and_why(
        self,
        client: Client,
        no_auto_stop: Instance,
        scientist: User,
        clock: time_machine.Traveller,
    ) -> None:
        tick()
        clock.shift(60 * MINUTE)
        tick()
        ends(no_auto_stop, Edit.objects.get())
        tick()
        assert created(kind="stopped") == [("page", "stopped", None, "sent")]
        html = inbox(client, scientist)
        assert "Policy “GPU at most 8 h” stopped training" in html
        assert "The maximum run time is 8 h. Money." in html

    def test_the_owner_learns_who_stopped_the_run(
        self, client: Client, operator: User, scientist: User
    ) -> None:
        instance = make_instance(name="mine")
        ends(instance, stop_by(operator, instance))
        planning.plan()
        planning.plan()
        assert created() == [("page", "stopped", None, "sent")]
        assert "operator stopped mine" in inbox(client, scientist)

    def test_stops_of_one_bulk_change_are_one_message(
        self, client: Client, operator: User, scientist: User
    ) -> None:
        batch = EditBatch.objects.create(actor=operator, confirmed_at=timezone.now())
        mine = [make_instance() for _ in range(3)]
        other = make_instance(owner_name="li.wei", owner_id="l")
        for instance in (*mine, other):
            ends(instance, stop_by(operator, instance, batch))
            planning.plan()
        assert created(person=scientist) == [("page", "stopped", None, "sent")]
        assert "operator stopped 3 of your instances" in inbox(client, scientist)

    def test_own_and_unwanted_stops_do_not_notify(
        self, operator: User, scientist: User
    ) -> None:
        own, other = make_instance(), make_instance()
        ends(own, stop_by(scientist, own))
        prefer(scientist, on_others=False)
        ends(other, stop_by(operator, other))
        planning.plan()
        assert not created()

    def test_a_cancelled_reminder_says_who_stopped_the_run(
        self, client: Client, operator: User, scientist: User
    ) -> None:
        instance = make_instance(stops_in=600)
        planning.plan()
        ends(instance, stop_by(operator, instance))
        planning.plan()
        assert created(kind="stop") == [("page", "stop", 15, "cancelled")]
        html = inbox(client, scientist)
        assert "No longer due: stopped by operator." in html
        assert "the stop was moved or removed" not in html


class TestExceptions:
    @pytest.fixture
    def exception(
        self, rule: Rule, no_auto_stop: Instance, scientist: User
    ) -> RuleException:
        return services.request_exception(
            rule=rule,
            instance=no_auto_stop,
            actor=scientist,
            until=NOON + timedelta(days=3),
            reason="The evaluation.",
        )

    def test_deciders_are_notified_of_a_request(
        self,
        client: Client,
        exception: RuleException,
        operator: User,
        viewer: User,
        admin: User,
    ) -> None:
        planning.plan()
        planning.plan()
        people = Reminder.objects.filter(kind="request").values_list(
            "person__username", flat=True
        )
        assert sorted(people) == ["admin", "operator"]
        html = inbox(client, operator)
        assert "requests an exception for training" in html
        assert "Reason: The evaluation." in html
        assert "exception request" in html, "beside Policies in the navigation"

    def test_the_requester_is_notified_of_the_decision(
        self, client: Client, exception: RuleException, operator: User, scientist: User
    ) -> None:
        planning.plan()
        services.decide_exception(
            exception=exception, actor=operator, approve=True, answer="Until Thursday."
        )
        planning.plan()
        planning.plan()
        assert created(kind="request", person=operator) == [
            ("page", "request", None, "cancelled")
        ]
        assert created(kind="answer") == [("page", "answer", None, "sent")]
        html = inbox(client, scientist)
        assert "Your exception for training was approved" in html
        assert "Answer: Until Thursday." in html

    def test_a_decision_on_an_own_request_does_not_notify(
        self, rule: Rule, no_auto_stop: Instance, operator: User
    ) -> None:
        services.request_exception(
            rule=rule,
            instance=no_auto_stop,
            actor=operator,
            until=NOON + timedelta(days=3),
            reason="A fair.",
        )
        planning.plan()
        assert not created(kind="answer") + created(kind="request")
