"""Instances of the new generation: their lease, its extension, and starts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance
from tests.factories import make_instance, make_notebook
from tests.policies.conftest import make_rule

from .conftest import Program, Programs
from .test_document import conforms

ProblemCheck = Callable[..., Any]

EXTEND = "/instances/{cloud}/{instance_id}/extend"
HOUR = timedelta(hours=1)


def naive(hours: float) -> str:
    """A moment from now, without its zone."""
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(tzinfo=None).isoformat()


@pytest.fixture
def notebook(db: None) -> Instance:
    """A notebook that runs for two more hours; its cloud's clock is 5 s ahead."""
    notebook = make_notebook()
    Cloud.objects.update(skew_ms=5_000)
    return notebook


@pytest.fixture
def path(notebook: Instance) -> str:
    return f"/instances/{notebook.reference}"


def until_of(response: Any) -> datetime:
    """Return the end that an accepted extension asks for."""
    assert response.status_code == 202, response.content
    body = response.json()
    conforms(body, EXTEND, "post", response)
    assert response.headers["Location"] == f"/api/v1/edits/{body['id']}"
    assert body["kind"] == "extend"
    return datetime.fromisoformat(body["until"])


def test_list_and_detail_show_the_lease(asks: Program, path: str) -> None:
    old = make_instance(name="old")
    idle = make_notebook(idle_seconds=5_400)
    items = {item["instance_id"]: item for item in asks.get("/instances")["items"]}
    fixed = asks.get(path)
    assert items[fixed["instance_id"]]["generation"] == "notebooks"
    assert fixed["lease"]["type"] == "timing"
    assert fixed["lease"]["ends_at"] == fixed["this_run"]["stops_at"]
    assert fixed["lease"]["updated_at"] < fixed["run_started_at"], "by our clock"
    assert (fixed["can_extend"], fixed["why_not_extend"]) == (True, "")
    assert fixed["tags"] == {"team": "vision"}
    lease = items[idle.instance_id]["lease"]
    assert (lease["type"], lease["idle_seconds"]) == ("idle", 5_400)
    assert (lease["ends_at"], bool(lease["not_before"])) == (None, True)
    assert items[idle.instance_id]["this_run"]["state"] == "idle"
    item = items[old.instance_id]
    assert (item["generation"], item["lease"], item["tags"]) == ("demanager", None, {})
    assert not item["can_extend"]
    detail = asks.get(f"/instances/{old.reference}")
    assert detail["lease_seen"] == ""
    assert "old API" in detail["reasons"]["extend"] == item["why_not_extend"]


def test_the_list_takes_as_many_queries_for_many_notebooks(asks: Program) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            asks.get("/instances")
            asks.get("/due")
        return len(captured)

    make_notebook(stops_in=600)
    queries()
    few = queries()
    for _ in range(10):
        make_notebook(stops_in=600)
    assert queries() == few


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("generation=demanager", ["old"]),
        ("generation=notebooks", ["blue", "red"]),
        ("tag=team", ["blue", "red"]),
        ("tag=team%3Dred", ["red"]),
    ],
)
def test_filters(asks: Program, query: str, expected: list[str]) -> None:
    make_instance(name="old")
    make_notebook(name="red", tags={"team": "red"})
    make_notebook(name="blue", tags={"team": "blue"})
    items = asks.get(f"/instances?sort=name&{query}")["items"]
    assert [item["name"] for item in items] == expected


@pytest.mark.parametrize("query", ["generation=third", "tag=nobody"])
def test_an_unknown_filter_is_422(
    asks: Program, path: str, problem: ProblemCheck, query: str
) -> None:
    problem(asks("get", f"/instances?{query}"), 422, "invalid")


def test_an_extension_stores_the_end_and_not_the_hours(
    asks: Program, path: str, notebook: Instance
) -> None:
    before = datetime.now(UTC)
    until = until_of(asks("post", f"{path}/extend", {"hours": 4.5}))
    assert timedelta() <= until - before - 4.5 * HOUR < timedelta(minutes=1)
    edit = Edit.objects.get()
    end_ms = edit.patch["stop_timestamp_ms"]
    assert round(until.timestamp() * 1e3) == end_ms - 5_000, "the cloud's clock"
    assert edit.base["stop_timestamp_ms"] == notebook.stop_timestamp_ms


def test_an_extension_to_a_moment(asks: Program, path: str) -> None:
    asked = (datetime.now(UTC) + 6 * HOUR).replace(microsecond=0)
    sent = {"until": asked.isoformat(), "seen": asks.get(path)["lease_seen"]}
    assert until_of(asks("post", f"{path}/extend", sent)) == asked


def test_an_idle_lease_gets_a_fixed_end_and_back(asks: Program) -> None:
    idle = make_notebook(idle_seconds=3_600)
    path = f"/instances/{idle.reference}/extend"
    assert until_of(asks("post", path, {"hours": 2}))
    assert Edit.objects.get().patch["lease_type"] == "timing"
    response = asks("post", path, {"idle_hours": 3})
    assert response.status_code == 202
    assert response.json()["until"] is None
    assert response.json()["change"] == {"lease_type": "idle", "idle_seconds": 10_800}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, ""),
        ({"hours": 4, "idle_hours": 4}, ""),
        ({"hours": 0.5}, "hours"),
        ({"hours": 25}, "hours"),
        ({"hours": 1.5}, "hours"),
        ({"hours": -1}, "hours"),
        ({"hours": 1e300}, "hours"),
        ({"hours": "4"}, "hours"),
        ({"hours": True}, "hours"),
        ({"idle_hours": 0.5}, "idle_hours"),
        ({"until": "tomorrow"}, "until"),
        ({"until": naive(3)}, "until"),
        ({"until": "2020-11-25T12:00:00Z"}, "until"),
        ({"until": "2120-11-25T12:00:00Z"}, "until"),
        ({"until": 5}, "until"),
        ({"minutes": 5}, "minutes"),
    ],
)
def test_an_end_that_is_not_possible(
    asks: Program, path: str, problem: ProblemCheck, sent: Any, field: str
) -> None:
    body = problem(asks("post", f"{path}/extend", sent), 422, "invalid")
    assert body["errors"][0]["field"] == field
    assert body["errors"][0]["message"]
    assert not Edit.objects.exists()


def test_the_same_key_is_the_same_extension(
    asks: Program, path: str, problem: ProblemCheck
) -> None:
    def extend(hours: float) -> Any:
        return asks("post", f"{path}/extend", {"hours": hours}, Idempotency_Key="k")

    first = extend(4)
    until_of(first)
    second = extend(4)
    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])
    assert second.json()["until"] == first.json()["until"]
    problem(extend(5), 409, "key-reused")
    assert Edit.objects.count() == 1


def test_an_end_that_someone_else_has_moved_is_a_conflict(
    asks: Program, path: str, notebook: Instance, problem: ProblemCheck
) -> None:
    sent = {"hours": 8, "seen": asks.get(path)["lease_seen"]}
    assert notebook.stop_timestamp_ms
    moved = notebook.stop_timestamp_ms + 1_800_000
    Instance.objects.filter(pk=notebook.pk).update(stop_timestamp_ms=moved)
    body = problem(asks("post", f"{path}/extend", sent), 409, "conflict")
    [difference] = body["differences"]
    assert (difference["field"], difference["now"]) == ("stop_timestamp_ms", moved)
    sent["seen"] = body["seen"]
    assert until_of(asks("post", f"{path}/extend", sent))
    sent["seen"] = asks.get(path)["seen"]
    problem(asks("post", f"{path}/extend", sent), 409, "conflict")


def test_a_policy_limits_it(asks: Program, path: str, problem: ProblemCheck) -> None:
    make_rule(name="Short", kind="max_hours", max_seconds=6 * 3600)
    response = asks("post", f"{path}/extend", {"hours": 7})
    assert response.status_code in {409, 422}
    assert not Edit.objects.exists()
    problem(asks("post", f"{path}/extend", {"idle_hours": 2}), 409, "rule-refused")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "STOPPED"}, "running"),
        ({"auto_stop_enable": False}, "no auto-stop"),
        ({"generation": "demanager"}, "old API"),
    ],
)
def test_a_run_that_cannot_be_extended(
    asks: Program, problem: ProblemCheck, fields: dict[str, Any], reason: str
) -> None:
    instance = make_notebook(**fields)
    path = f"/instances/{instance.reference}/extend"
    assert reason in problem(asks("post", path, {"hours": 4}), 409, "not-now")["detail"]


@pytest.mark.parametrize("role", ["viewer", "stranger"])
def test_not_yours_to_extend(
    program: Programs,
    request: pytest.FixtureRequest,
    path: str,
    role: str,
    problem: ProblemCheck,
) -> None:
    asks = program(request.getfixturevalue(role))
    problem(asks("post", f"{path}/extend", {"hours": 4}), 403, "forbidden")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (None, {"auto_stop_enable": True, "auto_stop_duration": 3_600}),
        ({}, {"auto_stop_enable": True, "auto_stop_duration": 3_600}),
        ({"hours": 2.5}, {"auto_stop_enable": True, "auto_stop_duration": 9_000}),
        ({"no_auto_stop": True}, {"auto_stop_enable": False}),
    ],
)
def test_a_start_has_its_own_run_time(
    asks: Program, sent: Any, expected: dict[str, Any]
) -> None:
    stopped = make_notebook(status="STOPPED")
    Cloud.objects.update(allows_no_auto_stop=True)
    response = asks("post", f"/instances/{stopped.reference}/start", sent)
    assert response.status_code == 202, response.content
    edit = Edit.objects.get()
    assert (edit.kind, edit.patch) == ("start", expected)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"hours": 0.5}, "hours"),
        ({"hours": 25}, "hours"),
        ({"hours": 4, "no_auto_stop": True}, "hours"),
        ({"no_auto_stop": True}, "no_auto_stop"),
        ({"no_auto_stop": 1}, "no_auto_stop"),
    ],
)
def test_a_run_time_that_is_not_possible(
    asks: Program, problem: ProblemCheck, sent: dict[str, Any], field: str
) -> None:
    stopped = make_notebook(status="STOPPED")
    path = f"/instances/{stopped.reference}/start"
    body = problem(asks("post", path, sent), 422, "invalid")
    assert [error["field"] for error in body["errors"]] == [field]


def test_an_old_instance_starts_without_a_run_time(
    asks: Program, problem: ProblemCheck
) -> None:
    stopped = make_instance(status="STOPPED")
    path = f"/instances/{stopped.reference}/start"
    body = problem(asks("post", path, {"hours": 4}), 422, "invalid")
    assert "old API" in body["detail"]
    assert asks("post", path).status_code == 202


def test_a_cloud_says_what_it_serves_and_allows(asks: Program, path: str) -> None:
    Cloud.objects.update(
        generations={"notebooks": "served", "demanager": "not_served"},
        notebooks_scope="own",
        max_run_hours=72,
        has_tags=True,
    )
    [cloud] = asks.get("/clouds")["items"]
    assert cloud["generations"] == {"notebooks": "served", "demanager": "not_served"}
    assert (cloud["notebooks_scope"], cloud["max_run_hours"]) == ("own", 72)
    assert (cloud["has_tags"], cloud["allows_no_auto_stop"]) == (True, False)


@pytest.fixture
def _with_tags(notebook: Instance) -> None:
    """The cloud has tags."""
    Cloud.objects.update(has_tags=True)


@pytest.mark.usefixtures("_with_tags")
@pytest.mark.parametrize(
    ("sent", "patch"),
    [
        ({"name": "churn-2"}, {"name": "churn-2"}),
        ({"description": "New words"}, {"description": "New words"}),
        ({"tags": {"team": "sound"}}, {"tags": {"team": "sound"}}),
        ({"tags": {"a": "", "team": "vision"}}, {"tags": {"a": "", "team": "vision"}}),
        ({"tags": {}}, {"tags": {}}),
        ({"name": "b", "tags": {"team": "vision"}}, {"name": "b"}),
    ],
)
def test_name_description_and_tags(
    asks: Program, path: str, sent: dict[str, Any], patch: dict[str, Any]
) -> None:
    sent = sent | {"seen": asks.get(path)["seen"]}
    response = asks("patch", path, sent)
    assert response.status_code == 202, response.content
    assert Edit.objects.get().patch == patch
    assert response.json()["change"] == patch
    assert response.json()["waits_for_stop"] is False


@pytest.mark.usefixtures("_with_tags")
@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two words"}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": None}, "name"),
        ({"description": "it's"}, "description"),
        ({"tags": {"": "x"}}, "tags"),
        ({"tags": {"a/b": "x"}}, "tags"),
        ({"tags": {"a": 5}}, "tags.a"),
        ({"tags": ["a"]}, "tags"),
        ({"auto_stop_hours": 4}, "auto_stop_hours"),
        ({"auto_stop_enable": False}, "auto_stop_enable"),
        ({"prompt": False}, "prompt"),
    ],
)
def test_settings_that_a_notebook_cannot_have(
    asks: Program, path: str, problem: ProblemCheck, sent: dict[str, Any], field: str
) -> None:
    body = problem(asks("patch", path, sent), 422, "invalid")
    assert body["errors"][0]["field"] == field
    assert not Edit.objects.exists()


def test_settings_that_the_cloud_or_the_old_api_does_not_have(
    asks: Program, path: str, problem: ProblemCheck
) -> None:
    problem(asks("patch", path, {"tags": {}}), 422, "invalid")
    old = f"/instances/{make_instance().reference}"
    for sent in ({"name": "b"}, {"tags": {}}):
        body = problem(asks("patch", old, sent), 422, "invalid")
        assert body["errors"][0]["field"] == next(iter(sent))


@pytest.mark.usefixtures("_with_tags")
def test_tags_that_someone_else_has_changed_are_a_conflict(
    asks: Program, path: str, problem: ProblemCheck
) -> None:
    seen = asks.get(path)["seen"]
    Instance.objects.update(tags={"team": "sound"})
    sent = {"tags": {"team": "vision", "gpu": "1"}, "seen": seen}
    body = problem(asks("patch", path, sent), 409, "conflict")
    [difference] = body["differences"]
    assert difference["field"] == "tags"
    assert difference["now"] == {"team": "sound"}
