"""Pages of handovers, with and without htmx."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.handover import services, triggers
from dashboard.handover.models import Handover, Note
from dashboard.handover.views import handovers
from dashboard.instances.models import Instance
from tests.factories import make_instance

from .handovers import make_draft, publish

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


def of_instance(instance: Instance) -> str:
    return reverse("instances:detail", args=[instance.cloud.name, instance.instance_id])


def note_url(note: Note) -> str:
    return of("note", note.handover_id, note.pk)


def fields(text: str, revision: int = 1, **fields: Any) -> dict[str, Any]:
    return (
        {"text": text, "owner": "", "next_action": ""} | fields | {"revision": revision}
    )


def hidden(text: str, name: str) -> str:
    match = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', text)
    assert match
    return match[1]


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
    assert "No entries under:\n Late stops, No auto-stop, Failed or " in page
    writer.post(of("save", draft.pk), {"summary": "Quiet night.", "revision": 1})
    writer.post(of("add_note", draft.pk))
    note = Note.objects.get()
    writer.post(note_url(note), fields("Disk is full", owner="ada", next_action="Call"))
    preview = writer.get(of("publish", draft.pk)).text
    for text in ("Quiet night.", "Disk is full", "ada", "Call", "trainer"):
        assert text in preview
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
        note_url(note),
        fields("Disk is\r\nfull", client_id="p", client_seq=3),
        headers=HTMX,
    )
    assert answer.status_code == 200
    assert hidden(answer.text, "revision") == "2"
    assert "Saved" in answer.text
    note.refresh_from_db()
    assert (note.text, note.client_id, note.client_seq) == ("Disk is\nfull", "p", 3)


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
    answer = writer.post(note_url(note), fields("Mine"), headers=HTMX)
    assert answer.status_code == 422
    assert hidden(answer.text, "revision") == "1"
    assert "Theirs" in answer.text
    assert "admin" in answer.text
    page = writer.post(note_url(note), fields("Mine"))
    assert page.status_code == 409
    assert "Theirs" in page.text
    assert ">Mine</textarea>" in page.text
    note.refresh_from_db()
    assert note.text == "Theirs"
    over = re.search(r'name="over" value="(\d+)"', page.text)
    assert over
    assert writer.post(note_url(note), fields("Mine", over=over[1])).status_code == 303
    note.refresh_from_db()
    assert (note.text, note.changed_by) == ("Mine", operator)


def test_a_note_that_someone_else_removed_can_be_restored(
    writer: Client, note: Note, admin: User
) -> None:
    services.remove_note(note=note, actor=admin, save_token=services.SaveToken(1))
    page = writer.post(note_url(note), fields("Mine"))
    assert page.status_code == 409
    assert ">Mine</textarea>" in page.text
    assert "Restore with my text" in page.text


def test_text_typed_after_the_publication_is_shown(
    writer: Client, note: Note, admin: User
) -> None:
    publish(note.handover, admin)
    page = writer.post(note_url(note), fields("Too late, mine"))
    assert page.status_code == 409
    assert "Too late, mine" in page.text
    answer = writer.post(note_url(note), fields("Too late, mine"), headers=HTMX)
    assert answer.status_code == 422
    assert "has published" in answer.text


@pytest.mark.parametrize(
    "typed",
    [
        {"text": "x" * 2_001, "revision": 1},
        {"text": "x", "revision": "one"},
        {"text": "x", "revision": 2**40},
        {"text": "x\0", "revision": 1},
        {"text": "x", "revision": 1, "client_seq": -1},
    ],
)
def test_text_that_cannot_be_saved_is_reported(
    writer: Client, note: Note, typed: dict[str, Any]
) -> None:
    answer = writer.post(note_url(note), typed, headers=HTMX)
    assert answer.status_code == 422
    assert "Not saved" in answer.text
    assert writer.post(note_url(note), typed).status_code == 422
    note.refresh_from_db()
    assert note.text == "Disk is full"


def test_a_removed_note_can_be_restored(writer: Client, note: Note) -> None:
    url = of("remove_note", note.handover_id, note.pk)
    answer = writer.post(url, {"revision": 1}, headers=HTMX)
    assert "Restore" in answer.text
    page = writer.get(note.handover.get_absolute_url()).text
    assert "Restore" in page
    writer.post(note_url(note), fields("Disk is full", 2))
    note.refresh_from_db()
    assert not note.is_removed


def test_enter_in_a_field_of_a_note_saves_it(writer: Client, note: Note) -> None:
    # The first button of a form is what the key presses, in a browser with scripts.
    html = writer.get(of("handover", note.handover.pk)).text
    html = re.sub(r"<noscript>.*?</noscript>", "", html)
    (form,) = re.findall(r'<form class="note".*?</form>', html, re.DOTALL)
    button = re.search(r"<button\b[^>]*>", form)
    assert button
    assert "hx-post" not in button[0]
    assert "formaction" not in button[0]


def test_a_changed_note_is_not_removed(writer: Client, note: Note, admin: User) -> None:
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


def test_publishing_a_changed_draft_shows_it_again(
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
def test_an_invalid_window_is_refused(
    writer: Client, draft: Handover, since: str
) -> None:
    wrong = {"since": since, "ahead_hours": 8}
    assert writer.post(NEW, wrong).status_code == 422
    window = {"window": draft.window}
    assert writer.post(of("window", draft.pk), wrong | window).status_code == 422
    assert Handover.objects.count() == 1


@pytest.mark.parametrize("url", [NEW, reverse("handover:walls")])
def test_a_view_that_was_deleted_meanwhile_is_said(writer: Client, url: str) -> None:
    answer = writer.post(url, {"view": 999})
    assert answer.status_code == 422
    assert "This view no longer exists." in answer.text


def test_a_failed_integrity_check_is_reported(
    writer: Client, note: Note, admin: User
) -> None:
    publish(note.handover, admin)
    url = note.handover.get_absolute_url()
    assert "Integrity check failed" not in writer.get(url).text
    row = Handover.objects.get()
    assert row.document is not None
    row.document["summary"] = "All was well."
    triggers.TRIGGERS.drop(connection)  # as the owner of the tables may
    row.save()
    triggers.TRIGGERS.install(connection)
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
    monkeypatch.setattr(services, "MAX_DRAFTS_PER_PERSON", 3)
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


def test_actions_carry_over_until_they_are_done(
    writer: Client, operator: User, admin: User
) -> None:
    last = make_draft(admin)
    texts = {"text": "Look at trainer-17", "owner": "ada"}
    action = services.add_note(handover=last, actor=admin, **texts)
    services.add_note(handover=last, actor=admin, text="All was well")
    publish(last, admin)
    draft = make_draft(operator)
    page = writer.get(draft.get_absolute_url())
    [line] = page.context["carried"]
    assert (line.note.text, line.note.key) == ("Look at trainer-17", action.pk)
    publish(draft, operator)
    # It is marked on the page of any handover that lists it.
    url = of("mark_action", draft.pk, action.pk)
    assert 'aria-pressed="false"' in writer.get(draft.get_absolute_url()).text
    answer = writer.post(url, {"done": "on"}, headers=HTMX)
    assert "Done by <bdi>operator</bdi>" in answer.text
    for handover in (last, draft):
        page = writer.get(handover.get_absolute_url())
        assert "Done by <bdi>operator</bdi>" in page.text
        assert not page.context["is_broken"]
    assert not Note.objects.carried_into(make_draft(admin, since=timezone.now()))
    assert writer.post(url, {}).headers["Location"].endswith(f"#action-{action.pk}")
    assert Note.objects.carried_into(make_draft(admin)).get() == action
    events = AuditEvent.objects.filter(action__startswith="handover.action")
    assert list(events.order_by("pk").values_list("action", "after")) == [
        ("handover.action_done", {"note": "Look at trainer-17"}),
        ("handover.action_reopened", {"note": "Look at trainer-17"}),
    ]


def test_a_draft_has_no_action_to_mark(writer: Client, draft: Handover) -> None:
    note = services.add_note(
        handover=draft, actor=draft.author, text="x", next_action="Call"
    )
    writer.post(of("mark_action", draft.pk, note.pk), {"done": "on"})
    note.refresh_from_db()
    assert note.done_at is None


def test_a_fact_becomes_a_note_about_its_instance(
    writer: Client, draft: Handover
) -> None:
    make_instance(name="odd-one", status="ERROR")
    page = writer.get(draft.get_absolute_url()).text
    found = re.search(r'name="fact" value="([^"]+)" data-fact', page)
    assert found
    answer = writer.post(
        of("add_note", draft.pk), {"fact": unescape(found[1])}, headers=HTMX
    )
    note = Note.objects.get()
    assert note.text.startswith("Failed before ")
    assert note.text.endswith(": 1 · odd-one")
    assert note.instance_url in page
    assert note.text in answer.text
    for wrong in ("{", '{"text": "\\u0000"}'):
        url = of("add_note", draft.pk)
        assert writer.post(url, {"fact": wrong}).status_code == 400


def test_names_of_instances_in_notes_are_links(writer: Client, draft: Handover) -> None:
    named = make_instance(name="trainer-17")
    twins = [make_instance(name="twin.1") for _ in range(2)]
    text = "trainer-17, <b>twin.1</b>; https://x.example/trainer-17 and strainer-17."
    services.add_note(handover=draft, actor=draft.author, text=text)
    publish(draft, draft.author)
    page = writer.get(draft.get_absolute_url()).text
    url = of_instance(named)
    assert f'<a href="{url}" dir="auto">trainer-17</a>, &lt;b&gt;' in page
    assert '<a href="/instances/?q=twin.1" dir="auto">twin.1</a>&lt;/b&gt;' in page
    notes = page.split('id="notes-title"')[1].split("<h2")[0]
    assert notes.count(url) == 1
    assert of_instance(twins[0]) not in notes


def test_empty_fields_are_hidden_and_urls_are_links(
    writer: Client, operator: User
) -> None:
    draft = make_draft(operator)
    text = "See https://status.example.org/x <b>"
    services.add_note(handover=draft, actor=operator, text=text, owner="ada")
    publish(draft, operator)
    page = writer.get(draft.get_absolute_url()).text
    assert 'href="https://status.example.org/x"' in page
    assert "&lt;b&gt;" in page
    assert "Mark as done" in page
    assert "Next:" not in page


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
    with django_assert_max_num_queries(34):
        writer.get(draft.get_absolute_url())
    with django_assert_max_num_queries(19):
        writer.get(Handover.objects.published()[0].get_absolute_url())


def test_unknown_handovers(writer: Client, note: Note, operator: User) -> None:
    other = make_draft(operator)
    assert writer.get(of("handover", 2**70)).status_code == 404
    assert writer.post(of("note", other.pk, note.pk), fields("x")).status_code == 404
