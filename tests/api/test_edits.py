"""Edits: list, detail, cancel and retry."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit, EditQueue
from dashboard.instances.models import Instance
from dashboard.schedules.models import Schedule
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .conftest import Programs

ProblemCheck = Callable[..., Any]


@pytest.fixture
def failed(instance: Instance, operator: User) -> Edit:
    """An edit that failed."""
    EditQueue.objects.create(instance=instance, next_seq=2)
    base = {"auto_stop_duration": 28_800}
    return add_edit(
        instance, operator, state="failed", base=base, message=verbatim("No.")
    )


def test_an_edit_is_described(program: Programs, viewer: User, failed: Edit) -> None:
    body = program(viewer, "read").get(f"/edits/{failed.pk}")
    assert body["state"] == "failed"
    assert body["actor"] == "operator"
    assert body["instance_id"] == failed.instance.instance_id
    assert body["change"] == {"auto_stop_seconds": 7_200}
    assert body["base"] == {"auto_stop_seconds": 28_800}
    assert body["sentence"] == "Failed. Curfew is no longer retrying."
    assert body["may_retry"] is False, "a viewer's"
    assert body["url"] == failed.get_absolute_url()


def test_the_list_s_own_filters(
    program: Programs, operator: User, failed: Edit, admin: User
) -> None:
    add_edit(make_instance(name="other"), admin, key="2", state="queued")
    asks = program(operator)
    assert asks.get("/edits")["count"] == 2
    for query in ("state=failed", "actor=operator", "mine=true", "q=notebook"):
        (item,) = asks.get(f"/edits?{query}")["items"]
        assert item["id"] == str(failed.pk), query
    assert asks.get("/edits?state=open")["items"][0]["instance_name"] == "other"
    assert asks.get("/edits?page=2")["items"] == []


def test_an_edit_of_a_schedule(program: Programs, operator: User) -> None:
    moment = timezone.now().replace(microsecond=0)
    schedule = Schedule.objects.create(position=1, name="Nights", time_zone="UTC")
    add_edit(make_instance(), operator, key="2")
    edit = add_edit(
        make_instance(),
        None,
        kind="stop",
        patch={},
        schedule=schedule,
        schedule_name="Nights",
        scheduled_for=moment,
    )
    (item,) = program(operator).get("/edits?schedule=Nights")["items"]
    assert item["id"] == str(edit.pk)
    assert (item["actor"], item["schedule"]) == ("Schedule “Nights”", "Nights")
    assert (item["policy"], item["scheduled_for"]) == (
        None,
        moment.isoformat().replace("+00:00", "Z"),
    )


@pytest.mark.parametrize(
    "query",
    ["state=done", "actor=nobody", "cloud=nowhere", "per_page=7", "x=1", "mine=1"],
)
def test_invalid_filters_are_422(
    program: Programs, viewer: User, failed: Edit, problem: ProblemCheck, query: str
) -> None:
    body = problem(program(viewer)("get", f"/edits?{query}"), 422, "invalid")
    assert body["errors"][0]["field"] == query.partition("=")[0]


def test_a_hundred_cost_as_many_queries_as_one(
    program: Programs, operator: User, failed: Edit
) -> None:
    asks = program(operator)

    def queries() -> int:
        asks.get("/edits?per_page=100")
        with CaptureQueriesContext(connection) as captured:
            body = asks.get("/edits?per_page=100")
        assert len(body["items"]) == Edit.objects.count()
        return len(captured)

    few = queries()
    for number in range(99):
        add_edit(make_instance(), operator, key=f"n{number}")
    assert queries() == few
    assert few <= 6


def test_cancel(
    program: Programs, operator: User, instance: Instance, problem: ProblemCheck
) -> None:
    asks = program(operator)
    path = f"/instances/{instance.reference}"
    edit = asks("patch", path, {"description": "x"}).json()
    assert edit["may_cancel"]
    response = asks("post", f"/edits/{edit['id']}/cancel")
    assert response.status_code == 200
    assert response.json()["state"] == "cancelled"
    problem(asks("post", f"/edits/{edit['id']}/cancel"), 409, "not-now")


def test_retry(
    program: Programs, operator: User, failed: Edit, problem: ProblemCheck
) -> None:
    asks = program(operator)
    response = asks("post", f"/edits/{failed.pk}/retry")
    assert response.status_code == 202
    second = response.json()
    assert second["retry_of"] == str(failed.pk)
    assert response.headers["Location"] == f"/api/v1/edits/{second['id']}"
    problem(asks("post", f"/edits/{second['id']}/retry"), 409, "not-now")


def test_undo(
    program: Programs, operator: User, instance: Instance, problem: ProblemCheck
) -> None:
    asks = program(operator)
    former = instance.description
    path = f"/instances/{instance.reference}"
    edit = asks("patch", path, {"description": "x"}).json()
    problem(asks("post", f"/edits/{edit['id']}/undo"), 409, "not-now")
    now = timezone.now()
    Edit.objects.update(state="applied", finished_at=now)
    Instance.objects.update(description="x")
    assert asks.get(f"/edits/{edit['id']}")["may_undo"]
    undo = asks("post", f"/edits/{edit['id']}/undo")
    assert undo.status_code == 202
    assert undo.json()["undo_of"] == edit["id"]
    assert undo.json()["change"] == {"description": former}
    Edit.objects.all().delete()
    Instance.objects.update(description="by someone else")
    add_edit(
        instance,
        operator,
        state="applied",
        finished_at=now,
        base={"description": former},
        patch={"description": "x"},
    )
    edit = Edit.objects.get()
    problem(asks("post", f"/edits/{edit.pk}/undo"), 409, "conflict")
    # The undo of a start stops it: someone has to mean that.
    Edit.objects.update(kind="start", patch={}, base={"status": "STOPPED"})
    problem(asks("post", f"/edits/{edit.pk}/undo"), 409, "not-now")
    stop = asks("post", f"/edits/{edit.pk}/undo", {"stop": True})
    assert stop.json()["kind"] == "stop"


@pytest.mark.parametrize("act", ["cancel", "retry", "undo"])
def test_not_yours(
    program: Programs, stranger: User, failed: Edit, problem: ProblemCheck, act: str
) -> None:
    asks = program(stranger)
    state = "queued" if act == "cancel" else "failed"
    Edit.objects.update(state=state)
    problem(asks("post", f"/edits/{failed.pk}/{act}"), 403, "forbidden")
    problem(asks("post", f"/edits/{uuid4()}/{act}"), 404, "not-found")
    problem(asks("get", f"/edits/{uuid4()}"), 404, "not-found")
    problem(asks("get", "/edits/not-a-uuid"), 404, "not-found")
