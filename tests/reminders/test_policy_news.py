"""Owners are warned of stops by policies, and told who has stopped what is theirs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import enforcement
from dashboard.edits.delivery import heartbeat
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.policies import services
from dashboard.policies.models import PlannedStop, Rule, RuleException
from dashboard.reminders import planning, texts
from dashboard.reminders.models import Preferences, Reminder
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .conftest import prefer

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "ask_for_sweep", Mock())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def rule(clock: time_machine.Traveller, admin: User) -> Rule:
    """A policy that acts: a run lasts at most eight hours."""
    made = Rule.objects.create(
        name="GPU at most 8 h",
        reason="Money.",
        kind=Rule.Kind.MAX_HOURS,
        max_seconds=8 * 3600,
        mode=Rule.Mode.ENFORCE,
    )
    return services.let_act(rule=made, actor=admin)


@pytest.fixture
def endless(rule: Rule) -> Instance:
    """anna.schmidt's, running for ten hours, without an end."""
    ten_hours_ago = NOON - timedelta(hours=10)
    return make_instance(
        name="endless",
        stops_in=None,
        run_started_at=ten_hours_ago,
        status_since=ten_hours_ago,
        first_seen_at=ten_hours_ago,
    )


def tick() -> None:
    """What beat asks for."""
    enforcement.enforce_rules()
    planning.plan()


def told(**filters: Any) -> list[tuple[str, str, int | None, str]]:
    found = Reminder.objects.filter(**filters).order_by("pk")
    return list(found.values_list("medium", "kind", "lead_minutes", "state"))


def ends(instance: Instance, edit: Edit) -> None:
    """The cloud has done what the edit asks for."""
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
    answer = client.get("/reminders/")
    assert answer.status_code == 200
    return answer.content.decode()


class TestWarnings:
    def test_the_owner_is_warned_an_hour_and_a_quarter_of_an_hour_before(
        self, endless: Instance, scientist: User, clock: time_machine.Traveller
    ) -> None:
        for _ in range(70):
            tick()
            clock.shift(MINUTE)
        assert told() == [
            ("page", "policy", 60, "sent"),
            ("page", "policy", 15, "sent"),
        ]
        assert Edit.objects.get().kind == "stop"

    def test_who_wants_no_reminders_is_warned_in_the_page_all_the_same(
        self, endless: Instance, scientist: User
    ) -> None:
        prefer(scientist, in_page=False)
        tick()
        assert told(person=scientist) == [("page", "policy", 60, "sent")]

    def test_nobody_else_is_warned(
        self, endless: Instance, stranger: User, operator: User
    ) -> None:
        prefer(operator, scope="all")
        tick()
        assert not told()
        plan = PlannedStop.objects.get()
        assert plan.warned_at == NOON, "there was nobody to warn"

    def test_while_the_planner_stands_still_nothing_is_stopped(
        self, endless: Instance, scientist: User, clock: time_machine.Traveller
    ) -> None:
        for _ in range(3):
            enforcement.enforce_rules()
            clock.shift(timedelta(hours=1))
        assert not Edit.objects.exists()
        tick()
        assert told() == [("page", "policy", 15, "sent")]
        clock.shift(14 * MINUTE)
        tick()
        assert not Edit.objects.exists()
        clock.shift(MINUTE)
        tick()
        assert Edit.objects.get().kind == "stop"

    def test_pausing_takes_the_warning_back(
        self, rule: Rule, endless: Instance, scientist: User, admin: User
    ) -> None:
        tick()
        services.pause(rule=rule, actor=admin)
        tick()
        assert told() == [("page", "policy", 60, "cancelled")]

    def test_the_mail_names_the_policy_and_the_way_to_an_exception(
        self, rule: Rule, endless: Instance, by_mail: Preferences
    ) -> None:
        tick()
        reminder = Reminder.objects.get(medium="mail")
        message = texts.notification(reminder, zone=by_mail.zone, now=NOON)
        assert message.subject == ("Policy “GPU at most 8 h” will stop endless, 13:00")
        assert "Why: This run has no end; the limit is 8 h. Money." in message.text
        assert "Kept: only the work directory" in message.text
        assert f"/policies/{rule.pk}/exceptions/{endless.pk}/" in message.text

    def test_the_inbox_offers_the_exception(
        self, client: Client, rule: Rule, endless: Instance, scientist: User
    ) -> None:
        tick()
        said = inbox(client, scientist)
        assert "Policy “GPU at most 8 h” will stop endless" in said
        assert f"/policies/{rule.pk}/exceptions/{endless.pk}/" in said

    def test_the_page_of_the_instance_says_so_too(
        self, client: Client, endless: Instance, scientist: User
    ) -> None:
        tick()
        client.force_login(scientist)
        said = client.get(endless.get_absolute_url()).content.decode()
        assert "is going to stop this run" in said
        assert "This run has no end; the limit is 8 h." in said
        Instance.objects.filter(pk=endless.pk).update(status="STOPPED")
        said = client.get(endless.get_absolute_url()).content.decode()
        assert "is going to stop this run" not in said


class TestStopped:
    def test_the_owner_hears_which_policy_stopped_it_and_why(
        self,
        client: Client,
        endless: Instance,
        scientist: User,
        clock: time_machine.Traveller,
    ) -> None:
        tick()
        clock.shift(60 * MINUTE)
        tick()
        ends(endless, Edit.objects.get())
        tick()
        assert told(kind="stopped") == [("page", "stopped", None, "sent")]
        said = inbox(client, scientist)
        assert "Policy “GPU at most 8 h” stopped endless" in said
        assert "The maximum run time is 8 h. Money." in said

    def test_the_owner_hears_who_stopped_it(
        self, client: Client, operator: User, scientist: User
    ) -> None:
        one = make_instance(name="mine")
        ends(one, stop_by(operator, one))
        planning.plan()
        planning.plan()
        assert told() == [("page", "stopped", None, "sent")]
        assert "operator stopped mine" in inbox(client, scientist)

    def test_those_of_one_bulk_edit_are_one_message(
        self, client: Client, operator: User, scientist: User
    ) -> None:
        batch = EditBatch.objects.create(actor=operator, confirmed_at=timezone.now())
        mine = [make_instance() for _ in range(3)]
        other = make_instance(owner_name="li.wei", owner_id="l")
        for one in (*mine, other):
            ends(one, stop_by(operator, one, batch))
            planning.plan()
        assert told(person=scientist) == [("page", "stopped", None, "sent")]
        assert "operator stopped 3 of your instances" in inbox(client, scientist)

    def test_not_of_what_one_has_stopped_oneself_or_does_not_want_to_hear(
        self, operator: User, scientist: User
    ) -> None:
        one, other = make_instance(), make_instance()
        ends(one, stop_by(scientist, one))
        prefer(scientist, on_stopped=False)
        ends(other, stop_by(operator, other))
        planning.plan()
        assert not told()

    def test_the_reminder_of_the_stop_says_who_was_earlier(
        self, client: Client, operator: User, scientist: User
    ) -> None:
        one = make_instance(stops_in=600)
        planning.plan()
        ends(one, stop_by(operator, one))
        planning.plan()
        assert told(kind="stop") == [("page", "stop", 15, "cancelled")]
        said = inbox(client, scientist)
        assert "No longer due: stopped by operator." in said
        assert "the stop was moved or removed" not in said


class TestExceptions:
    @pytest.fixture
    def asked(self, rule: Rule, endless: Instance, scientist: User) -> RuleException:
        return services.ask_exception(
            rule=rule,
            instance=endless,
            actor=scientist,
            until=NOON + timedelta(days=3),
            reason="The evaluation.",
        )

    def test_those_who_decide_hear_of_a_request(
        self,
        client: Client,
        asked: RuleException,
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
        said = inbox(client, operator)
        assert "requests an exception for endless" in said
        assert "Reason: The evaluation." in said
        assert "exception request" in said, "beside Policies in the navigation"

    def test_who_asked_hears_the_answer(
        self, client: Client, asked: RuleException, operator: User, scientist: User
    ) -> None:
        planning.plan()
        services.decide_exception(
            exception=asked, actor=operator, approve=True, answer="Until Thursday."
        )
        planning.plan()
        planning.plan()
        assert told(kind="request", person=operator) == [
            ("page", "request", None, "cancelled")
        ]
        assert told(kind="answer") == [("page", "answer", None, "sent")]
        said = inbox(client, scientist)
        assert "Your exception for endless was approved" in said
        assert "Answer: Until Thursday." in said

    def test_one_s_own_decision_is_no_news(
        self, rule: Rule, endless: Instance, operator: User
    ) -> None:
        services.ask_exception(
            rule=rule,
            instance=endless,
            actor=operator,
            until=NOON + timedelta(days=3),
            reason="A fair.",
        )
        planning.plan()
        assert not told(kind="answer") + told(kind="request")
