"""Costs, runs and savings as programs read them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dashboard.accounts.models import CloudUser, Team, User
from dashboard.costs.models import Gap, Run
from tests.factories import make_cloud, make_run

from .conftest import NOW, Program, Programs
from .costs import DAYS, GPU, ProblemCheck, at, get, price

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_november")]


def test_hours_and_costs_of_a_week(asks: Program) -> None:
    price()
    first = make_run(started_at=at(10, 8), hours=2)
    make_run(started_at=at(10, 20), hours=1, instance=first.instance, ended_by="person")
    found = get(asks, "/costs")
    assert (found["since"], found["until"]) == ("2026-11-09", "2026-11-15")
    assert (found["time_zone"], found["by"]) == ("UTC", "owner")
    assert found["as_of"] == "2026-11-20T12:00:00Z"
    assert (found["trend"], found["gaps"]) == (None, [])
    (line,) = found["lines"]
    assert (line.pop("key"), line.pop("label")) == ("anna.schmidt", "anna.schmidt")
    assert line.pop("share") == 1
    assert line == found["total"]
    # Stopped from 10 to 20 on Tuesday, and from 21 to the end of Sunday.
    assert line == {
        "running_hours": 3,
        "stopped_hours": 133,
        "unknown_hours": 0,
        "cost": {"EUR": "72.50"},
        "stopped_cost": {"EUR": "66.50"},
        "unpriced_hours": 0,
        "unpriced_stopped_hours": 0,
        "average_run_hours": 1.5,
        "ended": dict.fromkeys(Run.EndedBy.values, 0) | {"auto_stop": 1, "person": 1},
    }


def test_what_has_no_price_costs_nothing_known(asks: Program) -> None:
    make_run(started_at=at(10, 8), hours=2)
    total = get(asks, "/costs")["total"]
    assert (total["cost"], total["unpriced_hours"]) == ({}, 2)
    (run,) = get(asks, "/runs")["items"]
    assert (run["cost"], run["unpriced_hours"]) == ({}, 2)
    saved = get(asks, "/savings")["total"]
    assert (saved["cost"], saved["hours"]) == ({}, saved["unpriced_hours"])
    assert saved["hours"] == 16


def test_currencies_stand_side_by_side(asks: Program) -> None:
    price("2", stopped=None)
    price("3.333334", stopped=None, cloud="far", currency="CNY")
    make_run(started_at=at(10, 8), hours=2)
    make_run(started_at=at(10, 8), hours=0.5, cloud=make_cloud("far"))
    found = get(asks, "/costs", f"{DAYS}&by=cloud")
    assert found["total"]["cost"] == {"CNY": "1.666667", "EUR": "4.00"}
    assert [line["cost"] for line in found["lines"]] == [
        {"EUR": "4.00"},
        {"CNY": "1.666667"},
    ]


def test_gaps_are_unknown(asks: Program) -> None:
    run = make_run(started_at=at(10, 8), hours=4)
    gap = Gap.objects.create(
        cloud=run.instance.cloud, since=at(10, 9), until=at(10, 10.5)
    )
    found = get(asks, "/costs")
    total = found["total"]
    assert (total["running_hours"], total["unknown_hours"]) == (2.5, 1.5)
    assert found["gaps"] == [
        {
            "cloud": gap.cloud.name,
            "since": "2026-11-10T09:00:00Z",
            "until": "2026-11-10T10:30:00Z",
        }
    ]
    (listed,) = get(asks, "/runs")["items"]
    assert (listed["running_hours"], listed["unknown_hours"]) == (2.5, 1.5)


@pytest.mark.parametrize(("step", "number"), [("day", 14), ("week", 2)])
def test_the_trend_adds_up_to_the_total(asks: Program, step: str, number: int) -> None:
    price()
    for day in (3, 9, 12):
        make_run(started_at=at(day, 22), hours=5)
    days = "since=2026-11-02&until=2026-11-15"
    found = get(asks, "/costs", f"{days}&step={step}")
    trend, total = found["trend"], found["total"]
    assert len(trend) == number
    assert trend[0]["first_day"] == "2026-11-02"
    assert sum(item["running_hours"] for item in trend) == total["running_hours"] == 15
    amounts = [Decimal(item["cost"].get("EUR", "0")) for item in trend]
    assert sum(amounts) == Decimal(total["cost"]["EUR"])


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("period=this_week", "2026-11-16", "2026-11-22"),
        ("period=last_week", "2026-11-09", "2026-11-15"),
        ("period=last_month", "2026-10-01", "2026-10-31"),
        ("period=this_month", "2026-11-01", "2026-11-30"),
        ("", "2026-11-01", "2026-11-30"),
    ],
)
def test_periods_have_names(asks: Program, query: str, since: str, until: str) -> None:
    for path in ("/costs", "/runs", "/savings"):
        found = get(asks, path, query)
        assert (found["since"], found["until"]) == (since, until)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("period=yesterday", "period"),
        (f"period=last_week&{DAYS}", "period"),
        ("since=2026-11-09", "until"),
        ("until=2026-11-09", "since"),
        ("since=09.11.2026&until=2026-11-10", "since"),
        ("since=2026-11-09&until=2026-11-08", "until"),
        ("since=2025-11-09&until=2026-11-10", "until"),
        ("since=0001-01-01&until=0001-01-02", "since"),
        ("since=9999-12-31&until=9999-12-31", "until"),
        ("owner=nobody", "owner"),
        ("owner=!anna.schmidt", "owner"),
        ("cloud=nowhere", "cloud"),
        ("flavor=none", "flavor"),
        ("workspace=none", "workspace"),
        ("tag=none", "tag"),
        ("team=none", "team"),
    ],
)
def test_what_is_wrong_is_named(
    asks: Program, problem: ProblemCheck, query: str, field: str
) -> None:
    make_run(started_at=at(10))
    for path in ("/costs", "/runs", "/savings"):
        errors = problem(asks("get", f"{path}?{query}"), 422, "invalid")["errors"]
        assert field in {error["field"] for error in errors}


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/costs", "by=size", "by"),
        ("/costs", "by=tag", "tag_key"),
        ("/costs", "tag_key=team", "tag_key"),
        ("/costs", "step=hour", "step"),
        ("/costs", "page=2", "page"),
        ("/runs", "by=owner", "by"),
        ("/runs", "instance=none", "instance"),
        ("/runs", "ended_by=magic", "ended_by"),
        ("/savings", "step=day", "step"),
        ("/prices", "cloud=demo", "cloud"),
    ],
)
def test_each_address_has_its_parameters(
    asks: Program, problem: ProblemCheck, path: str, query: str, field: str
) -> None:
    errors = problem(asks("get", f"{path}?{query}"), 422, "invalid")["errors"]
    assert [error["field"] for error in errors] == [field]


def test_by_a_tag(asks: Program) -> None:
    for team, hours in (("vision", 1), ("speech", 2)):
        make_run(started_at=at(10, 8), hours=hours, tags={"team": team})
    make_run(started_at=at(10, 8), hours=3)
    found = get(asks, "/costs", f"{DAYS}&by=tag&tag_key=team")
    assert found["tag_key"] == "team"
    lines = [(line["key"], line["label"]) for line in found["lines"]]
    assert lines == [
        ("", "No tag"),
        ("team=speech", "speech"),
        ("team=vision", "vision"),
    ]
    assert [line["share"] for line in found["lines"]] == [
        0.5,
        pytest.approx(1 / 3, abs=1e-6),
        pytest.approx(1 / 6, abs=1e-6),
    ]
    speech = get(asks, "/costs", f"{DAYS}&tag=team%3Dspeech")
    assert speech["total"]["running_hours"] == 2


def test_filters_narrow_every_answer(asks: Program, operator: User) -> None:
    make_run(started_at=at(10, 8), hours=1)
    other = make_run(
        started_at=at(11, 8),
        hours=3,
        cloud=make_cloud("far"),
        owner_name="li.wei",
        owner_id="b" * 32,
        workspace_id="7",
        flavor="modelarts.vm.cpu",
        tags={"team": "a"},
    )
    team = Team.objects.create(name="Vision")
    mapped = User.objects.create(username="li", role="scientist")
    team.members.add(mapped)
    for person in (mapped, operator):
        CloudUser.objects.create(account=person, identifier=f"li.wei#{person.pk}")
    CloudUser.objects.filter(account=mapped).update(identifier="li.wei")
    CloudUser.objects.filter(account=operator).update(identifier="b" * 32)
    for query in (
        *("cloud=far", "owner=li.wei", f"owner={'b' * 32}", "owner=@me"),
        *("workspace=7", "flavor=modelarts.vm.cpu", "tag=team", "tag=team%3Da"),
        "team=Vision",
    ):
        found = get(asks, "/costs", f"{DAYS}&{query}")
        assert found["total"]["running_hours"] == 3, query
        for path in ("/runs", "/savings"):
            (item,) = get(asks, path, f"{DAYS}&{query}")["items"]
            assert item["instance_id"] == other.instance.instance_id, query


def test_a_property_of_the_past_is_known(asks: Program) -> None:
    run = make_run(started_at=at(10, 8), hours=3, flavor="modelarts.vm.old")
    run.instance.flavor = "modelarts.vm.new"
    run.instance.save()
    found = get(asks, "/costs", f"{DAYS}&flavor=modelarts.vm.old")
    assert found["total"]["running_hours"] == 3


def test_scientists_see_their_own(
    program: Programs, scientist: User, stranger: User, viewer: User
) -> None:
    price()
    make_run(started_at=at(10, 8), hours=1, owner_name="anna.schmidt")
    make_run(started_at=at(10, 8), hours=2, owner_name="b", owner_id="b" * 32)
    for person, hours in ((scientist, 1), (stranger, 0), (viewer, 3)):
        asks = program(person)
        assert get(asks, "/costs")["total"]["running_hours"] == hours
        assert get(asks, "/runs")["count"] == min(hours, 2)
        assert get(asks, "/savings")["total"]["stops"] == min(hours, 2)
        assert get(asks, "/runs", f"{DAYS}&owner=@me")["count"] == (hours == 1)
        assert len(asks.get("/prices")["items"]) == 1


def test_runs_are_listed_with_what_is_known(asks: Program, operator: User) -> None:
    price()
    run = make_run(
        **{"started_at": at(8, 22), "hours": 4, "started_known": "unknown"},
        **{"ended_known": "between", "ended_by": "schedule", "has_end": None},
        **{"ended_by_name": "Nights", "tags": {"team": "a"}, "name": "train"},
    )
    by_person = make_run(
        started_at=at(9, 22), hours=4, ended_by="person", ended_by_person=operator
    )
    make_run(started_at=at(16), hours=1)
    found = get(asks, "/runs", "period=last_week")
    assert (found["count"], found["page"], found["pages"]) == (2, 1, 1)
    second, first = found["items"]
    assert (second["ended_by"], second["ended_by_name"]) == ("person", "operator")
    assert second["instance_id"] == by_person.instance.instance_id
    # Only the two hours on Monday are in the period.
    assert first == {
        "cloud": "demo",
        "instance_id": run.instance.instance_id,
        "name": "train",
        "owner": {"id": "a" * 32, "name": "anna.schmidt"},
        "workspace_id": "0",
        "flavor": GPU,
        "tags": {"team": "a"},
        "started_at": "2026-11-08T22:00:00Z",
        "start_known": "unknown",
        "ended_at": "2026-11-09T02:00:00Z",
        "end_known": "between",
        "had_auto_stop": None,
        "ended_by": "schedule",
        "ended_by_name": "Nights",
        "edit": None,
        "next_started_at": None,
        "running_hours": 2,
        "unknown_hours": 0,
        "cost": {"EUR": "4.00"},
        "unpriced_hours": 0,
    }


def test_an_open_run_counts_until_now(asks: Program) -> None:
    make_run(started_at=NOW - timedelta(hours=5), ended_at=None)
    (run,) = get(asks, "/runs", "period=this_week")["items"]
    assert (run["running_hours"], run["ended_at"], run["ended_by"]) == (5, None, None)


def test_runs_of_an_instance_and_by_their_end(asks: Program) -> None:
    run = make_run(started_at=at(10, 8), hours=1, ended_by="person")
    make_run(started_at=at(12, 8), hours=1, instance=run.instance)
    make_run(started_at=at(11, 8), hours=1)
    of_instance = f"{DAYS}&instance={run.instance.instance_id}"
    started = [item["started_at"] for item in get(asks, "/runs", of_instance)["items"]]
    assert started == ["2026-11-12T08:00:00Z", "2026-11-10T08:00:00Z"]
    assert get(asks, "/runs", f"{of_instance}&ended_by=person")["count"] == 1
    assert get(asks, "/runs", f"{DAYS}&ended_by=auto_stop")["count"] == 2


def test_runs_come_in_pages(asks: Program, django_assert_max_num_queries: Any) -> None:
    instance = make_run(started_at=at(9), hours=1).instance
    for hour in range(2, 60, 2):
        make_run(started_at=at(9, hour), hours=1, instance=instance)
    with django_assert_max_num_queries(14):
        first = get(asks, "/runs")
    assert (first["count"], first["pages"], len(first["items"])) == (30, 2, 25)
    second = get(asks, "/runs", f"{DAYS}&page=2")
    assert len(second["items"]) == 5
    assert get(asks, "/runs", f"{DAYS}&page=3")["items"] == []
    both = first["items"] + second["items"]
    assert len({item["started_at"] for item in both}) == 30


def test_savings_with_their_evidence(asks: Program) -> None:
    price()
    run = make_run(started_at=at(10, 8), hours=2)
    make_run(started_at=at(10, 14), hours=2, instance=run.instance, ended_by="schedule")
    make_run(started_at=at(11, 8), hours=1, ended_by="person")
    make_run(started_at=at(12, 8), hours=1, ended_known="between")
    found = get(asks, "/savings")
    assert found["most_hours"] == 16
    assert set(found["by"]) == {"auto_stop", "schedule", "policy", "curfew"}
    # Four hours until the next start; nothing about the stop in a gap.
    assert found["by"]["auto_stop"] == {
        "stops": 2,
        "hours": 4,
        "cost": {"EUR": "6.00"},
        "unpriced_hours": 0,
        "hours_without_stopped_price": 0,
        "unknown_stops": 1,
    }
    assert found["by"]["schedule"]["hours"] == 16
    assert found["total"]["hours"] == 20
    unknown, limit, next_start = found["items"]
    assert (unknown["because"], unknown["until"]) == ("unknown", None)
    assert (unknown["hours"], unknown["unpriced_hours"]) == (None, None)
    assert (limit["because"], limit["until"]) == ("limit", "2026-11-11T08:00:00Z")
    assert (next_start["because"], next_start["hours"]) == ("next_start", 4)
    assert next_start["cost"] == {"EUR": "6.00"}
    assert next_start["until"] == next_start["next_started_at"]
    known = [item["hours"] for item in found["items"] if item["hours"] is not None]
    assert sum(known) == found["total"]["hours"]
