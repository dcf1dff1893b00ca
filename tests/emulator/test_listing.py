"""Paging, filters and order of the list."""

import pytest

from dashboard.emulator import PEOPLE, Emulator
from dashboard.emulator.people import POOLS, WORKSPACES

from .conftest import Api

ALL = "de_type=Notebook&show_self=false"


def names(api: Api, query: str) -> list[str]:
    return [instance["name"] for instance in api.list(query).json["instances"]]


def test_without_a_limit_all_are_listed(api: Api) -> None:
    answer = api.list(ALL).json
    assert answer["total_count"] == len(answer["instances"]) == 60
    assert api.list(f"{ALL}&limit=0").json["instances"] == answer["instances"]


@pytest.mark.parametrize("limit", [1, 7, 20, 60, 100])
def test_pages_add_up(api: Api, limit: int) -> None:
    collected: list[str] = []
    while True:
        page = api.list(f"{ALL}&limit={limit}&offset={len(collected)}").json
        assert page["total_count"] == 60
        assert len(page["instances"]) <= limit
        if not page["instances"]:
            break
        collected += [instance["id"] for instance in page["instances"]]
    assert len(collected) == len(set(collected)) == 60


def test_order(api: Api) -> None:
    by_name = names(api, ALL)
    assert by_name == sorted(by_name)
    assert names(api, f"{ALL}&order=desc") == by_name[::-1]
    query = f"{ALL}&sortby=creation_timestamp"
    created = [i["creation_timestamp"] for i in api.list(query).json["instances"]]
    assert created == sorted(created, key=int)


def test_only_own_instances_by_default(api: Api) -> None:
    assert api.list("de_type=Notebook").json == {"instances": [], "total_count": 0}
    for user in PEOPLE[:3]:
        api.sign_in(user)
        own = api.list("de_type=Notebook").json["instances"]
        assert {instance["user"]["id"] for instance in own} == {user.id}
        assert api.list(ALL).json["total_count"] == 60


def test_filters(api: Api) -> None:
    answer = api.list(f"{ALL}&status=RUNNING&limit=2").json
    assert {instance["status"] for instance in answer["instances"]} == {"RUNNING"}
    assert answer["total_count"] > 10

    vision = WORKSPACES[1].id
    instances = api.list(f"{ALL}&workspace_id={vision}").json["instances"]
    assert {instance["workspace"]["id"] for instance in instances} == {vision}

    instances = api.list(f"{ALL}&pool_id={POOLS[0].id}").json["instances"]
    assert {instance["pool"]["id"] for instance in instances} == {POOLS[0].id}

    assert len(names(api, f"{ALL}&ai_project=default-ai-project")) == 60
    assert names(api, f"{ALL}&ai_project_id=another") == []


def test_the_status_filter_uses_the_current_time(api: Api, cloud: Emulator) -> None:
    instance_id = api.id_of("churn-forecast-v2")
    cloud.clock.advance(121)
    stopping = api.list(f"{ALL}&status=STOPPING").json["instances"]
    assert instance_id in {instance["id"] for instance in stopping}
