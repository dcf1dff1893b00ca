"""The audit page: permissions, filters and number of queries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.messages import ANONYMOUS, AUDIT_TRAIL, UNKNOWN_NAME
from dashboard.audit.models import AuditEvent
from dashboard.audit.services import record_event
from dashboard.edits.extension import base_of, patch_until
from dashboard.edits.services import submit_extension
from tests.factories import make_notebook

PAGE = reverse("audit:list")
pytestmark = pytest.mark.usefixtures("_empty_cache")


def record(**fields: Any) -> AuditEvent:
    values: dict[str, Any] = {
        "actor": None,
        "action": "edit.applied",
        "target_kind": "instance",
        "target_id": "DE-1",
        "target_label": "churn",
    }
    return record_event(**(values | fields))


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("viewer", 403),
        ("scientist", 403),
        ("manager", 200),
        ("operator", 200),
        ("admin", 200),
    ],
)
def test_managers_operators_and_admins_read_it(
    client: Client, request: pytest.FixtureRequest, role: str, status: int
) -> None:
    client.force_login(request.getfixturevalue(role))
    assert client.get(PAGE).status_code == status
    link = f'href="{PAGE}"' in client.get(reverse("instances:list")).text
    assert link == (status == 200)


def test_not_signed_in_and_wrong_method(client: Client, operator: User) -> None:
    assert client.get(PAGE).status_code == 302
    client.force_login(operator)
    assert client.post(PAGE).status_code == 405


def test_an_event_shows_actor_action_target_values_and_reason(
    client: Client, operator: User
) -> None:
    record(
        actor=operator,
        instance="demo/DE-1",
        before={"auto_stop_duration": 3600, "auto_stop_enable": True},
        after={"auto_stop_duration": 7200},
        reason="Because.",
    )
    client.force_login(operator)
    page = client.get(PAGE).text
    for text in ("operator", "Change applied", "churn", "1 h", "2 h", "Because."):
        assert text in page
    assert 'href="/instances/demo/DE-1/"' in page


def test_our_words_for_nobody_are_translated_and_names_are_not(
    client: Client, operator: User
) -> None:
    operator.language = "de"
    operator.save()
    client.force_login(operator)
    nobody = {"target_kind": "user", "target_label": UNKNOWN_NAME()}
    record(actor_label=ANONYMOUS(), action="user.sign_in_failed", **nobody)
    record(actor_label="curfew", target_label="Applied")
    record(actor_label=ANONYMOUS(), target_kind="audit", target_label=AUDIT_TRAIL())
    text = client.get(PAGE).text
    assert "<bdi>nicht angemeldet</bdi>" in text
    assert "ein unbekannter Name" in text
    assert "das Audit-Protokoll" in text
    assert ">Applied<" in text


def test_an_event_of_an_edit_leads_to_its_page(client: Client, operator: User) -> None:
    edit = "7f0c3c52-6a39-4d7c-9f0c-1a6d6f1f0000"
    record(target_kind="edit", target_id=edit)
    record(target_kind="edit", target_id="no uuid", target_label="odd")
    client.force_login(operator)
    assert f'href="/edits/{edit}/"' in client.get(PAGE).text


def test_the_row_of_an_edit_tells_the_change_with_units(
    client: Client, operator: User
) -> None:
    client.force_login(operator)
    record(
        target_kind="edit",
        target_id="7f0c3c52-6a39-4d7c-9f0c-1a6d6f1f0000",
        instance="demo/DE-1",
        before={"state": "sending", "auto_stop_duration": 5_400},
        after={"state": "applied", "auto_stop_duration": 28_800, "policy": "Nights"},
    )
    response = client.get(PAGE)
    changes = [tuple(change) for change in response.context["lines"][0].in_row]
    assert changes == [
        ("auto-stop after", "1 h 30 min", "8 h"),
        ("policy", "", "Nights"),
    ]
    # The action links to the change, the name to the instance.
    for link in (
        "/edits/7f0c3c52-6a39-4d7c-9f0c-1a6d6f1f0000/",
        "/instances/demo/DE-1/",
    ):
        assert f'href="{link}"' in response.text


def test_the_row_of_an_extension_tells_when_the_run_ends(
    client: Client, scientist: User, admin: User
) -> None:
    start = datetime(2026, 11, 21, 12, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        client.force_login(admin)
        instance = make_notebook(idle_seconds=5_400)
        submit_extension(
            instance=instance,
            actor=scientist,
            patch=patch_until(instance, start + timedelta(hours=6), start),
            base=base_of(instance),
        )
        response = client.get(PAGE)
    assert [tuple(change) for change in response.context["lines"][0].changes] == [
        ("action", "", "Extend"),
        ("end of the run", "", "21 Nov 2026, 18:00 UTC"),
        ("stops", "when idle", "at a fixed time"),
    ]


@time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=UTC), tick=False)
def test_one_link_shows_the_last_seven_days(client: Client, operator: User) -> None:
    client.force_login(operator)
    page = client.get(f"{PAGE}?person=ada&until=2026-11-01&page=2").text
    assert f'id="last-week" href="{PAGE}?person=ada&amp;since=2026-11-15"' in page


def test_people_without_the_right_see_the_reason(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get(PAGE).text
    assert "Only operators and admins can read the audit trail." in page
    assert "Only the owner or an operator" not in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("person=OPER", ["b"]),
        ("person=nobody-at-all", []),
        ("action=edit.failed", ["c"]),
        ("target=demo/DE-7", ["a"]),
        ("target=DE-1", ["c", "b", "a"]),
        ("outcome=failed", ["c"]),
        ("since=2026-11-21&person=Curfew", ["c"]),
        ("until=2026-11-20", ["a"]),
        ("since=2026-11-21&until=2026-11-21", ["b"]),
        ("until=9999-12-31&action=edit.applied", ["b", "a"]),
    ],
)
def test_filters(
    client: Client, operator: User, query: str, expected: list[str]
) -> None:
    changes: list[dict[str, Any]] = [
        {"target_label": "a", "instance": "demo/DE-7"},
        {"target_label": "b", "actor": operator},
        {"target_label": "c", "action": "edit.failed", "outcome": "failed"},
    ]
    for day, fields in enumerate(changes, start=20):
        with time_machine.travel(datetime(2026, 11, day, 12, tzinfo=UTC), tick=False):
            record(**fields)
    client.force_login(operator)
    lines = client.get(f"{PAGE}?{query}").context["lines"]
    targets = [line.event.target_label for line in lines]
    assert [label for label in targets if label in {"a", "b", "c"}] == expected


@pytest.mark.parametrize("query", ["since=yesterday", "outcome=grand", "action=no.no"])
def test_invalid_filters_are_explained_and_ignored(
    client: Client, operator: User, query: str
) -> None:
    record()
    client.force_login(operator)
    page = client.get(f"{PAGE}?{query}")
    assert "Ignored" in page.text
    assert "churn" in page.text


def test_pages_keep_the_filters(client: Client, operator: User) -> None:
    for number in range(60):
        record(target_label=f"n{number}")
    client.force_login(operator)
    page = client.get(f"{PAGE}?action=edit.applied").text
    assert "?action=edit.applied&amp;page=2" in page
    second = client.get(f"{PAGE}?action=edit.applied&page=2").text
    assert "51\N{EN DASH}60 of 60" in second


def test_the_number_of_queries_does_not_grow(
    client: Client, operator: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(60):
        record(actor=operator)
    client.force_login(operator)
    client.get(PAGE)
    # Session, user, actions (for the choices and their validation), count, page.
    with django_assert_max_num_queries(7):
        client.get(PAGE)


def test_the_page_of_a_person_says_who_it_was_in_german(
    client: Client, admin: User
) -> None:
    admin.language = "de"
    admin.save()
    client.force_login(admin)
    fields = {"target_kind": "user", "target_id": str(admin.pk)}
    record(actor_label=ANONYMOUS(), action="user.sign_in_failed", **fields)
    text = client.get(reverse("people:person", args=[admin.pk])).text
    assert "von <bdi>nicht angemeldet</bdi>" in text
