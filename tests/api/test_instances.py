"""Reads of instances: list and detail."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import User
from dashboard.instances.countdown import unix_ms
from dashboard.instances.models import Cloud, FleetVersion, Instance
from tests.factories import make_cloud, make_instance, make_price
from tests.instances.pages import add_edit

from .conftest import Programs
from .test_document import DOCUMENT

MOMENT = datetime(2026, 11, 25, 14, 5, tzinfo=UTC)


def names(told: Any) -> list[str]:
    return [item["name"] for item in told["items"]]


@pytest.mark.parametrize("role", ["viewer", "stranger", "scientist", "operator"])
def test_everybody_sees_the_fleet(
    program: Programs, request: pytest.FixtureRequest, instance: Instance, role: str
) -> None:
    body = program(request.getfixturevalue(role), "read").get("/instances")
    assert (body["count"], body["page"], body["pages"], body["per_page"]) == (
        1,
        1,
        1,
        25,
    )
    (item,) = body["items"]
    assert item["instance_id"] == instance.instance_id
    assert item["owner"] == {"id": "a" * 32, "name": "anna.schmidt"}
    assert item["this_run"]["state"] == "counting"
    assert item["this_run"]["stops_at_ms"] == unix_ms(instance.stops_at)
    assert (item["auto_stop_enable"], item["auto_stop_hours"]) == (True, 8.0)
    assert item["may_edit"] == (role in {"scientist", "operator"})
    assert item["url"] == instance.get_absolute_url()


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
    body = program(viewer).get(f"/instances?{query}")
    assert names(body) == expected


def test_prices_are_of_today_and_null_if_unknown(
    program: Programs, viewer: User, django_assert_max_num_queries: Any
) -> None:
    make_price("2.10")
    for number in range(9):
        make_instance(name=f"new {number}", flavor="new")
    make_instance(name="known")
    asks = program(viewer)
    with django_assert_max_num_queries(13):
        first, *rest = asks.get("/instances?sort=-price_per_hour")["items"]
    assert (first["price_per_hour"], first["currency"]) == ("2.10", "EUR")
    assert {(item["price_per_hour"], item["currency"]) for item in rest} == {
        (None, None)
    }
    detail = asks.get(f"/instances/demo/{first['instance_id']}")
    assert detail["price_per_hour"] == "2.10"


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
def test_invalid_parameters_are_422(
    program: Programs, viewer: User, problem: Any, query: str, field: str
) -> None:
    body = problem(program(viewer)("get", f"/instances?{query}"), 422, "invalid")
    assert [item["field"] for item in body["errors"]] == [field]
    assert body["errors"][0]["message"]


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
    operation = DOCUMENT["paths"]["/api/v1/instances"]["get"]
    described = {item["name"]: item["schema"] for item in operation["parameters"]}
    assert described["q"] == {"type": "string", "maxLength": 512}
    assert described["per_page"] == {"type": "integer", "enum": [25, 50, 100]}
    assert described["page"]["minimum"] == 1
    values = ["CPU", "GPU", "ASCEND", "!CPU", "!GPU", "!ASCEND", ""]
    items = {"type": "string", "enum": values}
    assert described["flavor_type"] == {"type": "array", "items": items}
    assert described["owner"]["items"] == {"type": "string", "maxLength": 255}


def test_several_values_of_a_filter_and_what_is_excluded(
    program: Programs, scientist: User, cloud_row: Cloud
) -> None:
    for name, owner in (("a", "anna.schmidt"), ("b", "tom"), ("c", "li.wei")):
        make_instance(name=name, owner_name=owner)
    asks = program(scientist)

    def found(query: str) -> list[str]:
        items = asks("get", f"/instances?sort=name&{query}").json()["items"]
        return [item["name"] for item in items]

    assert found("owner=tom&owner=li.wei") == ["b", "c"]
    assert found("owner=!tom&status=RUNNING&status=STOPPED") == ["a", "c"]
    assert found("owner=@me") == ["a"]
    assert asks("get", "/instances?owner=tom&owner=!nobody").status_code == 422
    assert asks("get", "/instances?q=a&q=b").status_code == 422


def test_a_hundred_cost_as_many_queries_as_one(
    program: Programs, operator: User, cloud_row: Cloud
) -> None:
    asks = program(operator)

    def queries() -> int:
        asks.get("/instances?per_page=100")  # the first use is recorded
        with CaptureQueriesContext(connection) as captured:
            body = asks.get("/instances?per_page=100")
        assert len(body["items"]) == Instance.objects.count()
        return len(captured)

    make_instance(cloud=cloud_row)
    few = queries()
    for number in range(99):
        item = make_instance(cloud=make_cloud(f"cloud-{number % 3}"))
        add_edit(item, operator, key=f"k{number}")
    assert queries() == few
    assert few <= 9


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
    body = response.json()
    assert body["details"]["spec"]["storage"]["location"]["path"] == "/work"
    assert body["details"]["flavor_details"]["params"] == {"CPU": 8}
    assert body["problems"] == ["spec.extend_storage"]
    assert body["failure"]["code"] == "ModelArts.6309"
    assert body["reasons"] == {
        "edit": "",
        "start": "The instance is already running.",
        "stop": "",
        "extend": "This run cannot be extended: the old API changes only the next run.",
    }
    assert body["events"] == [
        {
            "at": "2026-11-25T14:05:00Z",
            "from_status": "STARTING",
            "to_status": "RUNNING",
            "reason": "unknown",
            "actor": "operator",
            "edit": None,
        }
    ]
    assert [item["id"] for item in body["edits"]] == [str(edit.pk)]
    assert body["edits"][0]["may_retry"]
    assert body["seen"]


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
    assert few <= 11
