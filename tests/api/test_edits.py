"""Edits: list, detail, second thoughts."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import User
from dashboard.edits.models import Edit, EditQueue
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .conftest import Programs

Judge = Callable[..., Any]


@pytest.fixture
def failed(instance: Instance, operator: User) -> Edit:
    """One that failed."""
    EditQueue.objects.create(instance=instance, next_seq=2)
    base = {"auto_stop_duration": 28_800}
    return add_edit(
        instance, operator, state="failed", base=base, message=verbatim("No.")
    )


def test_one_edit(program: Programs, viewer: User, failed: Edit) -> None:
    told = program(viewer, "read").get(f"/edits/{failed.pk}")
    assert told["state"] == "failed"
    assert told["actor"] == "operator"
    assert told["instance_id"] == failed.instance.instance_id
    assert told["wish"] == {"auto_stop_seconds": 7_200}
    assert told["base"] == {"auto_stop_seconds": 28_800}
    assert told["sentence"] == "Failed. Curfew is no longer retrying."
    assert told["may_retry"] is False, "a viewer's"
    assert told["url"] == failed.get_absolute_url()


def test_the_list_s_own_filters(
    program: Programs, operator: User, failed: Edit, admin: User
) -> None:
    add_edit(make_instance(name="other"), admin, key="2", state="queued")
    asks = program(operator)
    assert asks.get("/edits")["count"] == 2
    for query in ("state=failed", "actor=operator", "mine=true", "q=notebook"):
        (one,) = asks.get(f"/edits?{query}")["items"]
        assert one["id"] == str(failed.pk), query
    assert asks.get("/edits?state=open")["items"][0]["instance_name"] == "other"
    assert asks.get("/edits?page=2")["items"] == []


@pytest.mark.parametrize(
    "query",
    ["state=done", "actor=nobody", "cloud=nowhere", "per_page=7", "x=1", "mine=1"],
)
def test_what_makes_no_sense_is_refused(
    program: Programs, viewer: User, failed: Edit, problem: Judge, query: str
) -> None:
    told = problem(program(viewer)("get", f"/edits?{query}"), 422, "invalid")
    assert told["errors"][0]["field"] == query.partition("=")[0]


def test_a_hundred_cost_as_many_queries_as_one(
    program: Programs, operator: User, failed: Edit
) -> None:
    asks = program(operator)

    def queries() -> int:
        asks.get("/edits?per_page=100")
        with CaptureQueriesContext(connection) as captured:
            told = asks.get("/edits?per_page=100")
        assert len(told["items"]) == Edit.objects.count()
        return len(captured)

    few = queries()
    for number in range(99):
        add_edit(make_instance(), operator, key=f"n{number}")
    assert queries() == few
    assert few <= 6


def test_cancel(
    program: Programs, operator: User, instance: Instance, problem: Judge
) -> None:
    asks = program(operator)
    path = f"/instances/{instance.reference}"
    edit = asks("patch", path, {"description": "x"}).json()
    assert edit["may_cancel"]
    response = asks("post", f"/edits/{edit['id']}/cancel")
    assert response.status_code == 200
    assert response.json()["state"] == "cancelled"
    problem(asks("post", f"/edits/{edit['id']}/cancel"), 409, "not-now")


def test_retry(program: Programs, operator: User, failed: Edit, problem: Judge) -> None:
    asks = program(operator)
    response = asks("post", f"/edits/{failed.pk}/retry")
    assert response.status_code == 202
    again = response.json()
    assert again["retry_of"] == str(failed.pk)
    assert response.headers["Location"] == f"/api/v1/edits/{again['id']}"
    problem(asks("post", f"/edits/{again['id']}/retry"), 409, "not-now")


@pytest.mark.parametrize("act", ["cancel", "retry"])
def test_not_yours(
    program: Programs, stranger: User, failed: Edit, problem: Judge, act: str
) -> None:
    asks = program(stranger)
    state = "queued" if act == "cancel" else "failed"
    Edit.objects.update(state=state)
    problem(asks("post", f"/edits/{failed.pk}/{act}"), 403, "forbidden")
    problem(asks("post", f"/edits/{uuid4()}/{act}"), 404, "not-found")
    problem(asks("get", f"/edits/{uuid4()}"), 404, "not-found")
    problem(asks("get", "/edits/not-a-uuid"), 404, "not-found")
