"""Lists of notebooks: pages, order, filters, and whose notebooks they contain."""

from collections import Counter

import pytest

from dashboard.emulator import SERVICE_USER, Emulator
from dashboard.emulator.people import POOLS, USERS, WORKSPACES

from .conftest import NotebookApi


def test_the_first_page_has_ten(notebooks: NotebookApi) -> None:
    page = notebooks.list("").json
    assert len(page["data"]) == 10
    assert (page["current"], page["pages"], page["size"], page["total"]) == (
        *(0, 6, 10),
        60,
    )


@pytest.mark.parametrize("limit", [10, 20, 50])
def test_the_pages_contain_everything_once(notebooks: NotebookApi, limit: int) -> None:
    ids: list[str] = []
    while True:
        page = notebooks.list(f"limit={limit}&offset={len(ids)}").json
        assert page["current"] == len(ids) // limit
        ids += [notebook["id"] for notebook in page["data"]]
        if len(page["data"]) < limit:
            break
    assert sorted(ids) == sorted(n.id for n in notebooks.cloud.notebooks.notebooks())
    assert notebooks.list(f"limit={limit}&offset=1000").json["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=11", "limit=100", "limit=ten", "offset=-1", "offset=x"),
        *("sort_dir=up", "sort_key=token", "status=ASLEEP", "feature=LAB"),
        *("owner=short", f"name={'n' * 129}"),
    ],
)
@pytest.mark.parametrize("path", ["", "/all"])
def test_invalid_queries(notebooks: NotebookApi, query: str, path: str) -> None:
    assert notebooks.list(query, path).status == 400


def test_the_newest_come_first(notebooks: NotebookApi) -> None:
    moments = [n["create_at"] for n in notebooks.list().json["data"]]
    assert moments == sorted(moments, reverse=True)


def test_sorting(notebooks: NotebookApi) -> None:
    ascending = notebooks.names("limit=50&sort_key=name&sort_dir=asc")
    assert ascending == sorted(ascending)
    descending = notebooks.names("limit=50&sort_key=status,name")
    assert descending != ascending
    statuses = [
        n["status"]
        for n in notebooks.list("limit=50&sort_key=status,name").json["data"]
    ]
    assert statuses == sorted(statuses, reverse=True)


@pytest.mark.parametrize("status", ["RUNNING", "running"])
def test_the_status_in_either_case(notebooks: NotebookApi, status: str) -> None:
    data = notebooks.list(f"limit=50&status={status}").json["data"]
    assert {notebook["status"] for notebook in data} == {"RUNNING"}


def test_filters(notebooks: NotebookApi) -> None:
    anna = USERS["anna.schmidt"].id
    assert notebooks.names("name=pricing-l") == ["pricing-lab"]
    assert "pricing-lab" in notebooks.names(f"limit=50&owner={anna}")
    assert "rag-playground" not in notebooks.names(f"limit=50&owner={anna}")
    assert "llm-distillation" in notebooks.names(f"limit=50&pool_id={POOLS[0].id}")
    assert notebooks.names("username=anna.schmidt&name=pricing-l") == ["pricing-lab"]
    assert notebooks.names("limit=50&flavor=modelarts.bm.gpu.a100NV80")[0]
    assert notebooks.list("feature=default").json["total"] == 0


def test_the_name_of_the_workspace_parameter_is_the_edition_s(
    notebooks: NotebookApi,
) -> None:
    workspace = WORKSPACES[3].id
    few = notebooks.list(f"workspace_id={workspace}").json["total"]
    assert 0 < few < 60
    # The other edition's name is ignored.
    assert notebooks.list(f"workspaceId={workspace}").json["total"] == 60
    notebooks.behave(cloud="otc")
    assert notebooks.list(f"workspaceId={workspace}").json["total"] == few
    assert notebooks.list(f"workspace_id={workspace}").json["total"] == 60
    assert notebooks.list("username=nobody").json["total"] == 60


def test_the_short_list_has_the_caller_s_own(notebooks: NotebookApi) -> None:
    assert notebooks.list(path="").json["total"] == 0
    one = notebooks.id_of("defect-detector-v5")
    notebooks.cloud.notebooks.force(one, owner=SERVICE_USER)
    assert notebooks.names("", path="") == ["defect-detector-v5"]


def test_only_administrators_see_what_others_own(notebooks: NotebookApi) -> None:
    notebooks.behave(list_all="refuse")
    refused = notebooks.list()
    assert (refused.status, refused.code) == (403, "6407")
    anna = USERS["anna.schmidt"].id
    assert notebooks.list(f"owner={anna}", path="").status == 403
    assert notebooks.list(path="").status == 200


@pytest.mark.parametrize("served", ["demanager", "notebooks", "both"])
def test_a_generation_that_is_not_served_is_no_api(
    notebooks: NotebookApi, served: str
) -> None:
    notebooks.behave(served=served)
    old = f"/v1/{notebooks.cloud.project_id}/demanager/instances?de_type=Notebook"
    for reply, generation in (
        (notebooks.send("GET", old), "demanager"),
        (notebooks.list(), "notebooks"),
    ):
        if served in {generation, "both"}:
            assert reply.status == 200
        else:
            assert (reply.status, reply.json["error_code"]) == (404, "APIG.0101")


@pytest.mark.parametrize(
    ("options", "first", "second", "served"),
    [
        ({}, 60, 0, "demanager"),
        ({"notebooks": 0.5}, 30, 30, "both"),
        ({"notebooks": 20}, 40, 20, "both"),
        ({"notebooks": 1.0}, 0, 60, "notebooks"),
    ],
)
def test_a_fleet_may_be_mixed(
    options: dict[str, float], first: int, second: int, served: str
) -> None:
    cloud = Emulator(fleet=60, **options)  # type: ignore[arg-type]
    assert (len(cloud.fleet), len(cloud.notebooks)) == (first, second)
    assert cloud.behavior.served == served
    assert ("modelarts_tags" in cloud.clouds_yaml()) == (second > 0)


def test_the_first_notebooks_have_every_status(notebooks: NotebookApi) -> None:
    counts = Counter(n.status for n in notebooks.cloud.notebooks.notebooks())
    assert len(counts) == 14
    assert counts["RUNNING"] >= 15
