"""One wish for many: preview, yes, progress."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import User
from dashboard.api.messages import VIA_TOKEN
from dashboard.audit.models import AuditEvent
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Instance
from tests.factories import make_instance

from .conftest import Program, Programs

Judge = Callable[..., Any]


@pytest.fixture
def fleet(db: None) -> list[Instance]:
    """Two of anna's, of which one has what will be asked for, and one of tom's."""
    return [
        make_instance(name="a"),
        make_instance(name="b", auto_stop_duration=14_400),
        make_instance(name="c", owner_name="tom.becker", owner_id="t"),
    ]


def wish(**selection: Any) -> dict[str, Any]:
    return {"selection": selection, "action": "hours", "auto_stop_hours": 4}


def names(told: Any) -> list[str]:
    return [one["name"] for one in told]


def test_preview_yes_and_progress(
    program: Programs, scientist: User, fleet: list[Instance], viewer: User
) -> None:
    asks = program(scientist)
    response = asks("post", "/bulk", wish(query="status=RUNNING"))
    assert response.status_code == 201
    draft = response.json()
    assert not Edit.objects.exists()
    assert draft["number"] == 1
    (item,) = draft["items"]
    assert item["name"] == "a"
    assert item["base"] == {"auto_stop_seconds": 28_800}
    assert item["wish"] == {"auto_stop_seconds": 14_400}
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
    told = looks.get(f"/batches/{draft['id']}")
    assert told["progress"]["states"] == {"queued": 1}
    assert (told["progress"]["total"], told["progress"]["open"]) == (1, 1)
    assert names(told["left_out"]) == ["b", "c"]
    assert told["may_act"] is False
    assert looks.get("/batches")["items"][0]["id"] == draft["id"]
    (edit,) = looks.get(f"/batches/{draft['id']}/edits")["items"]
    assert edit["batch"] == draft["id"]
    vias = AuditEvent.objects.filter(action__in=["batch.submitted", "edit.submitted"])
    assert set(vias.values_list("via", flat=True)) == {VIA_TOKEN(token="laptop")}


def test_named_instances(
    program: Programs, operator: User, fleet: list[Instance]
) -> None:
    chosen = [one.reference for one in fleet[:2]]
    body = {"selection": {"instances": chosen}, "action": "stop"}
    draft = program(operator)("post", "/bulk", body).json()
    assert names(draft["items"]) == ["a", "b"]
    assert draft["wish"] == "Stop"


def test_what_breaks_in_between_is_left_out(
    program: Programs, operator: User, fleet: list[Instance], problem: Judge
) -> None:
    asks = program(operator)
    draft = asks("post", "/bulk", wish(query="")).json()
    Instance.objects.filter(name="a").update(auto_stop_duration=3_600)
    path = f"/bulk/{draft['id']}/confirm"
    problem(asks("post", path, {"preview": "an older one"}), 409, "not-now")
    asks("post", path, {"preview": draft["preview"]})
    told = asks.get(f"/batches/{draft['id']}")
    assert "a" in names(told["left_out"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "selection"),
        (wish(), "selection"),
        (wish(query="", instances=["demo/x"]), "selection"),
        (wish(instances=["demo/DE-not-there", "nonsense", "\0"]), "selection"),
        (wish(query="stauts=RUNNING"), "stauts"),
        (wish(query="sort=upwards"), "sort"),
        (wish(query="") | {"auto_stop_hours": 25}, "auto_stop_hours"),
        (wish(query="") | {"auto_stop_hours": "4"}, "auto_stop_hours"),
        (wish(query="") | {"action": "delete"}, "action"),
        (wish(query="") | {"action": "off", "auto_stop_hours": 4}, "auto_stop_hours"),
        (wish(query="", owner="x"), "selection.owner"),
    ],
)
def test_what_makes_no_sense_is_refused(
    program: Programs, operator: User, fleet: list[Instance], problem: Judge,
    body: Any, field: str,
) -> None:  # fmt: skip
    told = problem(program(operator)("post", "/bulk", body), 422, "invalid")
    assert field in [one["field"] for one in told["errors"]]
    assert not EditBatch.objects.exists()


def test_a_thousand_clouds_that_are_not_there_cost_no_more_than_one(
    program: Programs, operator: User, fleet: list[Instance], problem: Judge
) -> None:
    asks = program(operator)
    asks.get("/me")

    def queries(names: list[str]) -> int:
        with CaptureQueriesContext(connection) as captured:
            told = problem(asks("post", "/bulk", wish(instances=names)), 422, "invalid")
        assert f"and {len(names) - 10} more" in told["detail"]
        return len(captured)

    few = queries([f"cloud-{number}/x" for number in range(20)])
    assert queries([f"cloud-{number}/x" for number in range(1_500)]) == few


@pytest.mark.parametrize(
    "selection",
    [{"instances": ["demo/\ud800"]}, {"query": "q=\ud800"}, {"query": "owner=\ud800"}],
)
def test_half_a_character_is_no_text(
    program: Programs, operator: User, problem: Judge, selection: Any
) -> None:
    body = {"selection": selection, "action": "off"}
    problem(program(operator)("post", "/bulk", body), 400, "bad-request")


def test_nothing_found_is_not_everything(
    program: Programs, operator: User, fleet: list[Instance], problem: Judge
) -> None:
    response = program(operator)("post", "/bulk", wish(query="q=nowhere"))
    problem(response, 409, "not-now")


def test_rights(
    program: Programs, operator: User, viewer: User, stranger: User,
    fleet: list[Instance], problem: Judge,
) -> None:  # fmt: skip
    asks = program(operator)
    draft = asks("post", "/bulk", wish(query="")).json()
    yes = {"preview": draft["preview"]}
    path = f"/bulk/{draft['id']}/confirm"
    problem(program(viewer)("post", "/bulk", wish(query="")), 403, "forbidden")
    problem(program(viewer)("post", path, yes), 403, "forbidden")
    problem(program(stranger)("post", path, yes), 404, "not-found")
    problem(asks("get", f"/batches/{draft['id']}"), 404, "not-found")
    assert asks("post", path, yes).status_code == 202
    for act in ("cancel", "retry"):
        response = program(stranger)("post", f"/batches/{draft['id']}/{act}")
        problem(response, 403, "forbidden")
        problem(asks("post", f"/batches/{uuid4()}/{act}"), 404, "not-found")


def test_cancel_and_retry(
    program: Programs, operator: User, fleet: list[Instance], problem: Judge
) -> None:
    asks: Program = program(operator)
    draft = asks("post", "/bulk", wish(query="")).json()
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
