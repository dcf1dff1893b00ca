"""Instances that stop soon, clouds, and the owner of the token."""

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

ProblemCheck = Callable[..., Any]
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def _noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


def lanes(told: Any) -> dict[str, list[str]]:
    return {
        lane["lane"]: [item["name"] for item in lane["items"]] for lane in told["lanes"]
    }


@pytest.mark.usefixtures("_noon")
def test_instances_that_stop_soon_are_in_the_lanes_of_the_page(
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
    content = asks.get("/due?owner=anna.schmidt")
    assert lanes(content) == {
        "now": ["late"],
        "quarter": ["soon"],
        "hour": ["hour"],
        "eight_hours": [],
        "later": ["evening"],
        "never": ["no_auto_stop"],
    }
    assert lanes(asks.get("/due?q=soon&flavor_type=GPU"))["quarter"] == ["soon"]


@pytest.mark.parametrize(
    "query", ["time_zone=Europe/Berlin", "group=flavor", "sort=name", "x=1"]
)
def test_invalid_parameters_are_422(
    program: Programs, viewer: User, problem: ProblemCheck, query: str
) -> None:
    problem(program(viewer)("get", f"/due?{query}"), 422, "invalid")


def test_the_clouds_and_their_age(program: Programs, viewer: User) -> None:
    now = datetime.now(UTC)
    make_cloud("fresh", refreshed_at=now)
    make_cloud(
        "old", refreshed_at=now - timedelta(hours=1), problem=verbatim("No answer.")
    )
    make_cloud("new", refreshed_at=None)
    content = {item["name"]: item for item in program(viewer).get("/clouds")["items"]}
    assert [content[name]["age"] for name in ("fresh", "old", "new")] == [
        "fresh",
        "stale",
        "stale",
    ]
    assert 3_599 < content["old"]["age_seconds"] < 3_700
    assert content["old"]["problem"] == "No answer."
    assert content["new"]["age_seconds"] is None


def test_oneself(program: Programs, operator: User, viewer: User) -> None:
    content = program(operator).get("/me")
    assert (content["may_bulk"], content["may_read_audit"]) == (True, True)
    content = program(viewer).get("/me")
    assert (content["may_bulk"], content["may_read_audit"]) == (False, False)


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
