"""Reminders of auto-stops: recipients, repetition, cancellation, cost."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import CloudUser, User
from dashboard.accounts.teams import save_team
from dashboard.instances.models import Instance
from dashboard.reminders import expiry, planning
from dashboard.reminders.expiry import KEPT
from dashboard.reminders.models import Channel, Preferences, Reminder
from dashboard.reminders.planning import plan
from tests.factories import make_cloud, make_instance
from tests.instances.pages import add_edit

from .conftest import created, prefer

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


class TestStops:
    def test_the_owner_is_notified_in_the_page_by_default(
        self, scientist: User
    ) -> None:
        stops(50)
        plan(NOW)
        assert created(person=scientist) == [("page", "stop", 60, "sent")]

    def test_nobody_else_is(self, scientist: User, stranger: User, admin: User) -> None:
        stops(50)
        plan(NOW)
        assert set(Reminder.objects.values_list("person", flat=True)) == {scientist.pk}

    @pytest.mark.parametrize(
        ("left", "lead"),
        [(61, None), (60, 60), (16, 60), (15, 15), (0.5, 15), (0, None)],
    )
    def test_only_the_shortest_lead_time_reached_counts(
        self, scientist: User, left: float, lead: int | None
    ) -> None:
        stops(left)
        plan(NOW)
        assert [row[2] for row in created()] == ([lead] if lead else [])

    def test_each_lead_time_notifies_once(self, scientist: User) -> None:
        stops(60)
        for minute in range(0, 60, 5):
            plan(NOW + minute * MINUTE)
        assert [row[2] for row in created()] == [60, 15]

    def test_a_stop_time_some_seconds_off_is_the_same_stop(
        self, scientist: User
    ) -> None:
        instance = stops(50)
        plan(NOW)
        move(instance, 50, wobble_ms=4_000)
        plan(NOW)
        assert created() == [("page", "stop", 60, "sent")]

    def test_a_stop_that_moves_notifies_again(self, scientist: User) -> None:
        instance = stops(50)
        plan(NOW)
        move(instance, 55)
        plan(NOW)
        assert created() == [
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
    def test_a_stop_that_is_gone_cancels_its_reminders(
        self, by_mail: Preferences, change: dict[str, Any]
    ) -> None:
        instance = stops(50)
        plan(NOW)
        Instance.objects.filter(pk=instance.pk).update(**change)
        plan(NOW)
        assert {row[3] for row in created()} == {"cancelled"}

    def test_an_instance_missing_for_a_moment_keeps_its_reminders(
        self, by_mail: Preferences
    ) -> None:
        instance = stops(50)
        plan(NOW)
        Instance.objects.update(missing_since=NOW)
        plan(NOW)
        Instance.objects.filter(pk=instance.pk).update(missing_since=None)
        plan(NOW)
        assert sorted(row[::3] for row in created()) == [
            ("mail", "waiting"),
            ("page", "sent"),
        ]

    def test_a_reminder_not_sent_in_time_is_dropped(self, by_mail: Preferences) -> None:
        stops(10)
        plan(NOW)
        plan(NOW + 11 * MINUTE)
        assert ("mail", "stop", 15, "dropped") in created()


class TestScopes:
    @pytest.mark.parametrize(
        ("settings", "names"),
        [
            ({"scope": "all"}, {"mine", "other", "far"}),
            ({"scope": "owner", "owner": "tom.becker"}, {"other", "far"}),
            ({"scope": "cloud"}, {"far"}),
            ({"scope": "team"}, {"other", "far"}),
            ({"scope": "mine"}, set()),
        ],
    )
    def test_an_operator_chooses(
        self, operator: User, settings: dict[str, Any], names: set[str]
    ) -> None:
        far = make_cloud("far")
        if settings["scope"] == "cloud":
            settings = settings | {"cloud": far}
        if settings["scope"] == "team":
            team = save_team(name="Vision", owners=["t"], workspaces=["1"], actor=None)
            settings = settings | {"team": team}
        prefer(operator, stops_only_mine=False, **settings)
        stops(10, name="mine")
        stops(10, name="other", owner_name="tom.becker", owner_id="t")
        stops(10, name="far", owner_name="tom.becker", owner_id="t", cloud=far)
        plan(NOW)
        notified = Reminder.objects.values_list("instance__name", flat=True)
        assert set(notified) == names

    def test_a_deputy_stands_in_for_owners_without_an_account(
        self, scientist: User, stranger: User
    ) -> None:
        owners = ["tom.becker", "nobody.knows"]
        save_team(name="Vision", deputy=scientist, owners=owners, actor=None)
        stops(10, name="toms", owner_name="tom.becker", owner_id="t")
        stops(10, name="nobodys", owner_name="nobody.knows", owner_id="n")
        plan(NOW)
        reminders = Reminder.objects.order_by("pk")
        assert {*reminders.values_list("person__username", "instance__name")} == {
            ("stranger", "toms"),
            ("scientist", "nobodys"),
        }

    @pytest.mark.parametrize(
        ("mapped", "names"), [(False, ["bad"]), (True, ["bad", "own"])]
    )
    def test_an_operator_without_settings_receives_failures_and_own_stops(
        self, operator: User, mapped: bool, names: list[str]
    ) -> None:
        if mapped:
            CloudUser.objects.create(account=operator, identifier="tom.becker")
        stops(10, name="good")
        stops(10, name="own", owner_name="tom.becker", owner_id="t")
        make_instance(name="bad", status="START_FAILED", status_since=NOW)
        plan(NOW)
        reminders = Reminder.objects.filter(person=operator)
        assert sorted(reminders.values_list("instance__name", flat=True)) == names

    def test_a_former_operator_receives_only_their_own(self, operator: User) -> None:
        prefer(operator, scope="all")
        User.objects.update(role="scientist")
        stops(10)
        plan(NOW)
        assert created() == []

    def test_deactivated_people_receive_nothing(self, scientist: User) -> None:
        User.objects.update(is_active=False)
        stops(10)
        plan(NOW)
        assert created() == []

    def test_only_an_active_channel_receives_notifications(
        self, channel: Channel
    ) -> None:
        stops(10)
        plan(NOW)
        assert created() == [("webhook", "stop", 15, "waiting")]
        Channel.objects.update(active=False)
        stops(11)
        plan(NOW)
        assert len(created()) == 1

    def test_a_person_mapped_by_id_and_name_is_notified_once(
        self, scientist: User
    ) -> None:
        scientist.cloud_users.create(identifier="a" * 32)
        stops(10)
        plan(NOW)
        assert len(created()) == 1


class TestQuietHours:
    def quiet(self, by_mail: Preferences, minutes: float) -> None:
        here = NOW.astimezone(by_mail.zone)
        by_mail.quiet_from = (here - MINUTE).time()
        by_mail.quiet_until = (here + minutes * MINUTE).time()
        by_mail.save()

    def test_quiet_hours_delay_mail_but_not_the_page(
        self, by_mail: Preferences
    ) -> None:
        self.quiet(by_mail, 30)
        stops(50)
        plan(NOW)
        mail = Reminder.objects.get(medium="mail")
        assert mail.due_at == NOW + 30 * MINUTE
        assert Reminder.objects.get(medium="page").state == "sent"

    def test_mail_delayed_beyond_the_stop_is_dropped(
        self, by_mail: Preferences
    ) -> None:
        self.quiet(by_mail, 120)
        stops(50)
        plan(NOW)
        plan(NOW + 51 * MINUTE)
        mail = Reminder.objects.get(medium="mail")
        assert (mail.state, mail.tries) == ("dropped", 0)
        assert "Too late" in str(mail.note)

    def test_quiet_hours_need_a_start_and_an_end(self, by_mail: Preferences) -> None:
        by_mail.quiet_from = time(0)
        assert by_mail.quiet_hours_end(NOW) is None


def test_old_reminders_are_deleted(scientist: User) -> None:
    stops(50)
    plan(NOW)
    plan(NOW + KEPT + MINUTE)
    assert created() == []


@pytest.mark.parametrize("number", [3, 12])
def test_queries_do_not_grow_with_the_fleet(
    by_mail: Preferences,
    operator: User,
    channel: Channel,
    number: int,
    django_assert_max_num_queries: Any,
) -> None:
    prefer(operator, scope="all", lead_times=[1440], stops_only_mine=False)
    for count in range(number):
        instance = stops(50)
        make_instance(status="START_FAILED", status_since=NOW)
        add_edit(instance, operator, key=str(count), state="failed", finished_at=NOW)
    # Late stops, silence, schedules, overrides, questions and budgets need one each,
    # and PostgreSQL one more for the lock.
    with django_assert_max_num_queries(51 + (connection.vendor == "postgresql")):
        written = plan(NOW)
    # The admin who created the channel receives failures as well.
    assert written == number * (2 + 1 + 1) + number * 5 + number * 2
    with django_assert_max_num_queries(43):
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
            rows += len(re.findall(r":(?:page|mail):stop:[\d:]+'", sql))
            most = max(most, rows)
        elif inside:
            # The whole fleet is compared before the transaction.
            assert "instances_instance" not in sql.partition("WHERE")[0]
        elif sql.startswith("UPDATE") and "cancelled" in sql:
            [keys] = re.findall(r'"id" IN \(([\d, ]+)\)', sql)
            most = max(most, keys.count(",") + 1)
    # Of each of the two media one list.
    assert Reminder.objects.count() == 20 + 2
    assert set(Reminder.objects.values_list("state", flat=True)) == {"cancelled"}
    assert most == 4


def test_two_planners_create_one_reminder_of_a_stop(
    scientist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = stops(50)
    write = planning.write

    def overtaken(new: list[Reminder], now: datetime) -> int:
        monkeypatch.setattr(planning, "write", write)
        move(instance, 50, wobble_ms=3_000)
        assert plan(NOW) == 1
        return write(new, now)

    monkeypatch.setattr(planning, "write", overtaken)
    assert plan(NOW) == 0
    assert created() == [("page", "stop", 60, "sent")]
