"""What is told to whom, once, and what is taken back."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.accounts.models import CloudUser, User
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Cloud, Instance
from dashboard.reminders import expiry, planning, texts
from dashboard.reminders.expiry import KEPT
from dashboard.reminders.models import Channel, Preferences, Reminder
from dashboard.reminders.planning import FRESH, plan
from tests.factories import make_cloud, make_instance
from tests.instances.pages import add_edit

from .conftest import prefer

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)


def stops(minutes: float, **fields: Any) -> Instance:
    at = NOW + minutes * MINUTE
    return make_instance(
        stops_in=None,
        stops_at=at,
        stop_timestamp_ms=round(at.timestamp() * 1e3),
        run_started_at=NOW - 60 * MINUTE,
        **fields,
    )


def move(instance: Instance, minutes: float, *, wobble_ms: int = 0) -> None:
    at = NOW + minutes * MINUTE
    Instance.objects.filter(pk=instance.pk).update(
        stops_at=at, stop_timestamp_ms=round(at.timestamp() * 1e3) + wobble_ms
    )


def told(**filters: Any) -> list[tuple[str, str, int | None, str]]:
    found = Reminder.objects.filter(**filters).order_by("pk")
    return list(found.values_list("medium", "kind", "lead_minutes", "state"))


class TestStops:
    def test_the_owner_is_told_in_the_page_by_default(self, scientist: User) -> None:
        stops(50)
        plan(NOW)
        assert told(person=scientist) == [("page", "stop", 60, "sent")]

    def test_nobody_else_is(self, scientist: User, stranger: User, admin: User) -> None:
        stops(50)
        plan(NOW)
        assert set(Reminder.objects.values_list("person", flat=True)) == {scientist.pk}

    @pytest.mark.parametrize(
        ("left", "lead"),
        [(61, None), (60, 60), (16, 60), (15, 15), (0.5, 15), (0, None)],
    )
    def test_only_the_nearest_lead_that_has_come(
        self, scientist: User, left: float, lead: int | None
    ) -> None:
        stops(left)
        plan(NOW)
        assert [row[2] for row in told()] == ([lead] if lead else [])

    def test_each_lead_is_told_once(self, scientist: User) -> None:
        stops(60)
        for minute in range(0, 60, 5):
            plan(NOW + minute * MINUTE)
        assert [row[2] for row in told()] == [60, 15]

    def test_a_wobbling_clock_moves_nothing(self, scientist: User) -> None:
        instance = stops(50)
        plan(NOW)
        move(instance, 50, wobble_ms=4_000)
        plan(NOW)
        assert told() == [("page", "stop", 60, "sent")]

    def test_a_stop_that_moves_is_told_anew(self, scientist: User) -> None:
        instance = stops(50)
        plan(NOW)
        move(instance, 55)
        plan(NOW)
        assert told() == [
            ("page", "stop", 60, "cancelled"),
            ("page", "stop", 60, "sent"),
        ]

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "STOPPED", "stops_at": None, "stop_timestamp_ms": None},
            {"stops_at": None, "stop_timestamp_ms": None},
            {"missing_since": NOW},
        ],
    )
    def test_one_that_is_gone_is_taken_back(
        self, by_mail: Preferences, change: dict[str, Any]
    ) -> None:
        instance = stops(50)
        plan(NOW)
        Instance.objects.filter(pk=instance.pk).update(**change)
        plan(NOW)
        assert {row[3] for row in told()} == {"cancelled"}

    def test_one_that_was_missing_for_a_moment_is_told_still(
        self, by_mail: Preferences
    ) -> None:
        instance = stops(50)
        plan(NOW)
        Instance.objects.update(missing_since=NOW)
        plan(NOW)
        Instance.objects.filter(pk=instance.pk).update(missing_since=None)
        plan(NOW)
        assert sorted(row[::3] for row in told()) == [
            ("mail", "waiting"),
            ("page", "sent"),
        ]

    def test_what_was_not_sent_in_time_is_dropped(self, by_mail: Preferences) -> None:
        stops(10)
        plan(NOW)
        plan(NOW + 11 * MINUTE)
        assert ("mail", "stop", 15, "dropped") in told()


class TestScopes:
    @pytest.mark.parametrize(
        ("wants", "names"),
        [
            ({"scope": "all"}, {"mine", "other", "far"}),
            ({"scope": "owner", "owner": "tom.becker"}, {"other", "far"}),
            ({"scope": "cloud"}, {"far"}),
            ({"scope": "mine"}, set()),
        ],
    )
    def test_an_operator_chooses(
        self, operator: User, wants: dict[str, Any], names: set[str]
    ) -> None:
        far = make_cloud("far")
        if wants["scope"] == "cloud":
            wants = wants | {"cloud": far}
        prefer(operator, **wants)
        stops(10, name="mine")
        stops(10, name="other", owner_name="tom.becker", owner_id="t")
        stops(10, name="far", owner_name="tom.becker", owner_id="t", cloud=far)
        plan(NOW)
        found = Reminder.objects.values_list("instance__name", flat=True)
        assert set(found) == names

    @pytest.mark.parametrize(("mapped", "heard"), [(False, ["bad"]), (True, [])])
    def test_an_operator_who_never_chose_hears_of_failures_alone(
        self, operator: User, mapped: bool, heard: list[str]
    ) -> None:
        if mapped:
            CloudUser.objects.create(account=operator, identifier="tom.becker")
        stops(10, name="good")
        make_instance(name="bad", status="START_FAILED", status_since=NOW)
        plan(NOW)
        found = Reminder.objects.filter(person=operator)
        assert list(found.values_list("instance__name", flat=True)) == heard

    def test_who_is_no_operator_any_more_hears_of_their_own(
        self, operator: User
    ) -> None:
        prefer(operator, scope="all")
        User.objects.update(role="scientist")
        stops(10)
        plan(NOW)
        assert told() == []

    def test_the_deactivated_hear_nothing(self, scientist: User) -> None:
        User.objects.update(is_active=False)
        stops(10)
        plan(NOW)
        assert told() == []

    def test_a_channel_and_one_switched_off(self, channel: Channel) -> None:
        stops(10)
        plan(NOW)
        assert told() == [("webhook", "stop", 15, "waiting")]
        Channel.objects.update(active=False)
        stops(11)
        plan(NOW)
        assert len(told()) == 1

    def test_one_person_by_id_and_by_name_is_one(self, scientist: User) -> None:
        scientist.cloud_users.create(identifier="a" * 32)
        stops(10)
        plan(NOW)
        assert len(told()) == 1


class TestFailures:
    def test_an_instance_that_failed_and_recovered(self, scientist: User) -> None:
        failed = make_instance(status="START_FAILED", status_since=NOW)
        plan(NOW)
        plan(NOW + MINUTE)
        assert told() == [("page", "failure", None, "sent")]
        Instance.objects.filter(pk=failed.pk).update(status="RUNNING")
        plan(NOW + 2 * MINUTE)
        assert told() == [("page", "failure", None, "cancelled")]

    def test_each_failure_anew(self, scientist: User) -> None:
        make_instance(status="UNAVAILABLE", status_since=NOW)
        plan(NOW)
        Instance.objects.update(status_since=NOW + MINUTE)
        plan(NOW + MINUTE)
        assert len(told()) == 2

    def test_old_ones_are_no_news(self, scientist: User) -> None:
        make_instance(status="START_FAILED", status_since=NOW - FRESH - MINUTE)
        make_instance(status="START_FAILED", status_since=None)
        plan(NOW)
        assert told() == []

    def test_only_for_those_who_want_it(self, scientist: User) -> None:
        prefer(scientist, on_failure=False, on_failed_edit=False)
        instance = make_instance(status="START_FAILED", status_since=NOW)
        add_edit(instance, scientist, state="failed", finished_at=NOW)
        plan(NOW)
        assert told() == []


class TestEdits:
    def test_whoever_wished_it_is_told_and_the_channel(
        self, scientist: User, operator: User, channel: Channel, instance: Instance
    ) -> None:
        edit = add_edit(instance, operator, state="failed", finished_at=NOW)
        plan(NOW)
        plan(NOW)
        assert told(kind="edit") == [
            ("page", "edit", None, "sent"),
            ("webhook", "edit", None, "waiting"),
        ]
        assert set(
            Reminder.objects.filter(kind="edit").values_list("person", flat=True)
        ) == {operator.pk, None}
        add_edit(instance, operator, seq=2, key="again", retry_of=edit)
        plan(NOW)
        assert {row[3] for row in told(kind="edit")} == {"cancelled"}

    def test_a_batch_is_one_message(self, operator: User, cloud_row: Cloud) -> None:
        batch = EditBatch.objects.create(actor=operator, kind="update")
        for number in range(5):
            one = make_instance()
            state = "conflict" if number % 2 else "failed"
            add_edit(
                one,
                operator,
                key=f"{number}",
                state=state,
                batch=batch,
                finished_at=NOW,
            )
        plan(NOW)
        assert told(kind="edit") == [("page", "edit", None, "sent")]

    def test_what_was_applied_is_no_failure(
        self, operator: User, instance: Instance
    ) -> None:
        add_edit(instance, operator, state="applied", finished_at=NOW)
        plan(NOW)
        assert told(kind="edit") == []
        assert Edit.objects.count() == 1


class TestCorrections:
    """What was said of an edit is corrected by a write that landed late."""

    @pytest.fixture
    def failed(self, instance: Instance, operator: User) -> Edit:
        edit = add_edit(instance, operator, state="failed", finished_at=NOW)
        plan(NOW)
        assert told(kind="edit") == [("page", "edit", None, "sent")]
        return edit

    def test_one_that_failed_and_was_applied_late_is_told_and_the_failure_ends(
        self, scientist: User, operator: User, failed: Edit
    ) -> None:
        Edit.objects.update(
            state="applied", outcome="applied_late", corrected_at=NOW + MINUTE
        )
        plan(NOW + MINUTE)
        plan(NOW + 2 * MINUTE)
        assert told(kind="edit", person=operator) == [
            ("page", "edit", None, "cancelled"),
            ("page", "edit", None, "sent"),
        ]
        correction = Reminder.objects.get(kind="edit", person=operator, state="sent")
        said = texts.notification(correction, zone=ZoneInfo("UTC"), now=NOW + MINUTE)
        assert said.subject == f"A change to {failed.instance} was applied late"
        assert "Applied late: ModelArts made this change after" in said.text
        assert "Retry the change" not in said.text

    def test_the_owner_of_the_instance_is_told_too(
        self, scientist: User, failed: Edit
    ) -> None:
        Edit.objects.update(state="conflict", outcome="restored", corrected_at=NOW)
        plan(NOW)
        assert told(kind="edit", person=scientist) == [("page", "edit", None, "sent")]

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
        assert "The change was applied late." in html, "of the entry that said failed"


class TestQuietHours:
    def quiet(self, by_mail: Preferences, minutes: float) -> None:
        here = NOW.astimezone(by_mail.zone)
        by_mail.quiet_from = (here - MINUTE).time()
        by_mail.quiet_until = (here + minutes * MINUTE).time()
        by_mail.save()

    def test_mail_waits_for_their_end_the_page_does_not(
        self, by_mail: Preferences
    ) -> None:
        self.quiet(by_mail, 30)
        stops(50)
        plan(NOW)
        held = Reminder.objects.get(medium="mail")
        assert held.due_at == NOW + 30 * MINUTE
        assert Reminder.objects.get(medium="page").state == "sent"

    def test_what_comes_too_late_is_dropped(self, by_mail: Preferences) -> None:
        self.quiet(by_mail, 120)
        stops(50)
        plan(NOW)
        plan(NOW + 51 * MINUTE)
        held = Reminder.objects.get(medium="mail")
        assert (held.state, held.tries) == ("dropped", 0)
        assert "Too late" in str(held.note)

    def test_none_without_both_ends(self, by_mail: Preferences) -> None:
        by_mail.quiet_from = time(0)
        assert by_mail.quiet_ends(NOW) is None


def test_what_is_old_is_forgotten(scientist: User) -> None:
    stops(50)
    plan(NOW)
    plan(NOW + KEPT + MINUTE)
    assert told() == []


@pytest.mark.parametrize("number", [3, 12])
def test_queries_do_not_grow_with_the_fleet(
    by_mail: Preferences,
    operator: User,
    channel: Channel,
    number: int,
    django_assert_max_num_queries: Any,
) -> None:
    prefer(operator, scope="all", lead_times=[1440])
    for each in range(number):
        one = stops(50)
        make_instance(status="START_FAILED", status_since=NOW)
        add_edit(one, operator, key=str(each), state="failed", finished_at=NOW)
    # PostgreSQL is asked for the planners' lock, too.
    with django_assert_max_num_queries(29 + (connection.vendor == "postgresql")):
        written = plan(NOW)
    # Of failures the admin who made the channel hears as well.
    assert written == number * (2 + 1 + 1) + number * 5 + number * 2
    with django_assert_max_num_queries(25):
        assert plan(NOW + MINUTE) == 0


def test_no_transaction_is_long(
    by_mail: Preferences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "AT_ONCE", 4)
    for _ in range(10):
        stops(50)
    with CaptureQueriesContext(connection) as captured:
        plan(NOW)
        Instance.objects.update(missing_since=NOW)
        plan(NOW)
    rows, most, inside = 0, 0, False
    for query in captured.captured_queries:
        sql = query["sql"]
        if sql.startswith("SAVEPOINT"):
            rows, inside = 0, True
        elif sql.startswith("RELEASE"):
            inside = False
        elif sql.startswith("INSERT") and "reminders_reminder" in sql:
            assert inside
            rows += sql.count("stop:")
            most = max(most, rows)
        elif inside:
            # Comparing the whole fleet belongs before it.
            assert "instances_instance" not in sql.partition("WHERE")[0]
        elif sql.startswith("UPDATE") and "cancelled" in sql:
            [keys] = re.findall(r'"id" IN \(([\d, ]+)\)', sql)
            most = max(most, keys.count(",") + 1)
    assert Reminder.objects.count() == 20
    assert set(Reminder.objects.values_list("state", flat=True)) == {"cancelled"}
    assert most == 4


def test_two_planners_tell_a_wobbling_stop_once(
    scientist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = stops(50)
    write = planning._write

    def overtaken(new: list[Reminder], now: datetime) -> int:
        monkeypatch.setattr(planning, "_write", write)
        move(instance, 50, wobble_ms=3_000)
        assert plan(NOW) == 1
        return write(new, now)

    monkeypatch.setattr(planning, "_write", overtaken)
    assert plan(NOW) == 0
    assert told() == [("page", "stop", 60, "sent")]
