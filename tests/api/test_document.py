"""The OpenAPI document, and responses that conform to it."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from dashboard.accounts.models import User
from dashboard.api import problems
from dashboard.api.urls import document
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import CANARIES
from dashboard.instances.models import Instance
from tests.instances.pages import add_edit
from tests.schedules.conftest import make_schedule

from .conftest import Program, Programs

DOCUMENT = json.loads(document())


def conforms(body: Any, path: str, method: str, response: Any) -> None:
    """Check that a response conforms to the document."""
    operation = DOCUMENT["paths"][f"/api/v1{path}"][method]
    described = operation["responses"][str(response.status_code)]
    if response.status_code == 204:
        assert not response.content
        return
    kind = response.headers["Content-Type"].partition(";")[0]
    schema = described["content"][kind]["schema"]
    whole = schema | {"components": DOCUMENT["components"]}
    Draft202012Validator(whole).validate(body)


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.")


def test_anybody_may_have_it(client: Client, db: None) -> None:
    response = client.get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == DOCUMENT
    text = response.text
    for secret in (*CANARIES, settings.SECRET_KEY, "testserver", "curfew_0"):
        assert secret not in text


def test_every_operation_wants_a_token_and_says_what_goes_wrong() -> None:
    seen = set()
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"token": []}]
            assert operation["description"]
            assert {"401", "403", "404", "409", "422", "429"} <= operation[
                "responses"
            ].keys()
            seen.add(operation["operationId"])
    assert len(seen) == 49
    assert "apiKey" not in json.dumps(DOCUMENT["components"]["securitySchemes"])


def test_no_default_is_there_for_clients_to_send() -> None:
    """Generated clients would send every default."""
    sent = [
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    ]
    bodies = {ref.rpartition("/")[2] for ref in sent} | {"Selection"}
    assert {"Change", "BulkRequest", "Confirmation", "Start", "Extension"} <= bodies
    for name in bodies:
        for field in DOCUMENT["components"]["schemas"][name]["properties"].values():
            assert "default" not in field
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                assert "default" not in parameter["schema"]


def test_the_header_is_named_as_it_is_read() -> None:
    change = DOCUMENT["paths"]["/api/v1/instances/{cloud}/{instance_id}"]["patch"]
    headers = [item["name"] for item in change["parameters"] if item["in"] == "header"]
    assert headers == ["Idempotency-Key"]


@pytest.fixture
def known(instance: Instance, operator: User) -> dict[str, str]:
    """IDs for the paths."""
    EditQueue.objects.create(instance=instance, next_seq=2)
    edit: Edit = add_edit(instance, operator, state="failed", base={})
    instance.events.create(at=instance.first_seen_at, to_status="RUNNING")
    return {
        "cloud": instance.cloud.name,
        "instance_id": instance.instance_id,
        "edit_id": str(edit.pk),
        "schedule_id": str(make_schedule(starts=True).pk),
        "question_id": "1",
        "price_id": "1",
        "calendar": "Home",
    }


def test_answers_have_the_shapes_of_the_document(
    program: Programs, operator: User, known: dict[str, str]
) -> None:
    asks = program(operator)
    bulk = {"selection": {"query": ""}, "action": "off"}
    draft = asks("post", "/bulk", bulk)
    conforms(draft.json(), "/bulk", "post", draft)
    known["batch_id"] = draft.json()["id"]
    yes = {"preview": draft.json()["preview"]}
    checked = {("post", "/bulk")}
    order = sorted(DOCUMENT["paths"].items(), key=lambda item: "confirm" not in item[0])
    for path, methods in order:
        path = path.removeprefix("/api/v1")
        for method in methods:
            if (method, path) in checked:
                continue
            body = yes if path.endswith("/confirm") else {"description": "New words"}
            response = asks(
                method,
                path.format(**known),
                body if method == "patch" or body is yes else None,
            )
            assert response.status_code < 500, path
            if response.status_code < 400:
                checked.add((method, path))
            conforms(
                response.json() if response.content else None, path, method, response
            )
    assert len(checked) >= 16, "most of them work in this order"


def test_errors_have_the_shape_of_the_document(
    program: Programs, viewer: User, known: dict[str, str]
) -> None:
    asks: Program = program(viewer)
    for method, path, body in (
        ("get", "/instances/{cloud}/{instance_id}", None),
        ("patch", "/instances/{cloud}/{instance_id}", {"description": 1}),
        ("post", "/bulk", {"x": 1}),
    ):
        values = known | {"instance_id": "DE-not-there"}
        response = asks(method, path.format(**values), body)
        assert response.status_code >= 400
        conforms(response.json(), path, method, response)
    schema = DOCUMENT["components"]["schemas"]["Problem"]
    assert {"type", "title", "status", "detail"} <= set(schema["required"])


def test_each_kind_of_problem_says_something() -> None:
    for kind in problems.KINDS:
        problem = json.loads(problems.answer(kind).content)
        assert problem["status"] == problems.KINDS[kind].status
        assert problem["detail"].endswith(".")
