"""The export of the audit trail as CSV."""

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.export import harmless
from dashboard.audit.models import AuditEvent
from dashboard.audit.services import acting_through, record_event
from dashboard.web.stored_messages import verbatim

EXPORT = reverse("audit:export")
pytestmark = pytest.mark.usefixtures("_empty_cache")

FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1+1", "|calc", "%0A"),
    *("  =HYPERLINK(0)", "\ufeff=1+1", "\u200b=1+2", '"=1+1"'),
]
HIDDEN_FORMULAS = [
    *("\t=1", "\r=1", "\n=1", "x\t=1+1", "x\r\n=1+1", "x\u2028=1+1"),
    *("see wiki;=1+2", "see wiki,=1+2", 'x;"=1+2"', "x; \u200b=1+2", "x;;-1", "a\n;=1"),
    *('x;"', "x;\n", '";"=1', 'x,"""=1', 'x;\'"\n"=1'),
]


def record(label: str, action: str = "test.done") -> None:
    record_event(
        actor=None, action=action, target_kind="t", target_id="1", target_label=label
    )


def rows(client: Client, query: str = "") -> list[dict[str, str]]:
    response = client.get(f"{EXPORT}{query}")
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("role", "may"), [("operator", False), ("manager", True), ("admin", True)]
)
def test_only_managers_and_admins_export(
    client: Client, request: pytest.FixtureRequest, role: str, may: bool
) -> None:
    client.force_login(request.getfixturevalue(role))
    assert client.get(EXPORT).status_code == (200 if may else 403)
    page = client.get(reverse("audit:list")).text
    assert (f'href="{EXPORT}"' in page) == may


def test_the_export_is_streamed_with_a_safe_file_name(
    client: Client, admin: User
) -> None:
    client.force_login(admin)
    response = client.get(EXPORT)
    assert response.streaming
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    name = response.headers["Content-Disposition"]
    assert name.startswith('attachment; filename="curfew-audit-')
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_export_has_the_events_of_the_page(client: Client, admin: User) -> None:
    record("one", "edit.applied")
    record("two", "edit.failed")
    client.force_login(admin)
    assert [row["target"] for row in rows(client, "?action=edit.failed")] == ["two"]
    assert rows(client, "?since=nonsense") == []


def test_the_export_itself_is_recorded(client: Client, admin: User) -> None:
    client.force_login(admin)
    rows(client, "?person=ada")
    event = AuditEvent.objects.get(action="audit.exported")
    assert (event.actor, event.after) == (admin, {"person": "ada"})


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula(client: Client, admin: User, formula: str) -> None:
    record(formula)
    client.force_login(admin)
    assert rows(client, "?action=test.done")[0]["target"] == f"'{formula}"


@pytest.mark.parametrize("separator", ["comma", "semicolon"])
@pytest.mark.parametrize("read_with", [",", ";", "\t"])
@pytest.mark.parametrize("hidden", [*FORMULAS, *HIDDEN_FORMULAS])
def test_no_cell_is_a_formula_wherever_a_spreadsheet_splits(
    client: Client, admin: User, separator: str, read_with: str, hidden: str
) -> None:
    record(hidden)
    client.force_login(admin)
    answer = client.get(f"{EXPORT}?separator={separator}")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    for line in [*csv.reader(io.StringIO(text, newline=""), delimiter=read_with)]:
        for cell in line:
            seen = cell.lstrip(' "\ufeff\u200b\n\u2028')
            assert not seen.startswith(("=", "+", "-", "@", "\uff1d", "|", "%")), cell


def test_a_file_with_semicolons_says_the_same(client: Client, admin: User) -> None:
    record("one; two")
    client.force_login(admin)
    query = "?action=test.done"
    german = client.get(f"{EXPORT}{query}&separator=semicolon")
    text = b"".join(german.streaming_content).decode("utf-8-sig")
    read = csv.DictReader(io.StringIO(text, newline=""), delimiter=";")
    assert list(read) == rows(client, query)
    assert client.get(f"{EXPORT}?separator=pipe").status_code == 400
    page = client.get(reverse("audit:list"), {"action": "test.done"}).text
    assert f'href="{EXPORT}?action=test.done&amp;separator=semicolon"' in page


def test_no_control_character_reaches_a_terminal() -> None:
    assert harmless("a\x1b[31mb\x9b1mc\x00d\x85e\nf") == "a [31mb 1mc d e\nf"


def test_plain_text_stays_as_it_is() -> None:
    plain = "churn-forecast 'v2', \"final\""
    assert harmless(plain) == plain
    assert harmless("") == ""
    assert "\0" not in harmless("\0=1")


def test_the_export_names_the_token(client: Client, admin: User) -> None:
    with acting_through(verbatim("token laptop")):
        record("one", "test.via")
    record("two", "test.via")
    client.force_login(admin)
    via_by_target = {
        row["target"]: row["via"] for row in rows(client, "?action=test.via")
    }
    assert via_by_target == {"one": "token laptop", "two": ""}
    page = client.get(reverse("audit:list")).text
    assert page.count("by token laptop") == 1
