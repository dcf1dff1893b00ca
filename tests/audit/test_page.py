"""The audit page: who may read it, what it finds, how it counts its queries."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.messages import ANONYMOUS, AUDIT_TRAIL, UNKNOWN_NAME
from dashboard.audit.models import AuditEvent
from dashboard.audit.services import record_event

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
    [("viewer", 403), ("scientist", 403), ("operator", 200), ("admin", 200)],
)
def test_operators_and_admins_read_it(
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


def test_who_what_target_values_and_why_are_told(
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
    told = [tuple(change) for change in response.context["lines"][0].in_row]
    assert told == [
        ("auto-stop after", "1 h 30 min", "8 h"),
        ("policy", "", "Nights"),
    ]
    # To the receipt from what was done, to the instance from its name.
    for link in (
        "/edits/7f0c3c52-6a39-4d7c-9f0c-1a6d6f1f0000/",
        "/instances/demo/DE-1/",
    ):
        assert f'href="{link}"' in response.text


@time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=UTC), tick=False)
def test_one_link_shows_the_last_seven_days(client: Client, operator: User) -> None:
    client.force_login(operator)
    page = client.get(f"{PAGE}?person=ada&until=2026-11-01&page=2").text
    assert f'id="last-week" href="{PAGE}?person=ada&amp;since=2026-11-15"' in page


def test_who_may_not_read_it_learns_why(client: Client, viewer: User) -> None:
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
    told: list[dict[str, Any]] = [
        {"target_label": "a", "instance": "demo/DE-7"},
        {"target_label": "b", "actor": operator},
        {"target_label": "c", "action": "edit.failed", "outcome": "failed"},
    ]
    for day, fields in enumerate(told, start=20):
        with time_machine.travel(datetime(2026, 11, day, 12, tzinfo=UTC), tick=False):
            record(**fields)
    client.force_login(operator)
    lines = client.get(f"{PAGE}?{query}").context["lines"]
    found = [line.event.target_label for line in lines]
    assert [label for label in found if label in {"a", "b", "c"}] == expected


@pytest.mark.parametrize("query", ["since=yesterday", "outcome=grand", "action=no.no"])
def test_what_makes_no_sense_is_said_and_filters_nothing(
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
    # Session, person, actions to choose from (for choice and check), count, the page.
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
