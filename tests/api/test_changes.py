"""Changes of instances: validation, conflicts, idempotency and permissions."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from tests.factories import make_instance, make_notebook
from tests.policies.conftest import make_rule

from .conftest import Program, Programs

ProblemCheck = Callable[..., Any]


@pytest.fixture
def path(instance: Instance) -> str:
    return f"/instances/{instance.reference}"


def patch_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 202, response.content
    body = response.json()
    assert response.headers["Location"] == f"/api/v1/edits/{body['id']}"
    assert body["state"] == "queued"
    edit = Edit.objects.get(pk=body["id"])
    patch: dict[str, Any] = edit.patch
    return patch


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"description": "New words"}, {"description": "New words"}),
        ({"auto_stop_hours": 4}, {"auto_stop_duration": 14_400}),
        ({"auto_stop_hours": 4.5}, {"auto_stop_duration": 16_200}),
        ({"auto_stop_seconds": 7_200}, {"auto_stop_duration": 7_200}),
        ({"auto_stop_enable": False}, {"auto_stop_enable": False}),
        ({"prompt": False}, {"auto_stop_prompt": False}),
        (
            {"description": "", "auto_stop_hours": 24.0, "prompt": True},
            {"description": "", "auto_stop_duration": 86_400},
        ),
    ],
)
def test_only_what_is_sent_changes(
    asks: Program, path: str, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert patch_of(asks("patch", path, sent)) == expected


def test_switched_on_with_the_run_time_it_has(asks: Program) -> None:
    instance = make_instance(auto_stop_enable=False, auto_stop_duration=5_000)
    path = f"/instances/{instance.reference}"
    on = asks("patch", path, {"auto_stop_enable": True})
    assert patch_of(on) == {"auto_stop_enable": True}


@pytest.mark.parametrize(
    "sent", [{}, {"description": "Churn model, second try"}, {"auto_stop_hours": 8},
             {"auto_stop_enable": True}, {"auto_stop_seconds": 28_800}]
)  # fmt: skip
def test_a_change_that_is_already_set_is_204(
    asks: Program, path: str, sent: dict[str, Any]
) -> None:
    assert asks("patch", path, sent).status_code == 204
    assert not Edit.objects.exists()


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"description": "a < b"}, "description"),
        ({"description": "x" * 513}, "description"),
        ({"description": None}, "description"),
        ({"auto_stop_hours": 0.5}, "auto_stop_hours"),
        ({"auto_stop_hours": 25}, "auto_stop_hours"),
        ({"auto_stop_hours": 8.25}, "auto_stop_hours"),
        ({"auto_stop_hours": 8.00000001}, "auto_stop_hours"),
        ({"auto_stop_hours": -8}, "auto_stop_hours"),
        ({"auto_stop_hours": "8"}, "auto_stop_hours"),
        ({"auto_stop_hours": 1e300}, "auto_stop_hours"),
        ({"auto_stop_hours": 1e308}, "auto_stop_hours"),
        ({"auto_stop_seconds": 5_000}, "auto_stop_seconds"),
        ({"auto_stop_seconds": 10**400}, "auto_stop_seconds"),
        ({"auto_stop_hours": 4, "auto_stop_seconds": 14_400}, "auto_stop_seconds"),
        ({"auto_stop_enable": False, "auto_stop_hours": 4}, "auto_stop_hours"),
        ({"auto_stop_enable": "yes"}, "auto_stop_enable"),
        ({"owner": "tom.becker"}, "owner"),
        ({"actor": 1, "state": "applied"}, "actor"),
    ],
)
def test_the_form_s_rules_hold(
    asks: Program, path: str, problem: ProblemCheck, sent: dict[str, Any], field: str
) -> None:
    body = problem(asks("patch", path, sent), 422, "invalid")
    assert body["errors"][0]["field"] == field
    assert not Edit.objects.exists()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_no_number_is_no_number(
    asks: Program, path: str, problem: ProblemCheck, text: str
) -> None:
    response = asks("patch", path, f'{{"auto_stop_hours": {text}}}')
    problem(response, 422, "invalid")


def test_a_run_time_means_nothing_while_auto_stop_is_off(
    asks: Program, problem: ProblemCheck
) -> None:
    instance = make_instance(auto_stop_enable=False)
    response = asks("patch", f"/instances/{instance.reference}", {"auto_stop_hours": 4})
    body = problem(response, 422, "invalid")
    assert "Turn it on" in body["detail"]


def test_a_page_says_the_same_of_the_same_text(
    asks: Program, path: str, operator: User, instance: Instance, problem: ProblemCheck
) -> None:
    bad = 'He said "no" & left'
    body = problem(asks("patch", path, {"description": bad}), 422, "invalid")
    client = Client()
    client.force_login(operator)
    url = reverse("edits:edit", args=[instance.cloud.name, instance.instance_id])
    form = {"description": bad, "auto_stop_enable": "on", "auto_stop_hours": "8"}
    page = client.post(url, form)
    assert page.status_code == 422
    (sentence,) = page.context["form"].errors["description"]
    assert body["errors"] == [{"field": "description", "message": sentence}]


def test_changed_since_is_a_conflict_with_both_values(
    asks: Program, path: str, instance: Instance, problem: ProblemCheck
) -> None:
    seen = asks.get(path)["seen"]
    Instance.objects.filter(pk=instance.pk).update(auto_stop_duration=7_200)
    body = {"auto_stop_hours": 4, "seen": seen}
    content = problem(asks("patch", path, body), 409, "conflict")
    assert content["differences"] == [
        {
            "field": "auto_stop_seconds",
            "seen": 28_800,
            "now": 7_200,
            "requested": 14_400,
        }
    ]
    # The same change again, with the current values as its base.
    second = asks("patch", path, body | {"seen": content["seen"]})
    assert patch_of(second) == {"auto_stop_duration": 14_400}


def test_seen_of_another_instance_is_no_use(
    asks: Program, path: str, problem: ProblemCheck
) -> None:
    other = asks.get(f"/instances/{make_instance().reference}")["seen"]
    for seen in (other, "forged"):
        response = asks("patch", path, {"description": "x", "seen": seen})
        body = problem(response, 409, "conflict")
    assert body["seen"]


def test_the_same_key_is_the_same_edit(
    asks: Program, path: str, problem: ProblemCheck
) -> None:
    body = {"auto_stop_hours": 4, "description": "Mine"}
    first = asks("patch", path, body, Idempotency_Key="k-1")
    assert first.status_code == 202
    # Other edits follow, and it is applied: the answer stays the same.
    assert asks("patch", path, {"description": "Later"}).status_code == 202
    Edit.objects.filter(pk=first.json()["id"]).update(state="applied")
    second = asks("patch", path, body, Idempotency_Key="k-1")
    assert second.status_code == 200
    assert second.json()["id"] == first.json()["id"]
    assert Edit.objects.count() == 2
    changed = asks("patch", path, {"auto_stop_hours": 5}, Idempotency_Key="k-1")
    problem(changed, 409, "key-reused")
    stopped = asks("post", f"{path}/stop", Idempotency_Key="k-1")
    problem(stopped, 409, "key-reused")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"description": "a"}, {"description": "a", "auto_stop_hours": 4}),
        ({"description": "a", "auto_stop_hours": 4}, {"description": "a"}),
        # A value that is already set is in the request, but not in the edit.
        ({"description": "a", "auto_stop_hours": 8}, {"description": "a"}),
        ({"auto_stop_hours": 4}, {"auto_stop_hours": 4, "prompt": False}),
    ],
)
def test_the_same_key_with_more_or_fewer_fields_is_another_request(
    asks: Program, path: str, problem: ProblemCheck, first: Any, second: Any
) -> None:
    assert asks("patch", path, first, Idempotency_Key="k").status_code == 202
    assert asks("patch", path, first, Idempotency_Key="k").status_code == 200
    problem(asks("patch", path, second, Idempotency_Key="k"), 409, "key-reused")
    assert Edit.objects.count() == 1


def test_a_key_of_another_instance_or_person(
    asks: Program, path: str, program: Programs, admin: User, problem: ProblemCheck
) -> None:
    body = {"description": "Mine"}
    first = asks("patch", path, body, Idempotency_Key="k").json()["id"]
    other = f"/instances/{make_instance().reference}"
    problem(asks("patch", other, body, Idempotency_Key="k"), 409, "key-reused")
    theirs = {"description": "Theirs"}
    second = program(admin)("patch", path, theirs, Idempotency_Key="k")
    assert second.status_code == 202
    assert second.json()["id"] != first


def test_start_and_stop(
    asks: Program, path: str, instance: Instance, problem: ProblemCheck
) -> None:
    problem(asks("post", f"{path}/start"), 409, "not-now")
    response = asks("post", f"{path}/stop", Idempotency_Key="s")
    assert patch_of(response) == {}
    assert response.json()["kind"] == "stop"
    Instance.objects.filter(pk=instance.pk).update(status="STOPPED")
    # A request that would now be refused still returns the first edit.
    second = asks("post", f"{path}/stop", Idempotency_Key="s")
    assert (second.status_code, second.json()["id"]) == (200, response.json()["id"])
    problem(asks("post", f"{path}/stop"), 409, "not-now")
    assert asks("post", f"{path}/start").json()["kind"] == "start"


def test_restart(
    asks: Program, path: str, instance: Instance, problem: ProblemCheck
) -> None:
    response = asks("post", f"{path}/restart", Idempotency_Key="r")
    assert response.status_code == 202
    stop = response.json()
    assert response.headers["Location"] == f"/api/v1/edits/{stop['id']}"
    start = asks.get(f"/edits/{stop['start']}")
    assert (stop["kind"], start["kind"]) == ("stop", "start")
    assert start["waits_for_stop"]
    again = asks("post", f"{path}/restart", Idempotency_Key="r")
    assert (again.status_code, again.json()["start"]) == (200, stop["start"])
    assert Edit.objects.count() == 2
    plain_stop = asks("post", f"{path}/stop", Idempotency_Key="r")
    problem(plain_stop, 409, "key-reused")
    asks("post", f"/edits/{stop['id']}/cancel")
    assert asks.get(f"/edits/{stop['start']}")["state"] == "cancelled"
    Instance.objects.filter(pk=instance.pk).update(status="STOPPED")
    problem(asks("post", f"{path}/restart"), 409, "not-now")
    notebook = make_notebook()
    each_start = asks("post", f"/instances/{notebook.reference}/restart")
    assert "its own run time" in problem(each_start, 409, "not-now")["detail"]


def test_a_rule_stands_against_it(
    asks: Program, path: str, problem: ProblemCheck
) -> None:
    make_rule(name="Short", kind="max_hours", max_seconds=6 * 3600)
    body = problem(asks("patch", path, {"auto_stop_hours": 7}), 409, "rule-refused")
    assert "Short" in body["detail"]


def test_gone_is_gone(asks: Program, problem: ProblemCheck) -> None:
    from datetime import UTC, datetime

    instance = make_instance(missing_since=datetime.now(UTC))
    response = asks("patch", f"/instances/{instance.reference}", {"description": "x"})
    problem(response, 409, "not-now")


@pytest.mark.parametrize("role", ["viewer", "stranger"])
def test_not_yours_to_change(
    program: Programs, request: pytest.FixtureRequest, path: str, role: str,
    problem: ProblemCheck,
) -> None:  # fmt: skip
    asks = program(request.getfixturevalue(role))
    problem(asks("patch", path, {"description": "x"}), 403, "forbidden")
    problem(asks("post", f"{path}/stop"), 403, "forbidden")
    problem(asks("post", f"{path}/start"), 403, "forbidden")
    problem(asks("post", f"{path}/restart"), 403, "forbidden")
    event = AuditEvent.objects.filter(action="request.refused").first()
    assert event
    assert (event.actor_label, str(event.via)) == (role, "token laptop")
    assert event.outcome == "refused"


def test_the_trail_names_the_token(asks: Program, path: str) -> None:
    asks("patch", path, {"description": "By a program"})
    event = AuditEvent.objects.get(action="edit.submitted")
    assert (event.actor_label, str(event.via)) == ("operator", "token laptop")
    assert event.request_id
    assert event.address == "127.0.0.1"


def test_a_page_after_it_is_by_no_token(
    asks: Program, path: str, operator: User, instance: Instance
) -> None:
    asks("patch", path, {"description": "By a program"})
    client = Client()
    client.force_login(operator)
    url = reverse("edits:edit", args=[instance.cloud.name, instance.instance_id])
    client.post(url, {"description": "By hand"})
    event = AuditEvent.objects.filter(action="edit.submitted").first()
    assert event
    assert not event.via
