"""Unknown parameters and values are rejected everywhere."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from dashboard.accounts.models import CloudUser, User
from dashboard.instances.models import Instance
from tests.factories import make_instance

from .conftest import Program
from .test_document import DOCUMENT

ProblemCheck = Callable[..., Any]

OPERATIONS = [
    (method, path.removeprefix("/api/v1"))
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
]
_SCHEDULE = {"name": "x", "time_zone": "UTC", "working_times": []}
BODIES: dict[str, Any] = {
    "preview_bulk": {"selection": {"query": ""}, "action": "off"},
    "confirm_bulk": {"preview": "x"},
    "approve_bulk": {"preview": "x"},
    "extend_instance": {},
    "create_schedule": _SCHEDULE,
    "replace_holidays": {"days": {}},
    "replace_schedule": _SCHEDULE,
    "switch_schedule": {"mode": "off"},
    "move_schedule": {"to": "up"},
    "answer_question": {"needed": True},
    "set_override": {"kind": "skip"},
    "set_price": {
        **{"flavor": "x", "running": "1", "currency": "EUR"},
        "valid_from": "2026-12-01",
    },
}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_unknown_parameter(
    asks: Program, instance: Instance, problem: ProblemCheck, method: str, path: str
) -> None:
    where = path.format(
        cloud=instance.cloud.name,
        instance_id=instance.instance_id,
        edit_id=uuid4(),
        batch_id=uuid4(),
        schedule_id=1,
        calendar="Home",
        question_id=1,
        price_id=1,
    )
    operation = DOCUMENT["paths"][f"/api/v1{path}"][method]
    body = BODIES.get(operation["operationId"], {} if method == "patch" else None)
    response = asks(method, f"{where}?stauts=RUNNING", body)
    content = problem(response, 422, "invalid")
    assert [item["field"] for item in content["errors"]] == ["stauts"]


@pytest.mark.parametrize("act", ["start", "stop", "restart"])
def test_a_body_that_nothing_reads(
    asks: Program, instance: Instance, problem: ProblemCheck, act: str
) -> None:
    path = f"/instances/{instance.reference}/{act}"
    for body in ({"auto_stop_hours": 4}, []):
        problem(asks("post", path, body), 422, "invalid")
    assert asks("post", path, "x").status_code in {400, 422}
    assert not instance.edits.exists()


@pytest.mark.parametrize("path", ["/instances", "/due"])
@pytest.mark.parametrize(
    "name", ["status", "owner", "team", "cloud", "workspace", "flavor", "tag"]
)
def test_a_value_that_nobody_has_seen(
    asks: Program, instance: Instance, problem: ProblemCheck, path: str, name: str
) -> None:
    response = asks("get", f"{path}?{name}=NONSENSE")
    body = problem(response, 422, "invalid")
    assert [item["field"] for item in body["errors"]] == [name]


def test_moments_beyond_the_calendar_find_nothing_or_are_refused(
    asks: Program, instance: Instance
) -> None:
    for moment in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        for name in ("stops_from", "stops_before"):
            response = asks("get", f"/instances?{name}={moment}")
            assert response.status_code in {200, 422}, response.content


def test_a_list_with_commas_is_one_unknown_value(
    asks: Program, instance: Instance, problem: ProblemCheck
) -> None:
    response = asks("get", "/instances?status=RUNNING,STOPPED")
    error = problem(response, 422, "invalid")
    assert "Send each value separately." in error["detail"]


def test_the_query_of_a_bulk_change_is_checked_too(
    asks: Program, instance: Instance, problem: ProblemCheck
) -> None:
    body = {"selection": {"query": "owner=ana.schmidt"}, "action": "off"}
    content = problem(asks("post", "/bulk", body), 422, "invalid")
    assert content["errors"][0]["field"] == "owner"


@pytest.mark.parametrize(
    "query",
    [
        *("status=stop_queuing", "status=deleted", "status=missing"),
        *("owner=mei.tanaka", "owner=", "workspace=7"),
    ],
)
def test_known_values_may_match_nothing(
    asks: Program, instance: Instance, scientist: User, query: str
) -> None:
    CloudUser.objects.create(account=scientist, identifier="mei.tanaka")
    make_instance(status="STOP_QUEUING", workspace_id="7")
    asks.get(f"/instances?q=nowhere&{query}")
