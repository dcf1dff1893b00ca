"""The examples in docs/api.md are true."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import time_machine
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.api import problems, services
from dashboard.api.models import ApiToken
from dashboard.costs.models import Price
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.schedules.models import Schedule
from tests.factories import make_notebook
from tests.test_docs import rows

from .conftest import Program, Programs
from .test_document import DOCUMENT

API_GUIDE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def examples() -> dict[str, Any]:
    """Return the JSON examples of the guide by the comment above each."""
    matches = re.findall(r"<!-- (.+?) -->\n```json\n(.+?)```", API_GUIDE, re.S)
    return {title: json.loads(text) for title, text in matches}


EXAMPLES = examples()


def test_all_examples_are_tried() -> None:
    assert set(EXAMPLES) == {
        "GET /me",
        "PATCH /instances/demo/{id}",
        "PATCH /instances/demo/{id} 422",
        "POST /instances/demo/{id}/extend",
        "POST /schedules",
        "POST /prices",
        "POST /instances/demo/{id}/override",
        "POST /bulk",
        "POST /bulk/{batch}/confirm",
    }


def test_the_example_of_me(operator: User, program: Programs) -> None:
    with time_machine.travel("2026-11-25T12:00:00Z", tick=False):
        assert program(operator).get("/me") == EXAMPLES["GET /me"]


def test_a_change(asks: Program, instance: Instance) -> None:
    path = f"/instances/{instance.reference}"
    sent = dict(EXAMPLES["PATCH /instances/demo/{id}"])
    assert sent["seen"] == "{seen}"
    sent["seen"] = asks.get(path)["seen"]
    assert asks("patch", path, sent).status_code == 202
    assert Edit.objects.get().patch == {"auto_stop_duration": 14_400}


def test_an_override(asks: Program, instance: Instance) -> None:
    sent = dict(EXAMPLES["POST /instances/demo/{id}/override"])
    assert sent["until"] == "{tomorrow}"
    sent["until"] = (timezone.now() + timedelta(days=1)).isoformat()
    path = f"/instances/{instance.reference}/override"
    assert asks("post", path, sent).status_code == 201


def test_an_extension(asks: Program) -> None:
    notebook = make_notebook()
    path = f"/instances/{notebook.reference}"
    sent = dict(EXAMPLES["POST /instances/demo/{id}/extend"])
    assert sent["seen"] == "{lease_seen}"
    sent["seen"] = asks.get(path)["lease_seen"]
    assert asks("post", f"{path}/extend", sent).status_code == 202
    assert Edit.objects.get().kind == "extend"


def test_a_schedule(program: Programs, admin: User) -> None:
    make_notebook(flavor_type="GPU")
    response = program(admin)("post", "/schedules", EXAMPLES["POST /schedules"])
    assert response.status_code == 201, response.content
    assert Schedule.objects.get().flavor_type == "GPU"


def test_a_price(program: Programs, admin: User) -> None:
    response = program(admin)("post", "/prices", EXAMPLES["POST /prices"])
    assert response.status_code == 201, response.content
    assert Price.objects.get().running == Decimal("4.20")


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
    documented = {line for line in rows(API_GUIDE) if re.match(r"[A-Z]+ /", line)}
    assert documented == {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    }


def test_every_kind_of_problem_has_its_line() -> None:
    lines = rows(API_GUIDE)
    for kind, known in problems.KINDS.items():
        assert f"| {known.status} |" in lines[kind]


def test_every_scope_has_its_line() -> None:
    assert set(ApiToken.Scope.values) <= rows(API_GUIDE).keys()


def test_the_limits_are_those_in_the_code() -> None:
    assert f"{services.MAX_LIVE} tokens a person" in API_GUIDE
