"""The page of savings."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.costs.models import Run
from tests.factories import make_instance, make_run

from .pages import GPU, LAST_WEEK, at, number, price, tables

pytestmark = pytest.mark.usefixtures("_now")

PAGE = reverse("costs:savings")
EndedBy = Run.EndedBy


@pytest.fixture
def reader(client: Client, viewer: User) -> Client:
    client.force_login(viewer)
    return client


@pytest.fixture
def _stops(db: None) -> None:
    """Stops by auto-stop, a schedule and a person, and one in a gap."""
    price(GPU, "2.11")
    instance = make_instance(status="STOPPED", first_seen_at=at(1))
    make_run(instance=instance, started_at=at(9, 8), hours=2)
    # Ten hours later.
    make_run(
        instance=instance,
        started_at=at(9, 20),
        hours=1,
        ended_by=EndedBy.SCHEDULE,
        ended_by_name="Nights",
    )
    # More than the longest assumed.
    make_run(instance=instance, started_at=at(11, 8), hours=1, ended_by=EndedBy.PERSON)
    make_run(
        instance=instance, started_at=at(12, 8), hours=1, ended_known=Run.Known.BETWEEN
    )


@pytest.mark.usefixtures("_stops")
def test_savings_are_those_of_their_evidence(reader: Client) -> None:
    found = tables(reader.get(f"{PAGE}?{LAST_WEEK}"))
    *kinds, total = found.table("Avoided hours")[1:]
    evidence = found.table("Each stop")[1:]
    assert [[cell.text for cell in row[:4]] for row in [*kinds, total]] == [
        ["Auto-stop", "2", "10.0", "21.00 EUR"],
        ["Schedule", "1", "16.0", "33.60 EUR"],
        ["Policy", "0", "0.0", "\N{EN DASH}"],
        ["Curfew", "0", "0.0", "\N{EN DASH}"],
        ["Total", "3", "26.0", "54.60 EUR"],
    ]
    assert sum(number(row[6].text) for row in evidence) == number(total[2].text)
    by_schedule = next(row for row in evidence if "Schedule: Nights" in row[3].text)
    assert by_schedule[4].text == "11 Nov 2026, 08:00 UTC"
    assert by_schedule[5].text == "10 Nov 2026, 13:00 UTC longest time assumed"


@pytest.mark.usefixtures("_stops")
def test_what_is_unknown_stays_unknown(reader: Client) -> None:
    response = reader.get(f"{PAGE}?{LAST_WEEK}")
    row = tables(response).table("Each stop")[1]
    assert [cell.text for cell in row[5:]] == ["Unknown", "\N{EN DASH}", "\N{EN DASH}"]
    assert "1 of these stops happened between two looks" in response.content.decode()


@pytest.mark.usefixtures("_stops")
def test_the_assumption_stands_beside_the_number(reader: Client, settings: Any) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"savings_max_hours": 4})
    response = reader.get(f"{PAGE}?{LAST_WEEK}")
    html = " ".join(response.content.decode().split())
    assert "at most 4 h (<code>CURFEW_SAVINGS_MAX_HOURS</code>)" in html
    assert tables(response).table("Avoided hours")[-1][2].text == "8.0"


@pytest.mark.usefixtures("_stops")
def test_scientists_see_what_their_own_stops_saved(
    client: Client, stranger: User, scientist: User
) -> None:
    client.force_login(stranger)
    assert "Nothing saved" in client.get(f"{PAGE}?{LAST_WEEK}").content.decode()
    client.force_login(scientist)
    assert "54.60" in client.get(f"{PAGE}?{LAST_WEEK}").content.decode()


def test_nothing_saved(reader: Client) -> None:
    assert "No runs yet" in reader.get(PAGE).content.decode()
    make_run(started_at=at(10), ended_by=EndedBy.PERSON)
    html = reader.get(f"{PAGE}?{LAST_WEEK}").content.decode()
    assert "Nothing saved in this period" in html
