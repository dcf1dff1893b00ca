"""The audit trail in the API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent

from .conftest import Program, Programs

ProblemCheck = Callable[..., Any]


def test_the_audit_trail(program: Programs, admin: User, viewer: User) -> None:
    asks = program(admin, "audit")
    body = asks.get("/audit?action=token.made")
    (event,) = body["items"]
    assert event["actor"] == "admin"
    assert event["target"] == "laptop of admin"
    assert event["after"]["scopes"] == ["audit"]
    assert asks.get("/audit?person=nobody")["items"] == []
    used = asks.get("/audit?action=token.first_used&since=2026-01-01")
    assert used["items"][0]["via"] == "token laptop"


@pytest.mark.parametrize("role", ["viewer", "scientist"])
def test_the_audit_trail_is_not_everybody_s(
    program: Programs, request: pytest.FixtureRequest, problem: ProblemCheck, role: str
) -> None:
    asks = program(request.getfixturevalue(role))
    problem(asks("get", "/audit"), 403, "forbidden")


@pytest.mark.parametrize(
    "query",
    [
        *("action=x", "outcome=x", "time_zone=Mars/Base"),
        *("since=yesterday", "since=2026-02-30", "until=9999-12-31"),
        # Without an offset; with a plus sign that became a space.
        *("since=2026-11-25T12:00:00", "since=2026-11-25T12:00:00+01:00"),
        "since=0001-01-01T00:00:00%2B14:00",
    ],
)
def test_no_guessing_in_the_audit_trail(
    program: Programs, admin: User, problem: ProblemCheck, query: str
) -> None:
    problem(program(admin)("get", f"/audit?{query}"), 422, "invalid")


@pytest.fixture
def asks(program: Programs, admin: User) -> Program:
    return program(admin)


def at(moment: datetime) -> None:
    with time_machine.travel(moment, tick=False):
        AuditEvent.objects.create(
            actor_label="a", action="x.y", target_label=moment.isoformat()
        )


def found(asks: Program, query: str) -> list[str]:
    items = asks.get(f"/audit?action=x.y&{query}")["items"]
    return [item["target"][11:16] for item in reversed(items)]


def test_timestamps_of_responses_are_accepted(asks: Program) -> None:
    start = datetime(2026, 11, 25, 12, 0, 0, 123_456, tzinfo=UTC)
    for minutes in range(3):
        at(start + timedelta(minutes=minutes))
    moment = asks.get("/audit?action=x.y")["items"][1]["at"]
    assert moment == "2026-11-25T12:01:00.123Z"
    assert found(asks, f"since={moment}") == ["12:01", "12:02"]
    assert found(asks, f"until={moment}") == ["12:00", "12:01"]
    assert found(asks, f"since={moment}&until={moment}") == ["12:01"]
    assert found(asks, "since=2026-11-25T13:01:30%2B01:00") == ["12:02"]


def test_a_day_ends_at_utc_s_midnight_or_that_of_a_zone(asks: Program) -> None:
    for hour in (22, 23):
        at(datetime(2026, 11, 25, hour, 30, tzinfo=UTC))
    assert found(asks, "until=2026-11-25") == ["22:30", "23:30"]
    assert found(asks, "since=2026-11-26") == []
    berlin = "time_zone=Europe/Berlin"
    assert found(asks, f"until=2026-11-25&{berlin}") == ["22:30"]
    assert found(asks, f"since=2026-11-26&{berlin}") == ["23:30"]
