"""Instances, read: list and detail."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import User
from dashboard.api.views.instances import LIST
from dashboard.instances.models import Cloud, FleetVersion, Instance
from tests.factories import make_cloud, make_instance
from tests.instances.pages import add_edit

from .conftest import Programs

MOMENT = datetime(2026, 11, 25, 14, 5, tzinfo=UTC)


def names(told: Any) -> list[str]:
    return [one["name"] for one in told["items"]]


@pytest.mark.parametrize("role", ["viewer", "stranger", "scientist", "operator"])
def test_everybody_sees_the_fleet(
    program: Programs, request: pytest.FixtureRequest, instance: Instance, role: str
) -> None:
    told = program(request.getfixturevalue(role), "read").get("/instances")
    assert (told["count"], told["page"], told["pages"], told["per_page"]) == (
        1,
        1,
        1,
        25,
    )
    (one,) = told["items"]
    assert one["instance_id"] == instance.instance_id
    assert one["owner"] == {"id": "a" * 32, "name": "anna.schmidt"}
    assert one["this_run"]["state"] == "counting"
    assert one["this_run"]["stops_at_ms"] == instance.stops_at_ms
    assert (one["auto_stop_enable"], one["auto_stop_hours"]) == (True, 8.0)
    assert one["may_edit"] == (role in {"scientist", "operator"})
    assert one["url"] == instance.get_absolute_url()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=ALPHA+first", ["alpha"]),
        ("status=stopped", ["beta"]),
        ("autostop=off", ["beta"]),
        ("autostop=due", ["alpha"]),
        ("flavor_type=cpu", ["gamma"]),
        ("owner=tom.becker", ["gamma"]),
        ("cloud=lab", ["gamma"]),
        ("workspace=7", ["beta"]),
        ("sort=-name", ["gamma", "beta", "alpha"]),
        ("sort=name&per_page=25&page=1", ["alpha", "beta", "gamma"]),
        ("sort=name&page=2", []),
    ],
)
def test_the_list_s_own_query(
    program: Programs, viewer: User, query: str, expected: list[str]
) -> None:
    make_instance(name="alpha", description="The first", stops_in=600)
    make_instance(
        name="beta", status="STOPPED", auto_stop_enable=False, workspace_id="7"
    )
    make_instance(
        name="gamma",
        flavor_type="CPU",
        owner_name="tom.becker",
        cloud=make_cloud("lab"),
    )
    told = program(viewer).get(f"/instances?{query}")
    assert names(told) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("sort=upwards", "sort"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("per_page=26", "per_page"),
        ("autostop=perhaps", "autostop"),
        ("flavor_type=TPU", "flavor_type"),
        ("q=%00", "q"),
        ("q=" + "x" * 513, "q"),
        ("since=-1", "since"),
        ("stauts=RUNNING", "stauts"),
        ("owner=a&owner=b", "owner"),
    ],
)
def test_what_makes_no_sense_is_refused(
    program: Programs, viewer: User, problem: Any, query: str, field: str
) -> None:
    told = problem(program(viewer)("get", f"/instances?{query}"), 422, "invalid")
    assert [one["field"] for one in told["errors"]] == [field]
    assert told["errors"][0]["message"]


def test_since_spares_the_list_while_nothing_changes(
    program: Programs, viewer: User, instance: Instance
) -> None:
    asks = program(viewer)
    version = asks.get("/instances")["version"]
    response = asks("get", f"/instances?since={version}")
    assert (response.status_code, response.content) == (204, b"")
    FleetVersion.stamp(Instance.objects.filter(pk=instance.pk))
    assert asks.get(f"/instances?since={version}")["version"] > version


def test_each_parameter_is_described() -> None:
    described = {one["name"]: one["schema"] for one in LIST.openapi["parameters"]}
    assert described["q"] == {"type": "string", "maxLength": 512}
    assert described["per_page"] == {"type": "integer", "enum": [25, 50, 100]}
    assert described["page"]["minimum"] == 1
    assert described["flavor_type"]["enum"] == ["CPU", "GPU", "ASCEND"]


def test_a_hundred_cost_as_many_queries_as_one(
    program: Programs, operator: User, cloud_row: Cloud
) -> None:
    asks = program(operator)

    def queries() -> int:
        asks.get("/instances?per_page=100")  # the first use is recorded
        with CaptureQueriesContext(connection) as captured:
            told = asks.get("/instances?per_page=100")
        assert len(told["items"]) == Instance.objects.count()
        return len(captured)

    make_instance(cloud=cloud_row)
    few = queries()
    for number in range(99):
        one = make_instance(cloud=make_cloud(f"cloud-{number % 3}"))
        add_edit(one, operator, key=f"k{number}")
    assert queries() == few
    assert few <= 8


def test_the_detail_has_all_that_is_no_secret(
    program: Programs, operator: User, instance: Instance
) -> None:
    instance.document = {
        "spec": {
            "storage": {
                "type": "evs",
                "location": {"path": "/work", "volume_size": 50},
            },
            "annotations": {"url": "https://x/?token=canary", "kind": "lab"},
            "credential": {"ssh_private_key": "canary"},
        },
        "flavor_details": {"params": {"CPU": 8}},
        "access_token": "canary",
        "error_code": "ModelArts.6309",
    }
    instance.problems = ["spec.extend_storage"]
    instance.save()
    edit = add_edit(instance, operator, state="failed", error_code="ModelArts.6309")
    instance.events.create(
        at=MOMENT, from_status="STARTING", to_status="RUNNING", actor=operator
    )
    response = program(operator)("get", f"/instances/{instance.reference}")
    assert "canary" not in response.text
    told = response.json()
    assert told["details"]["spec"]["storage"]["location"]["path"] == "/work"
    assert told["details"]["flavor_details"]["params"] == {"CPU": 8}
    assert told["problems"] == ["spec.extend_storage"]
    assert told["failure"]["code"] == "ModelArts.6309"
    assert told["reasons"] == {
        "edit": "",
        "start": "The instance is already running.",
        "stop": "",
    }
    assert told["events"] == [
        {
            "at": "2026-11-25T14:05:00Z",
            "from_status": "STARTING",
            "to_status": "RUNNING",
            "reason": "unknown",
            "actor": "operator",
            "edit": None,
        }
    ]
    assert [one["id"] for one in told["edits"]] == [str(edit.pk)]
    assert told["edits"][0]["may_retry"]
    assert told["seen"]


def test_the_detail_is_a_fixed_number_of_queries(
    program: Programs, operator: User, instance: Instance
) -> None:
    asks = program(operator)
    path = f"/instances/{instance.reference}"
    asks.get(path)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            asks.get(path)
        return len(captured)

    few = queries()
    for number in range(5):
        add_edit(instance, operator, seq=number, key=f"k{number}")
        instance.events.create(at=MOMENT, to_status="RUNNING", actor=operator)
    assert queries() <= few + 1
    assert few <= 10
