"""Overrides of schedules by programs."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.schedules.models import Override
from tests.factories import make_cloud, make_notebook
from tests.policies.conftest import make_rule

from .conftest import Program, Programs
from .test_document import conforms

PATH = "/instances/{cloud}/{instance_id}/override"


@pytest.fixture
def asks(program: Programs, scientist: User) -> Program:
    return program(scientist)


def later(hours: float = 4) -> str:
    return (timezone.now() + timedelta(hours=hours)).isoformat()


def test_keep_extends_the_run_and_the_instance_shows_it(asks: Program) -> None:
    notebook = make_notebook(cloud=make_cloud(max_run_hours=72))
    path, until = f"/instances/{notebook.reference}", later(10)
    response = asks("post", f"{path}/override", {"kind": "keep", "until": until})
    assert response.status_code == 201, response.content
    body = response.json()
    conforms(body, PATH, "post", response)
    off = datetime.fromisoformat(body["until"]) - datetime.fromisoformat(until)
    assert abs(off) < timedelta(seconds=1)
    assert body["created_by"] == "scientist"
    assert asks.get(path)["override"] == body
    assert Edit.objects.get().override_id
    again = asks("post", f"{path}/override", {"kind": "keep", "until": until})
    assert again.json() == body, "sent twice"
    assert Override.objects.count() == 1
    assert asks("delete", f"{path}/override").status_code == 204
    assert asks.get(path)["override"] is None
    assert asks("delete", f"{path}/override").status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "other"}, "kind"),
        ({"kind": "keep"}, "until"),
        ({"kind": "keep", "until": "tomorrow"}, "until"),
        ({"kind": "ignore", "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"kind": "skip"}, "until"),
        ({"kind": "keep", "until": "2036-01-01T00:00:00Z"}, "until"),
        ({"kind": "ignore", "until": "x", "reason": "y" * 301}, "until"),
    ],
)
def test_what_is_wrong(
    asks: Program, instance: Instance, problem: Any, body: Any, field: str
) -> None:
    response = asks("post", f"/instances/{instance.reference}/override", body)
    errors = problem(response, 422, "invalid")["errors"]
    assert field in {error["field"] for error in errors}


def test_beyond_the_policies(
    asks: Program,
    program: Programs,
    operator: User,
    instance: Instance,
    problem: Any,
) -> None:
    make_rule(name="Short", kind="max_hours", max_seconds=4 * 3600)
    path = f"/instances/{instance.reference}/override"
    body = {"kind": "keep", "until": later(50)}
    refused = problem(asks("post", path, body), 422, "invalid")
    assert "allows" in refused["detail"]
    by_operator = program(operator)
    refused = problem(by_operator("post", path, body), 422, "invalid")
    assert [error["field"] for error in refused["errors"]] == ["reason"]
    accepted = by_operator("post", path, body | {"reason": "A demo."})
    assert accepted.status_code == 201


def test_others_may_not(
    program: Programs, viewer: User, stranger: User, instance: Instance
) -> None:
    path = f"/instances/{instance.reference}/override"
    for person in (viewer, stranger):
        body = {"kind": "ignore", "until": later()}
        assert program(person)("post", path, body).status_code == 403
        assert program(person)("delete", path).status_code == 403
