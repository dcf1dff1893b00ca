"""People from a CSV file, and owners that belong to nobody."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import Team, User
from dashboard.accounts.people_import import build_plan
from dashboard.audit.models import AuditEvent
from dashboard.web.csv_files import UnreadableError, decode
from tests.factories import make_instance

IMPORT = reverse("people:import")
OWNERS = reverse("people:owners")
FIFTY = "username,name,email,role,owners,team\n" + "\n".join(
    f"p{number},Person {number},p{number}@example.org,scientist,owner{number},Vision"
    for number in range(50)
)

pytestmark = pytest.mark.usefixtures("_empty_cache")


@pytest.fixture
def inside(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def preview(client: Client, text: str) -> tuple[Any, dict[str, str]]:
    """Return the response and the fields that confirm what it shows."""
    response = client.post(IMPORT, {"text": text})
    found = re.search(r'name="confirm" value="(\w+)"', response.text)
    return response, {"text": text, "confirm": found[1] if found else ""}


def test_fifty_people_with_owners_are_two_steps_and_the_second_time_nothing(
    inside: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(20):
        response, confirm = preview(inside, FIFTY)
    assert "50 people are added" in response.text
    assert "New teams:" in response.text
    assert User.objects.count() == 1, "nothing is written before the confirmation"
    assert inside.post(IMPORT, confirm).headers["Location"] == reverse("people:list")
    person = User.objects.get(username="p7")
    assert (str(person), person.email, person.role) == (
        *("Person 7", "p7@example.org", "scientist"),
    )
    assert person.cloud_identifiers == {"owner7"}
    assert not person.has_usable_password()
    assert Team.objects.get().members.count() == 50
    events = AuditEvent.objects.count()
    response, confirm = preview(inside, FIFTY)
    assert "50 stay as they are" in response.text
    assert confirm["confirm"] == "", "there is nothing to import"
    assert AuditEvent.objects.count() == events


def test_every_bad_line_says_why_and_the_others_are_imported(
    inside: Client, scientist: User, stranger: User
) -> None:
    User.objects.filter(pk=stranger.pk).update(is_active=False, email="s@example.org")
    text = (
        "\ufeffUsername;E-Mail;Role;Owners;Team\r\n"
        "scientist;;;anna.schmidt|tom;\r\n"
        ";x@example.org;;;\r\n"
        "Scientist;;;;\r\n"
        "li wei;;;;\r\n"
        "li;nowhere;;;\r\n"
        "lo;;chief;;\r\n"
        "stranger;;viewer;;\r\n"
        "tom;S@example.org;;;\r\n"
        "admin;;viewer;;\r\n"
        f"tam;;;;{'x' * 81}\r\n"
        "new;new@example.org;Viewer;;\r\n"
    )
    plan = build_plan(text)
    problems = {line.number: line.problem for line in plan.lines if line.problem}
    for number, words in {
        3: "username is missing",
        4: "same username",
        5: "valid username",
        6: "valid email",
        7: "Unknown role chief",
        8: "deactivated",
        9: "stranger has this email",
        10: "last active admin",
        11: "at most 80",
    }.items():
        assert words in problems.pop(number), number
    assert not problems
    response, confirm = preview(inside, text)
    assert "9 lines are skipped" in response.text
    assert inside.post(IMPORT, confirm).status_code == 303
    assert User.objects.get(username="new").role == "viewer"
    scientist.refresh_from_db()
    assert scientist.cloud_identifiers == {"anna.schmidt", "tom"}


@pytest.mark.parametrize(
    "text",
    [
        "username\n",
        "name,email\nx,y",
        "username,shoe\nx,y",
        "username,name,name\nx,y,z",
        'username,name\nx,"y',
        pytest.param("username\n" + "p\n" * 501, id="too many"),
    ],
)
def test_a_text_that_is_no_list_of_people(inside: Client, text: str) -> None:
    with pytest.raises(UnreadableError):
        build_plan(text)
    assert inside.post(IMPORT, {"text": text}).status_code == 422


def test_a_file_of_an_older_spreadsheet(inside: Client) -> None:
    assert decode("username\nj\xf6rg".encode("cp1252")) == "username\njörg"
    file = SimpleUploadedFile("people.csv", "username;name\nzoe;Zoë Li".encode())
    assert "Zoë Li" in inside.post(IMPORT, {"file": file}).text
    assert inside.post(IMPORT).status_code == 422


def test_an_account_is_found_by_a_name_with_an_umlaut_in_upper_case(
    inside: Client,
) -> None:
    User.objects.create(username="Ünal", role="viewer")
    response, confirm = preview(inside, "username,role\nÜnal,scientist")
    assert "0 people are added" in response.text
    assert inside.post(IMPORT, confirm).status_code == 303
    assert User.objects.get(username="Ünal").role == "scientist"


def test_another_preview_if_people_have_changed_meanwhile(inside: Client) -> None:
    _, confirm = preview(inside, "username,role\nnew,viewer")
    User.objects.create(username="new", role="scientist")
    response = inside.post(IMPORT, confirm)
    assert response.status_code == 409
    assert "Check the preview again" in response.text
    assert User.objects.get(username="new").role == "scientist"


def test_unmapped_owners_come_with_the_person_who_matches(
    inside: Client, viewer: User, scientist: User
) -> None:
    User.objects.filter(pk=viewer.pk).update(email="li.wei@example.org")
    for owner in ("li.wei", "robot", "anna.schmidt"):
        make_instance(owner_name=owner, owner_id=f"id-{owner}")
    page = inside.get(OWNERS).text
    assert page.count('name="owner"') == 2, "anna.schmidt is mapped"
    assert re.search(r'name="person"\s+value="viewer"', page)
    lines = inside.get(f"{IMPORT}?owners=1").text
    assert "robot,,,scientist,robot," in lines
    assert "li.wei,,," not in lines, "an account matches"
    unknown = {"owner": ["robot"], "person": ["nobody"]}
    assert "No account has this username" in inside.post(OWNERS, unknown).text
    rows = {"owner": ["li.wei", "robot"], "person": ["viewer", ""]}
    assert inside.post(OWNERS, rows).headers["Location"] == OWNERS
    viewer.refresh_from_db()
    assert viewer.cloud_identifiers == {"li.wei"}
    mapped = {"owner": ["anna.schmidt"], "person": ["viewer"]}
    assert inside.post(OWNERS, mapped).status_code == 422, "somebody has this owner"
