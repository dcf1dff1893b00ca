"""The shape of errors, and their language."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.test import RequestFactory
from ninja.errors import ValidationError

from dashboard.accounts.models import User
from dashboard.api import urls
from dashboard.api.secret_text import new_secret
from dashboard.instances.models import Instance

from .conftest import Program, Programs

pytestmark = pytest.mark.usefixtures("_empty_cache")


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("get", "/nowhere", 404, "not-found"),
        ("get", "/instances/demo/DE-not-there", 404, "not-found"),
        ("get", "/instances/demo/DE%00", 404, "not-found"),
        ("delete", "/instances", 405, "method-not-allowed"),
        ("put", "/edits", 405, "method-not-allowed"),
    ],
)
def test_errors_have_one_shape(
    program: Programs, viewer: User, problem: Any, method: str, path: str, status: int,
    kind: str,
) -> None:  # fmt: skip
    response = program(viewer)(method, path)
    problem(response, status, kind)
    assert ("Allow" in response.headers) == (status == 405)


def test_a_body_that_is_no_json_is_400(
    program: Programs, operator: User, instance: Instance, problem: Any
) -> None:
    asks = program(operator)
    path = f"/api/v1/instances/{instance.reference}"
    headers = {"Authorization": f"Bearer {asks.secret}"}
    half = b'{"description": "\\ud800"}'
    twice = b'{"description": "a", "description": "b"}'
    for body in (
        half,
        twice,
        b"{",
        b"\xff",
        b"[" * 50_000,
        b'"' + b"x" * 70_000 + b'"',
    ):
        response = asks.client.patch(
            path, body, content_type="application/json", headers=headers
        )
        problem(response, 400, "bad-request")


@pytest.mark.parametrize(
    ("method", "path", "body", "detail"),
    [
        ("patch", "/instances/demo/DE-1", {"x": 1}, "There is no field “x”."),
        ("patch", "/instances/demo/DE-1", [1], "Send a JSON object."),
        ("post", "/bulk", {"action": "stop"}, "Send “selection”."),
    ],
)
def test_the_detail_of_an_error_names_the_field(
    program: Programs, operator: User, problem: Any, method: str, path: str, body: Any,
    detail: str,
) -> None:  # fmt: skip
    content = problem(program(operator)(method, path, body), 422, "invalid")
    assert content["detail"] == detail


def test_a_body_of_unknown_length_is_411(
    program: Programs, operator: User, instance: Instance, problem: Any
) -> None:
    chunked = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    path = f"/instances/{instance.reference}"
    response = program(operator)("patch", path, {"description": "x"}, **chunked)
    body = problem(response, 411, "length-required")
    assert "Content-Length" in body["detail"]


def test_the_api_answers_in_english(
    program: Programs, operator: User, instance: Instance
) -> None:
    asks = program(operator)
    asks.client.cookies["curfew_tz"] = "Asia/Tokyo"
    path = f"/instances/{instance.reference}"
    english = asks.get(path)
    User.objects.update(language="de")
    german = {"Accept_Language": "de"}
    assert asks.get(path, **german) | {"seen": ""} == english | {"seen": ""}
    refused = asks("patch", path, {"auto_stop_hours": 25}, **german)
    assert "a run may last" in refused.json()["detail"]
    assert "Accept-Language" not in refused.headers["Vary"]
    unknown = Program(new_secret())("get", "/me", **german)
    assert "missing, wrong or no longer valid" in unknown.json()["detail"]


def test_braces_in_what_was_sent(rf: RequestFactory) -> None:
    """Pydantic's sentence may quote them."""
    fault = {"type": "other", "loc": ("body", "body", "id"), "msg": "Found `{a}`"}
    answer = urls.api.on_exception(rf.get("/"), ValidationError([fault]))
    assert answer.status_code == 422
    assert json.loads(answer.content)["detail"] == "Found `{a}`."


def test_a_fault_of_ours_tells_no_details(
    program: Programs, viewer: User, problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret-canary")

    monkeypatch.setattr("dashboard.api.views.overview.freshness", broken)
    response = program(viewer)("get", "/clouds")
    assert "secret-canary" not in response.text
    problem(response, 500, "fault")


@pytest.mark.parametrize(
    "gone",
    ["dashboard.api.middleware.token_of", "dashboard.api.views.overview.freshness"],
)
def test_a_missing_database_is_503(
    program: Programs,
    problem: Callable[..., Any],
    viewer: User,
    monkeypatch: pytest.MonkeyPatch,
    gone: str,
) -> None:
    def fails(*_: object) -> None:
        raise OperationalError("terminating connection")

    asked = program(viewer)
    monkeypatch.setattr(gone, fails)
    answer = asked("get", "/clouds")
    problem(answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) > 0
