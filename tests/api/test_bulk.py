"""Bulk changes: preview, confirmation and progress."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.api.messages import VIA_TOKEN
from dashboard.audit.models import AuditEvent
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Instance
from tests.factories import make_instance, make_notebook

from .conftest import Program, Programs

ProblemCheck = Callable[..., Any]


@pytest.fixture
def fleet(db: None) -> list[Instance]:
    """Two instances of anna, one of which already complies, and one of tom."""
    return [
        make_instance(name="a"),
        make_instance(name="b", auto_stop_duration=14_400),
        make_instance(name="c", owner_name="tom.becker", owner_id="t"),
    ]


def change(**selection: Any) -> dict[str, Any]:
    return {"selection": selection, "action": "hours", "auto_stop_hours": 4}


def names(told: Any) -> list[str]:
    return [item["name"] for item in told]


def test_preview_yes_and_progress(
    program: Programs, scientist: User, fleet: list[Instance], viewer: User
) -> None:
    asks = program(scientist)
    response = asks("post", "/bulk", change(query="status=RUNNING"))
    assert response.status_code == 201
    draft = response.json()
    assert not Edit.objects.exists()
    assert draft["number"] == 1
    (item,) = draft["items"]
    assert item["name"] == "a"
    assert item["base"] == {"auto_stop_seconds": 28_800}
    assert item["change"] == {"auto_stop_seconds": 14_400}
    assert names(draft["skipped"]) == ["b", "c"]
    assert "Already" in draft["skipped"][0]["reason"]
    assert "Only its owner" in draft["skipped"][1]["reason"]
    path = f"/bulk/{draft['id']}/confirm"
    for _ in range(2):
        yes = asks("post", path, {"preview": draft["preview"]})
        assert yes.status_code == 202
    assert yes.headers["Location"] == f"/api/v1/batches/{draft['id']}"
    assert Edit.objects.count() == 1
    looks = program(viewer)
    body = looks.get(f"/batches/{draft['id']}")
    assert body["progress"]["states"] == {"queued": 1}
    assert (body["progress"]["total"], body["progress"]["open"]) == (1, 1)
    assert names(body["skipped"]) == ["b", "c"]
    assert body["may_act"] is False
    assert looks.get("/batches")["items"][0]["id"] == draft["id"]
    (edit,) = looks.get(f"/batches/{draft['id']}/edits")["items"]
    assert edit["batch"] == draft["id"]
    vias = AuditEvent.objects.filter(action__in=["batch.submitted", "edit.submitted"])
    assert set(vias.values_list("via", flat=True)) == {VIA_TOKEN(token="laptop")}


def test_named_instances(
    program: Programs, operator: User, fleet: list[Instance]
) -> None:
    chosen = [item.reference for item in fleet[:2]]
    body = {"selection": {"instances": chosen}, "action": "stop"}
    draft = program(operator)("post", "/bulk", body).json()
    assert names(draft["items"]) == ["a", "b"]
    assert draft["change"] == "Stop"


def test_an_instance_that_has_the_value_by_then_is_skipped(
    program: Programs, operator: User, fleet: list[Instance], problem: ProblemCheck
) -> None:
    asks = program(operator)
    draft = asks("post", "/bulk", change(query="")).json()
    Instance.objects.filter(name="a").update(auto_stop_duration=3_600)
    path = f"/bulk/{draft['id']}/confirm"
    problem(asks("post", path, {"preview": "an older one"}), 409, "not-now")
    asks("post", path, {"preview": draft["preview"]})
    body = asks.get(f"/batches/{draft['id']}")
    assert "a" in names(body["skipped"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "selection"),
        (change(), "selection"),
        (change(query="", instances=["demo/x"]), "selection"),
        (change(instances=["demo/DE-not-there", "nonsense", "\0"]), "selection"),
        (change(query="stauts=RUNNING"), "stauts"),
        (change(query="sort=upwards"), "sort"),
        (change(query="") | {"auto_stop_hours": 25}, "auto_stop_hours"),
        (change(query="") | {"auto_stop_hours": "4"}, "auto_stop_hours"),
        (change(query="") | {"action": "delete"}, "action"),
        (change(query="") | {"action": "off", "auto_stop_hours": 4}, "auto_stop_hours"),
        (change(query="", owner="x"), "selection.owner"),
    ],
)
def test_invalid_requests_are_422(
    program: Programs, operator: User, fleet: list[Instance], problem: ProblemCheck,
    body: Any, field: str,
) -> None:  # fmt: skip
    content = problem(program(operator)("post", "/bulk", body), 422, "invalid")
    assert field in [item["field"] for item in content["errors"]]
    assert not EditBatch.objects.exists()


def test_a_thousand_clouds_that_are_not_there_cost_no_more_than_one(
    program: Programs, operator: User, fleet: list[Instance], problem: ProblemCheck
) -> None:
    asks = program(operator)
    asks.get("/me")

    def queries(names: list[str]) -> int:
        with CaptureQueriesContext(connection) as captured:
            body = problem(
                asks("post", "/bulk", change(instances=names)), 422, "invalid"
            )
        assert f"and {len(names) - 10} more" in body["detail"]
        return len(captured)

    few = queries([f"cloud-{number}/x" for number in range(20)])
    assert queries([f"cloud-{number}/x" for number in range(1_500)]) == few


@pytest.mark.parametrize(
    "selection",
    [{"instances": ["demo/\ud800"]}, {"query": "q=\ud800"}, {"query": "owner=\ud800"}],
)
def test_half_a_character_is_no_text(
    program: Programs, operator: User, problem: ProblemCheck, selection: Any
) -> None:
    body = {"selection": selection, "action": "off"}
    problem(program(operator)("post", "/bulk", body), 400, "bad-request")


def test_nothing_found_is_not_everything(
    program: Programs, operator: User, fleet: list[Instance], problem: ProblemCheck
) -> None:
    response = program(operator)("post", "/bulk", change(query="q=nowhere"))
    problem(response, 409, "not-now")


def test_rights(
    program: Programs, operator: User, viewer: User, stranger: User,
    fleet: list[Instance], problem: ProblemCheck,
) -> None:  # fmt: skip
    asks = program(operator)
    draft = asks("post", "/bulk", change(query="")).json()
    yes = {"preview": draft["preview"]}
    path = f"/bulk/{draft['id']}/confirm"
    problem(program(viewer)("post", "/bulk", change(query="")), 403, "forbidden")
    problem(program(viewer)("post", path, yes), 403, "forbidden")
    problem(program(stranger)("post", path, yes), 404, "not-found")
    problem(asks("get", f"/batches/{draft['id']}"), 404, "not-found")
    assert asks("post", path, yes).status_code == 202
    for act in ("cancel", "retry"):
        response = program(stranger)("post", f"/batches/{draft['id']}/{act}")
        problem(response, 403, "forbidden")
        problem(asks("post", f"/batches/{uuid4()}/{act}"), 404, "not-found")


def test_cancel_and_retry(
    program: Programs, operator: User, fleet: list[Instance], problem: ProblemCheck
) -> None:
    asks: Program = program(operator)
    draft = asks("post", "/bulk", change(query="")).json()
    asks("post", f"/bulk/{draft['id']}/confirm", {"preview": draft["preview"]})
    batch = f"/batches/{draft['id']}"
    problem(asks("post", f"{batch}/retry"), 409, "not-now")
    Edit.objects.filter(instance__name="a").update(state="failed")
    assert asks("post", f"{batch}/cancel").json() == {"cancelled": 1}
    assert asks("post", f"{batch}/cancel").json() == {"cancelled": 0}
    response = asks("post", f"{batch}/retry")
    assert response.status_code == 201
    assert names(response.json()["items"]) == ["a"]


def test_lists_of_batches_are_a_fixed_number_of_queries(
    program: Programs, operator: User, fleet: list[Instance]
) -> None:
    asks = program(operator)

    def add() -> None:
        body = {"selection": {"query": "q=a"}, "action": "off"}
        draft = asks("post", "/bulk", body).json()
        asks("post", f"/bulk/{draft['id']}/confirm", {"preview": draft["preview"]})
        Edit.objects.update(state="cancelled")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert asks.get("/batches")["count"] == EditBatch.objects.count()
        return len(captured)

    add()
    few = queries()
    add()
    add()
    assert queries() == few


def test_each_run_is_extended_by_so_many_hours(
    program: Programs, operator: User, fleet: list[Instance]
) -> None:
    notebooks = [
        make_notebook(name="red"),
        make_notebook(name="blue", stops_in=4 * 3600),
        make_notebook(name="idle", idle_seconds=3600),
    ]
    asks = program(operator)
    body = {"selection": {"query": "status=RUNNING"}, "action": "extend"}
    draft = asks("post", "/bulk", body | {"add_hours": 2.5}).json()
    ends = {item.name: item.stops_at for item in notebooks}
    until = {item["name"]: item["until"] for item in draft["items"]}
    assert until.keys() == {"red", "blue"}
    for name, end in until.items():
        before = ends[name]
        assert before
        later = datetime.fromisoformat(end) - before
        assert abs(later - timedelta(hours=2.5)) < timedelta(seconds=1)
    reasons = {item["name"]: item["reason"] for item in draft["skipped"]}
    assert "old API" in reasons["a"]
    assert "no fixed end" in reasons["idle"]
    yes = {"preview": draft["preview"]}
    assert asks("post", f"/bulk/{draft['id']}/confirm", yes).status_code == 202
    assert set(Edit.objects.values_list("kind", flat=True)) == {"extend"}


def test_all_runs_get_the_same_end(program: Programs, operator: User) -> None:
    for _ in range(2):
        make_notebook()
    end = (datetime.now(UTC) + timedelta(hours=6)).replace(microsecond=0)
    body = {"selection": {"query": ""}, "action": "extend", "until": end.isoformat()}
    draft = program(operator)("post", "/bulk", body).json()
    ends = {datetime.fromisoformat(item["until"]) for item in draft["items"]}
    assert (draft["number"], ends) == (2, {end})


def test_a_start_gives_notebooks_a_run_time(program: Programs, operator: User) -> None:
    make_notebook(name="new", status="STOPPED")
    make_instance(name="old", status="STOPPED")
    body = {"selection": {"query": ""}, "action": "start", "hours": 3}
    draft = program(operator)("post", "/bulk", body).json()
    changes = {item["name"]: item["change"] for item in draft["items"]}
    run_time = {"auto_stop_enable": True, "auto_stop_seconds": 10_800}
    assert changes == {"new": run_time, "old": {}}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"action": "extend"}, ""),
        ({"action": "extend", "add_hours": 1, "until": "2126-11-25T12:00Z"}, ""),
        ({"action": "extend", "add_hours": 0}, "add_hours"),
        ({"action": "extend", "add_hours": 1e300}, "add_hours"),
        ({"action": "extend", "hours": 1}, "hours"),
        ({"action": "extend", "until": "18:00"}, "until"),
        ({"action": "extend", "until": "2126-11-25T12:00"}, "until"),
        ({"action": "extend", "until": "2020-01-01T12:00Z"}, "until"),
        ({"action": "start", "hours": -1}, "hours"),
        ({"action": "stop", "hours": 1}, "hours"),
        ({"action": "off", "auto_stop_hours": 1}, "auto_stop_hours"),
    ],
)
def test_fields_of_a_bulk_change_that_do_not_fit(
    program: Programs,
    operator: User,
    problem: ProblemCheck,
    sent: dict[str, Any],
    field: str,
) -> None:
    body = {"selection": {"query": ""}} | sent
    content = problem(program(operator)("post", "/bulk", body), 422, "invalid")
    assert content["errors"][0]["field"] == field
    assert not EditBatch.objects.exists()


def test_undo_approval_and_announced_stops(
    program: Programs, operator: User, admin: User, settings: Any
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"bulk_approval_above": 1})
    one, two = make_instance(name="one"), make_instance(name="two")
    asks, other = program(operator), program(admin)
    stop = {
        "selection": {"instances": [one.reference, two.reference]},
        "action": "stop",
        "reason": "Maintenance",
        "warn_owners": True,
    }
    assert asks("post", "/bulk", stop | {"action": "start"}).status_code == 422
    draft = asks("post", "/bulk", stop).json()
    assert draft["needs_approval"]
    confirmation = {"preview": draft["preview"], "number": 2}
    path = f"/bulk/{draft['id']}"
    wrong = asks("post", f"{path}/confirm", confirmation | {"number": 3})
    assert wrong.status_code == 409
    batch = asks("post", f"{path}/confirm", confirmation).json()
    assert (batch["waits_for_approval"], batch["confirmed_at"]) == (True, None)
    assert asks("post", f"{path}/approve", confirmation).status_code == 403
    shown = other.get(f"/batches/{draft['id']}")
    assert shown["preview"] == draft["preview"]
    assert other("post", f"{path}/decline").json()["waits_for_approval"] is False
    asks("post", f"{path}/confirm", confirmation)
    batch = other("post", f"{path}/approve", confirmation).json()
    assert (batch["approved_by"], batch["reason"]) == ("admin", "Maintenance")
    edits = asks.get(f"/batches/{draft['id']}/edits")["items"]
    assert all(edit["not_before"] > edit["created_at"] for edit in edits)
    assert asks("post", f"/batches/{draft['id']}/undo").status_code == 409
    now = timezone.now()
    Edit.objects.update(state="applied", finished_at=now)
    Instance.objects.update(status="STOPPED", status_since=now)
    undo = asks("post", f"/batches/{draft['id']}/undo").json()
    assert (undo["change"], undo["number"]) == ("Undo: Stop", 2)
