"""The examples in docs/api.md are true."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import time_machine

from dashboard.accounts.models import User
from dashboard.api import problems, services
from dashboard.api.models import ApiToken
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from tests.test_docs import rows

from .conftest import Program, Programs
from .test_document import DOCUMENT

PAPER = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def examples() -> dict[str, Any]:
    """Each JSON of the paper by what stands above it."""
    found = re.findall(r"<!-- (.+?) -->\n```json\n(.+?)```", PAPER, re.S)
    return {title: json.loads(text) for title, text in found}


EXAMPLES = examples()


@pytest.fixture
def asks(program: Programs, operator: User) -> Program:
    return program(operator)


def test_all_examples_are_tried() -> None:
    assert set(EXAMPLES) == {
        "GET /me",
        "PATCH /instances/demo/{id}",
        "PATCH /instances/demo/{id} 422",
        "POST /bulk",
        "POST /bulk/{batch}/confirm",
    }


def test_who_am_i(operator: User, program: Programs) -> None:
    with time_machine.travel("2026-11-25T12:00:00Z", tick=False):
        assert program(operator).get("/me") == EXAMPLES["GET /me"]


def test_a_change(asks: Program, instance: Instance) -> None:
    path = f"/instances/{instance.reference}"
    sent = dict(EXAMPLES["PATCH /instances/demo/{id}"])
    assert sent["seen"] == "{seen}"
    sent["seen"] = asks.get(path)["seen"]
    assert asks("patch", path, sent).status_code == 202
    assert Edit.objects.get().patch == {"auto_stop_duration": 14_400}


def test_a_bad_change(asks: Program, instance: Instance) -> None:
    response = asks(
        "patch", f"/instances/{instance.reference}", {"auto_stop_hours": 25}
    )
    assert response.json() == EXAMPLES["PATCH /instances/demo/{id} 422"]


def test_many(asks: Program, instance: Instance) -> None:
    draft = asks("post", "/bulk", EXAMPLES["POST /bulk"]).json()
    assert draft["number"] == 1
    yes = EXAMPLES["POST /bulk/{batch}/confirm"]
    assert yes == {"preview": "{preview}"}
    response = asks(
        "post", f"/bulk/{draft['id']}/confirm", {"preview": draft["preview"]}
    )
    assert response.status_code == 202


def test_every_address_has_its_line() -> None:
    told = {line for line in rows(PAPER) if re.match(r"[A-Z]+ /", line)}
    assert told == {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    }


def test_every_kind_of_problem_has_its_line() -> None:
    lines = rows(PAPER)
    for kind, known in problems.KINDS.items():
        assert f"| {known.status} |" in lines[kind]


def test_every_scope_has_its_line() -> None:
    assert set(ApiToken.Scope.values) <= rows(PAPER).keys()


def test_the_limits_are_those_in_the_code() -> None:
    assert f"{services.MOST} tokens a person" in PAPER
