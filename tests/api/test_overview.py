"""What stops soon, clouds, oneself, audit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.web.stored_messages import verbatim
from tests.factories import make_cloud, make_instance

from .conftest import Programs

Judge = Callable[..., Any]
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def _noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


def buckets(told: Any) -> dict[str, list[str]]:
    return {
        bucket["bucket"]: [one["name"] for one in bucket["items"]]
        for bucket in told["buckets"]
    }


@pytest.mark.usefixtures("_noon")
def test_what_stops_soon_in_the_buckets_of_the_page(
    program: Programs, viewer: User
) -> None:
    make_instance(name="late", stops_in=-600)
    make_instance(name="soon", stops_in=600)
    make_instance(name="hour", stops_in=3_000)
    make_instance(name="evening", stops_in=11 * 3600 + 1800)
    make_instance(
        name="no_auto_stop", stops_at=None, auto_stop_enable=False, stops_in=None
    )
    make_instance(name="tom's", stops_in=600, owner_name="tom.becker")
    asks = program(viewer)
    told = asks.get("/due?owner=anna.schmidt")
    assert buckets(told) == {
        "overdue": ["late"],
        "quarter": ["soon"],
        "hour": ["hour"],
        "today": ["evening"],
        "later": [],
        "no_auto_stop": ["no_auto_stop"],
    }
    # In Berlin it is past midnight by then.
    told = buckets(asks.get("/due?owner=anna.schmidt&time_zone=Europe/Berlin"))
    assert (told["today"], told["later"]) == ([], ["evening"])


@pytest.mark.parametrize(
    "query", ["time_zone=Mars/Base", "time_zone=../etc", "group=colour", "x=1"]
)
def test_what_makes_no_sense_is_refused(
    program: Programs, viewer: User, problem: Judge, query: str
) -> None:
    problem(program(viewer)("get", f"/due?{query}"), 422, "invalid")


def test_the_clouds_and_their_age(program: Programs, viewer: User) -> None:
    now = datetime.now(UTC)
    make_cloud("fresh", refreshed_at=now)
    make_cloud(
        "old", refreshed_at=now - timedelta(hours=1), problem=verbatim("No answer.")
    )
    make_cloud("new", refreshed_at=None)
    told = {one["name"]: one for one in program(viewer).get("/clouds")["items"]}
    assert [told[name]["age"] for name in ("fresh", "old", "new")] == [
        "fresh",
        "stale",
        "stale",
    ]
    assert 3_599 < told["old"]["age_seconds"] < 3_700
    assert told["old"]["problem"] == "No answer."
    assert told["new"]["age_seconds"] is None


def test_oneself(program: Programs, operator: User, viewer: User) -> None:
    told = program(operator).get("/me")
    assert (told["may_bulk"], told["may_read_audit"]) == (True, True)
    told = program(viewer).get("/me")
    assert (told["may_bulk"], told["may_read_audit"]) == (False, False)


@pytest.mark.parametrize("path", ["/due", "/audit?per_page=100", "/clouds"])
def test_a_fixed_number_of_queries(program: Programs, admin: User, path: str) -> None:
    asks = program(admin)

    def queries() -> int:
        asks.get(path)
        with CaptureQueriesContext(connection) as captured:
            asks.get(path)
        return len(captured)

    make_instance(stops_in=100)
    few = queries()
    for number in range(15):
        make_instance(stops_in=100, cloud=make_cloud(f"c{number}"))
        AuditEvent.objects.create(actor=admin, actor_label="a", action="x.y")
    assert queries() == few
    assert few <= 9
