"""Pages of handovers, with and without htmx."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.handover import services, triggers
from dashboard.handover.models import Handover, Note
from dashboard.handover.views import handovers
from tests.factories import make_instance

from .test_services import make_draft, publish

LIST = reverse("handover:list")
NEW = reverse("handover:new")
HTMX = {"HX-Request": "true"}

pytestmark = pytest.mark.usefixtures("cloud_row")


@pytest.fixture
def draft(operator: User) -> Handover:
    return make_draft(operator)


@pytest.fixture
def note(draft: Handover, operator: User) -> Note:
    return services.add_note(handover=draft, actor=operator, text="Disk is full")


@pytest.fixture
def writer(client: Client, operator: User) -> Client:
    """The operator, signed in."""
    client.force_login(operator)
    return client


def of(name: str, *keys: int) -> str:
    return reverse(f"handover:{name}", args=keys)


def note_url(note: Note) -> str:
    return of("note", note.handover_id, note.pk)


def words(text: str, revision: int = 1, **fields: Any) -> dict[str, Any]:
    return (
        {"text": text, "owner": "", "next_action": ""} | fields | {"revision": revision}
    )


def hidden(text: str, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', text)
    assert found
    return found[1]


def test_from_the_form_to_the_take_over(
    writer: Client, operator: User, admin: User
) -> None:
    make_instance(name="trainer", stops_in=600)
    since = timezone.now() - timedelta(hours=2)
    response = writer.post(NEW, {"since": f"{since:%Y-%m-%dT%H:%M}", "ahead_hours": 8})
    draft = Handover.objects.get()
    assert (response.status_code, response.headers["Location"]) == (
        303,
        draft.get_absolute_url(),
    )
    page = writer.get(draft.get_absolute_url()).text
    assert "trainer" in page
    assert page.count('<p class="soft">None</p>') == 6
    writer.post(of("save", draft.pk), {"summary": "Quiet night.", "revision": 1})
    writer.post(of("add_note", draft.pk))
    note = Note.objects.get()
    writer.post(note_url(note), words("Disk is full", owner="ada", next_action="Call"))
    preview = writer.get(of("publish", draft.pk)).text
    for said in ("Quiet night.", "Disk is full", "ada", "Call", "trainer"):
        assert said in preview
    version = hidden(preview, "version")
    assert writer.post(of("publish", draft.pk), {"version": version}).status_code == 303
    page = writer.get(draft.get_absolute_url()).text
    assert "I'm staying on" in page
    writer.force_login(admin)
    page = writer.get(draft.get_absolute_url()).text
    assert "Since this handover" in page
    assert "Quiet night." in page
    assert "Take over" in page
    writer.post(of("take_over", draft.pk))
    page = writer.get(draft.get_absolute_url()).text
    assert "You have taken over" in page
    draft.refresh_from_db()
    assert draft.taken_over_by == admin


@pytest.mark.parametrize("person", ["viewer", "scientist"])
def test_others_read_what_is_published(
    request: pytest.FixtureRequest, client: Client, note: Note, person: str
) -> None:
    client.force_login(request.getfixturevalue(person))
    url = note.handover.get_absolute_url()
    assert client.get(url).status_code == 404
    assert "Handover" not in client.get(LIST).text.split("<main")[1].split("</h1>")[1]
    publish(note.handover, note.changed_by)
    page = client.get(url)
    assert "Disk is full" in page.text
    assert of("take_over", note.handover_id) not in page.text
    assert client.get(of("markdown", note.handover_id)).status_code == 200
    assert client.post(of("take_over", note.handover_id)).status_code == 403
    assert url in client.get(LIST).text


def test_typing_is_saved_and_answered_with_the_next_revision(
    writer: Client, note: Note
) -> None:
    answer = writer.post(
        note_url(note), words("Disk is\r\nfull", page="p", turn=3), headers=HTMX
    )
    assert answer.status_code == 200
    assert hidden(answer.text, "revision") == "2"
    assert "Saved" in answer.text
    note.refresh_from_db()
    assert (note.text, note.page, note.client_seq) == ("Disk is\nfull", "p", 3)


def test_a_clash_shows_both(
    writer: Client, note: Note, admin: User, operator: User
) -> None:
    services.save_note(
        note=note,
        actor=admin,
        save_token=services.SaveToken(1),
        text="Theirs",
        owner="",
        next_action="",
    )
    answer = writer.post(note_url(note), words("Mine"), headers=HTMX)
    assert answer.status_code == 422
    assert hidden(answer.text, "revision") == "1"
    assert "Theirs" in answer.text
    assert "admin" in answer.text
    page = writer.post(note_url(note), words("Mine"))
    assert page.status_code == 409
    assert "Theirs" in page.text
    assert ">Mine</textarea>" in page.text
    note.refresh_from_db()
    assert note.text == "Theirs"
    over = re.search(r'name="over" value="(\d+)"', page.text)
    assert over
    assert writer.post(note_url(note), words("Mine", over=over[1])).status_code == 303
    note.refresh_from_db()
    assert (note.text, note.changed_by) == ("Mine", operator)


def test_a_note_removed_under_one_s_hands(
    writer: Client, note: Note, admin: User
) -> None:
    services.remove_note(note=note, actor=admin, save_token=services.SaveToken(1))
    page = writer.post(note_url(note), words("Mine"))
    assert page.status_code == 409
    assert ">Mine</textarea>" in page.text
    assert "Restore with my text" in page.text


def test_words_that_come_too_late_are_shown(
    writer: Client, note: Note, admin: User
) -> None:
    publish(note.handover, admin)
    page = writer.post(note_url(note), words("Too late, mine"))
    assert page.status_code == 409
    assert "Too late, mine" in page.text
    answer = writer.post(note_url(note), words("Too late, mine"), headers=HTMX)
    assert answer.status_code == 422
    assert "has published" in answer.text


@pytest.mark.parametrize(
    "typed",
    [
        {"text": "x" * 2_001, "revision": 1},
        {"text": "x", "revision": "one"},
        {"text": "x", "revision": 2**40},
        {"text": "x\0", "revision": 1},
        {"text": "x", "revision": 1, "turn": -1},
    ],
)
def test_what_cannot_be_saved_is_said(
    writer: Client, note: Note, typed: dict[str, Any]
) -> None:
    answer = writer.post(note_url(note), typed, headers=HTMX)
    assert answer.status_code == 422
    assert "Not saved" in answer.text
    assert writer.post(note_url(note), typed).status_code == 422
    note.refresh_from_db()
    assert note.text == "Disk is full"


def test_removing_and_putting_back(writer: Client, note: Note) -> None:
    url = of("remove_note", note.handover_id, note.pk)
    answer = writer.post(url, {"revision": 1}, headers=HTMX)
    assert "Restore" in answer.text
    page = writer.get(note.handover.get_absolute_url()).text
    assert "Restore" in page
    writer.post(note_url(note), words("Disk is full", 2))
    note.refresh_from_db()
    assert not note.is_removed


def test_what_was_changed_meanwhile_is_not_removed(
    writer: Client, note: Note, admin: User
) -> None:
    services.save_note(
        note=note,
        actor=admin,
        save_token=services.SaveToken(1),
        text="Theirs",
        owner="",
        next_action="",
    )
    url = of("remove_note", note.handover_id, note.pk)
    assert writer.post(url, {"revision": 1}).status_code == 303
    note.refresh_from_db()
    assert not note.is_removed


def test_publishing_what_was_changed_shows_it_again(
    writer: Client, note: Note, admin: User
) -> None:
    url = of("publish", note.handover_id)
    version = hidden(writer.get(url).text, "version")
    services.add_note(handover=note.handover, actor=admin, text="One more thing")
    page = writer.post(url, {"version": version})
    assert page.status_code == 409
    assert "One more thing" in page.text
    version = hidden(page.text, "version")
    assert writer.post(url, {"version": version}).status_code == 303


@pytest.mark.parametrize(
    "since", ["", "tomorrow", "2999-01-01T00:00", "2001-01-01T00:00"]
)
def test_a_window_that_makes_no_sense(
    writer: Client, draft: Handover, since: str
) -> None:
    wrong = {"since": since, "ahead_hours": 8}
    assert writer.post(NEW, wrong).status_code == 422
    seen = {"seen": draft.window}
    assert writer.post(of("window", draft.pk), wrong | seen).status_code == 422
    assert Handover.objects.count() == 1


def test_a_broken_seal_is_told(writer: Client, note: Note, admin: User) -> None:
    publish(note.handover, admin)
    url = note.handover.get_absolute_url()
    assert "Integrity check failed" not in writer.get(url).text
    row = Handover.objects.get()
    assert row.document is not None
    row.document["summary"] = "All was well."
    triggers.drop(connection)  # as somebody may who owns the tables
    row.save()
    triggers.install(connection)
    assert "Integrity check failed" in writer.get(url).text


def test_markdown_is_a_file(writer: Client, note: Note, admin: User) -> None:
    url = of("markdown", note.handover_id)
    assert "Draft, not published" in writer.get(url).text
    publish(note.handover, admin)
    response = writer.get(url)
    assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert (
        'filename="curfew-handover-1.md"' in (response.headers["Content-Disposition"])
    )
    assert "Published by admin" in response.text
    assert "Disk is full" in response.text


def test_the_list_has_pages(
    writer: Client, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handovers, "PER_PAGE", 2)
    made = [publish(make_draft(operator), operator) for _ in range(3)]
    first, second = writer.get(LIST).text, writer.get(f"{LIST}?page=2").text
    assert made[2].get_absolute_url() in first
    assert made[0].get_absolute_url() not in first
    assert made[0].get_absolute_url() in second


def test_drafts_have_pages_and_an_end(
    writer: Client, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handovers, "PER_PAGE", 2)
    monkeypatch.setattr(services, "MOST_DRAFTS", 3)
    made = [make_draft(operator) for _ in range(3)]
    first, second = writer.get(LIST).text, writer.get(f"{LIST}?drafts=2").text
    assert made[2].get_absolute_url() in first
    assert 'href="?drafts=2"' in first
    assert made[0].get_absolute_url() not in first
    assert made[0].get_absolute_url() in second
    since = f"{timezone.now() - timedelta(hours=2):%Y-%m-%dT%H:%M}"
    refused = writer.post(NEW, {"since": since, "ahead_hours": 8})
    assert refused.status_code == 422
    assert "You already have 3 drafts." in refused.text
    assert Handover.objects.count() == 3


def test_open_notes_come_along_into_the_next_handover(
    writer: Client, operator: User, admin: User
) -> None:
    last = make_draft(admin)
    services.add_note(handover=last, actor=admin, text="Disk", owner="ada")
    services.add_note(handover=last, actor=admin, text="Queue", next_action="Call")
    services.add_note(handover=last, actor=admin, text="All was well")
    done = services.add_note(handover=last, actor=admin, text="Done", owner="li")
    services.remove_note(
        note=done, actor=admin, save_token=services.SaveToken(done.revision)
    )
    publish(last, admin)
    since = f"{timezone.now() - timedelta(hours=2):%Y-%m-%dT%H:%M}"
    page = writer.post(NEW, {"since": since, "ahead_hours": 8}, follow=True)
    assert "2 open notes were copied from the last handover." in page.text
    notes = page.context["handover"].notes.values_list("text", "owner", "next_action")
    assert list(notes) == [("Disk", "ada", ""), ("Queue", "", "Call")]


def test_what_was_left_empty_is_not_shown_and_addresses_are_links(
    writer: Client, operator: User
) -> None:
    draft = make_draft(operator)
    text = "See https://status.example.org/x <b>"
    services.add_note(handover=draft, actor=operator, text=text, owner="ada")
    publish(draft, operator)
    page = writer.get(draft.get_absolute_url()).text
    assert 'href="https://status.example.org/x"' in page
    assert "&lt;b&gt;" in page
    assert "<dt>Owner</dt>" in page
    assert "<dt>Next</dt>" not in page


def test_queries_do_not_grow(
    writer: Client, operator: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(4):
        publish(make_draft(operator), operator)
    draft = make_draft(operator)
    for number in range(4):
        services.add_note(handover=draft, actor=operator, text=f"{number}")
        make_instance(stops_in=600)
    # Session, person, two badges; drafts and published ones, each counted and read.
    with django_assert_max_num_queries(8):
        writer.get(LIST)
    with django_assert_max_num_queries(27):
        writer.get(draft.get_absolute_url())
    with django_assert_max_num_queries(19):
        writer.get(Handover.objects.published()[0].get_absolute_url())


def test_unknown_ones(writer: Client, note: Note, operator: User) -> None:
    other = make_draft(operator)
    assert writer.get(of("handover", 2**70)).status_code == 404
    assert writer.post(of("note", other.pk, note.pk), words("x")).status_code == 404
