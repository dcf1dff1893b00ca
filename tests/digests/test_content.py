"""What digests say, to whom, in which language and time zone."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from dashboard.accounts.models import CloudUser, User
from dashboard.accounts.teams import save_team
from dashboard.costs.models import Budget
from dashboard.digests import mails
from dashboard.digests.weeks import last_week, zone_of
from tests.factories import make_instance, make_run

from .conftest import DAY, HOUR, MONDAY, make_price, ran


def lines(person: User) -> list[str]:
    """The lines of the plain text of the mail that is due; none without a mail."""
    person = User.objects.get(pk=person.pk)
    now = timezone.now()
    mail = mails.write(person, last_week(zone_of(person), now), now)
    return str(mail.body).splitlines() if mail else []


def test_own_runs_with_hours_and_cost(anna: User) -> None:
    make_price()
    first = ran(0, hours=3, name="churn")
    ran(2, hours=4, instance=first.instance)
    ran(1, hours=1, name="fraud")
    ran(1, hours=5, name="other", owner_name="li.wei", owner_id="b")
    ran(-3, hours=2, name="earlier")
    found = lines(anna)
    assert found[0] == "Your week in Curfew: Nov. 23, 2026 \N{EN DASH} Nov. 29, 2026"
    for line in (
        "Your instances",
        "Runs: 3",
        "Hours: 8.0 h (week before: 2.0 h)",
        "Cost: 16.00 EUR (week before: 4.00 EUR)",
        "Ended by: Auto-stop 3",
        "What ran longest",
        "- churn: 7.0 h in 2 runs, 14.00 EUR",
        "- fraud: 1.0 h in 1 run, 2.00 EUR",
    ):
        assert line in found
    assert not any("other" in line or "earlier" in line for line in found)


def test_without_a_price_there_is_no_cost(anna: User) -> None:
    ran(0, hours=3, name="churn")
    found = lines(anna)
    assert "No price: 3.0 h" in found
    assert not any(line.startswith("Cost") for line in found)
    assert "- churn: 3.0 h in 1 run" in found


def test_a_week_in_which_nothing_ran_is_empty(anna: User) -> None:
    assert lines(anna) == []
    ran(-2)
    ran(1, owner_name="li.wei", owner_id="b")
    assert lines(anna) == []


def test_what_runs_now_is_told_even_if_the_week_was_empty(anna: User) -> None:
    make_instance(name="endless", stops_at=None, stops_in=None, auto_stop_enable=False)
    assert any(line.startswith("- endless: ") for line in lines(anna))


def test_nights_are_those_of_the_persons_time_zone(anna: User) -> None:
    # From 22:00 UTC to 5:00 UTC: in Berlin the night of Tuesday, exactly.
    ran(0, hour=23, hours=6, name="exact")
    ran(0, hour=23.1, hours=8, name="began late")
    ran(0, hour=20, hours=8.9, name="ended early")
    ran(2, hour=20, hours=60, name="long")
    found = lines(anna)
    start = found.index("Ran through the night")
    assert found[start + 1 : start + 4] == ["- long: 3 nights", "- exact: 1 night", ""]
    anna.time_zone = "America/New_York"
    anna.save()
    assert "- exact: 1 night" not in lines(anna)


@pytest.mark.parametrize(
    ("monday", "begins", "hours", "number"),
    [
        # The night of the 29th of March has five hours, that of the 25th of October
        # seven.
        ("2026-03-30T06:00", "2026-03-28T23:00", 5, 1),
        ("2026-03-30T06:00", "2026-03-28T23:00", 4.9, 0),
        ("2026-10-26T07:00", "2026-10-24T22:00", 7, 1),
        ("2026-10-26T07:00", "2026-10-24T22:00", 6.9, 0),
    ],
)
def test_a_night_in_which_the_clocks_change(
    anna: User,
    clock: time_machine.Traveller,
    monday: str,
    begins: str,
    hours: float,
    number: int,
) -> None:
    clock.move_to(datetime.fromisoformat(monday).replace(tzinfo=UTC))
    started_at = datetime.fromisoformat(begins).replace(tzinfo=UTC)
    make_run(started_at=started_at, hours=hours, name="night")
    assert lines(anna).count("- night: 1 night") == number


def test_what_still_runs_without_an_end_or_for_long_is_named(anna: User) -> None:
    fields: dict[str, Any] = {"stops_in": None, "stops_at": None}
    since = MONDAY - 3 * DAY
    no_auto_stop = make_instance(
        name="endless", auto_stop_enable=False, run_started_at=since, **fields
    )
    make_run(instance=no_auto_stop, started_at=since, ended_at=None, has_end=False)
    make_instance(name="long", run_started_at=MONDAY - 2 * DAY, stops_in=3_600)
    make_instance(name="short", run_started_at=MONDAY - HOUR, stops_in=3_600)
    found = lines(anna)
    start = found.index("Running now: still needed?")
    assert found[start + 1 : start + 4] == [
        "- endless: running since Fri 27 Nov, 08:00, no auto-stop",
        "- long: running since Sat 28 Nov, 08:00",
        "",
    ]


def test_the_fleet_is_for_operators_admins_and_managers(
    anna: User, operator: User, admin: User, manager: User, viewer: User
) -> None:
    make_price()
    ran(0, hours=3, name="churn", owner_name="li.wei", owner_id="b")
    ran(0, hour=20, hours=12, name="night", owner_name="tom", owner_id="c")
    Budget.objects.create(name="All", kind="all", amount=Decimal(100), currency="EUR")
    CloudUser.objects.filter(account=manager).delete()
    for person in (operator, admin, manager):
        found = lines(person)
        for line in (
            "All instances",
            "Runs: 2",
            "Runs through a night: 1",
            "- tom: 12.0 h, 24.00 EUR",
            "- li.wei: 3.0 h, 6.00 EUR",
            "Budgets this month",
        ):
            assert line in found, person
        [budget] = [line for line in found if line.startswith("- All: ")]
        assert budget.startswith("- All: 30%: 30.00 EUR of 100.00 EUR, forecast 30.")
        assert "Your instances" not in found
    assert lines(viewer) == lines(anna) == []


def test_a_deputy_gets_the_team_and_no_link_to_the_report_of_others(
    anna: User, admin: User, viewer: User
) -> None:
    save_team(name="Vision", deputy=anna, owners=["robot"], actor=admin)
    save_team(name="Idle", deputy=anna, actor=admin)
    ran(0, hours=3, name="bot", owner_name="robot", owner_id="b")
    found = lines(anna)
    assert "Team Vision" in found
    assert "- robot: 3.0 h, 3.0 h without a price" in found
    assert "Team Idle" not in found
    assert not any("Open the report" in line for line in found)
    save_team(name="Vision 2", deputy=viewer, owners=["robot"], actor=admin)
    assert any("team=Vision+2" in line for line in lines(viewer))


def test_german_and_chinese(anna: User) -> None:
    make_price()
    ran(0, hours=3, name="churn")
    ran(0, hour=20, hours=20, name="nacht")
    ran(-3, hours=2)
    anna.language = "de"
    anna.save()
    found = lines(anna)
    for line in (
        "Ihre Woche in Curfew: 23. November 2026 \N{EN DASH} 29. November 2026",
        "Stunden: 23,0 h (Woche davor: 2,0 h)",
        "Kosten: 46,00 EUR (Woche davor: 4,00 EUR)",
        "- nacht: 20,0 h in 1 Lauf, 40,00 EUR",
        "- nacht: 1 Nacht",
    ):
        assert line in found
    anna.language = "zh-hans"
    anna.save()
    assert "- nacht\uff1a1 夜" in lines(anna)


def test_days_of_another_zone_are_named(anna: User) -> None:
    ran(3, hours=3)
    assert not any("Europe/Berlin" in line for line in lines(anna))
    anna.time_zone = "America/New_York"
    anna.save()
    assert any("Days are those of Europe/Berlin" in line for line in lines(anna))


def test_names_become_no_links_and_no_lines(anna: User) -> None:
    ran(0, name="https://evil.example/\nBcc: x <b>")
    now = timezone.now()
    mail = mails.write(anna, last_week(zone_of(anna), now), now)
    assert mail
    [html] = [alternative.content for alternative in mail.alternatives]
    for text in (mail.body, html):
        assert "//evil" not in text
        assert "\nBcc" not in text
    assert "<b>" not in html


def test_more_than_five_are_counted(anna: User) -> None:
    for number in range(7):
        ran(0, hours=number + 1, name=f"n{number}")
    found = lines(anna)
    start = found.index("What ran longest")
    assert found[start + 1].startswith("- n6: 7.0 h")
    assert found[start + 6] == "- and 2 more"
