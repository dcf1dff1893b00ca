"""Drafting, saving, publishing and taking over, in any order."""

from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.handover import services, triggers
from dashboard.handover.document import digest, from_json
from dashboard.handover.models import Handover, Note
from dashboard.handover.services import SaveToken
from tests.factories import make_instance

from .handovers import make_draft, publish, write


@pytest.fixture
def draft(operator: User) -> Handover:
    """The operator's."""
    return make_draft(operator)


@pytest.fixture
def note(draft: Handover, operator: User) -> Note:
    """A note of that draft."""
    return services.add_note(handover=draft, actor=operator, text="Disk is full")


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_numbers_are_given_when_handovers_are_published(operator: User) -> None:
    begun_first, begun_later = make_draft(operator), make_draft(operator)
    discarded = make_draft(operator)
    services.discard(handover=discarded, actor=operator)
    assert str(begun_first) == f"Draft {begun_first.pk}"
    assert str(publish(begun_later, operator)) == "Handover 1"
    assert str(publish(begun_first, operator)) == "Handover 2"


@pytest.mark.parametrize("person", ["viewer", "scientist"])
def test_others_do_not_hand_over(
    request: pytest.FixtureRequest, note: Note, person: str
) -> None:
    actor = request.getfixturevalue(person)
    draft = note.handover
    save_token = SaveToken(1)
    attempts: list[Callable[[], object]] = [
        lambda: make_draft(actor),
        lambda: services.save_summary(
            handover=draft, actor=actor, save_token=save_token, summary="x"
        ),
        lambda: services.set_window(
            handover=draft, actor=actor, window="", since=draft.since, ahead_hours=4
        ),
        lambda: services.add_note(handover=draft, actor=actor),
        lambda: write(note, actor, "x"),
        lambda: services.remove_note(note=note, actor=actor, save_token=save_token),
        lambda: services.publish(handover=draft, actor=actor, version=1),
        lambda: services.take_over(handover=draft, actor=actor),
        lambda: services.mark_action(note=note, actor=actor, is_done=True),
        lambda: services.discard(handover=draft, actor=actor),
    ]
    for attempt in attempts:
        with pytest.raises(PermissionDenied):
            attempt()
    assert actions() == ["handover.drafted"]


def test_a_published_handover_keeps_its_facts_and_notes(
    note: Note, operator: User
) -> None:
    running = make_instance(name="trainer", stops_in=600)
    row = publish(note.handover, operator)
    before = from_json(row.document or {})
    running.name = "renamed"
    running.save()
    triggers.TRIGGERS.drop(connection)
    Note.objects.update(text="changed behind its back")
    triggers.TRIGGERS.install(connection)
    row.refresh_from_db()
    after = from_json(row.document or {})
    assert after == before
    assert [named.name for named in after.found[0].items[0].names] == ["trainer"]
    assert [note.text for note in after.notes] == ["Disk is full"]
    assert digest(row.document or {}) == row.digest
    event = AuditEvent.objects.get(action="handover.published")
    assert event.after["digest"] == row.digest


def test_a_published_handover_cannot_be_changed(
    note: Note, operator: User, admin: User
) -> None:
    draft = publish(note.handover, operator)
    document = draft.document
    attempts: list[Callable[[], object]] = [
        lambda: services.save_summary(
            handover=draft,
            actor=admin,
            save_token=SaveToken(draft.revision),
            summary="late",
        ),
        lambda: services.set_window(
            handover=draft,
            actor=admin,
            window=draft.window,
            since=draft.since,
            ahead_hours=4,
        ),
        lambda: services.add_note(handover=draft, actor=admin),
        lambda: write(note, admin, "late"),
        lambda: services.remove_note(note=note, actor=admin, save_token=SaveToken(1)),
        lambda: services.discard(handover=draft, actor=admin),
        lambda: publish(draft, admin),
    ]
    for attempt in attempts:
        with pytest.raises(services.PublishedError, match="operator has published"):
            attempt()
    draft.refresh_from_db()
    assert draft.document == document
    assert draft.published_by == operator


def test_changes_of_others_are_not_overwritten(
    note: Note, operator: User, admin: User
) -> None:
    write(note, admin, "Disk is full again", SaveToken(1, "page-a", 1))
    with pytest.raises(services.ChangedError) as caught:
        write(note, operator, "Disk is empty", SaveToken(1, "page-b", 1))
    assert caught.value.current.text == "Disk is full again"
    assert caught.value.current.changed_by == admin
    note.refresh_from_db()
    assert note.text == "Disk is full again"
    # With the present revision it is no conflict.
    write(note, operator, "Disk is empty", SaveToken(note.revision, "page-b", 2))
    note.refresh_from_db()
    assert (note.text, note.changed_by) == ("Disk is empty", operator)


def test_a_save_whose_response_was_lost_is_no_conflict(
    note: Note, operator: User
) -> None:
    write(note, operator, "Disk", SaveToken(1, "page", 1))
    # The browser does not know revision 2 and sends 1 again.
    write(note, operator, "Disk is", SaveToken(1, "page", 2))
    write(note, operator, "Disk is", SaveToken(1, "page", 2))
    note.refresh_from_db()
    assert (note.text, note.revision) == ("Disk is", 3)


def test_an_overtaken_save_changes_nothing(note: Note, operator: User) -> None:
    write(note, operator, "Disk is full.", SaveToken(1, "page", 7))
    write(note, operator, "Disk is", SaveToken(1, "page", 5))
    note.refresh_from_db()
    assert note.text == "Disk is full."


def test_saving_a_removed_note_restores_it(
    note: Note, operator: User, admin: User
) -> None:
    services.remove_note(note=note, actor=admin, save_token=SaveToken(1))
    with pytest.raises(services.ChangedError):
        write(note, operator, "Disk is full, really", SaveToken(1))
    note.refresh_from_db()
    assert note.is_removed
    write(note, operator, "Disk is full, really", SaveToken(note.revision))
    note.refresh_from_db()
    assert not note.is_removed


def test_the_window_is_not_overwritten(
    draft: Handover, operator: User, admin: User
) -> None:
    window = draft.window
    fields = {"since": draft.since, "ahead_hours": 24}
    services.set_window(handover=draft, actor=admin, window=window, **fields)
    with pytest.raises(services.ChangedError):
        services.set_window(
            handover=draft,
            actor=operator,
            window=window,
            since=draft.since,
            ahead_hours=4,
        )
    draft.refresh_from_db()
    assert draft.ahead_hours == 24


def test_nobody_publishes_what_they_have_not_read(
    note: Note, operator: User, admin: User
) -> None:
    draft = note.handover
    draft.refresh_from_db()
    read = draft.version
    write(note, admin, "Disk is full and hot")
    with pytest.raises(services.ChangedError):
        services.publish(handover=draft, actor=operator, version=read)
    draft.refresh_from_db()
    assert draft.published_at is None
    assert publish(draft, operator).published_by == operator


def test_one_takes_over(draft: Handover, operator: User, admin: User) -> None:
    with pytest.raises(services.HandoverError, match="draft"):
        services.take_over(handover=draft, actor=admin)
    publish(draft, operator)
    services.take_over(handover=draft, actor=admin)
    with pytest.raises(services.HandoverError, match="admin has already taken over"):
        services.take_over(handover=draft, actor=operator)
    draft.refresh_from_db()
    assert draft.taken_over_by == admin
    assert draft.taken_over_at is not None
    assert actions() == [
        *("handover.drafted", "handover.published", "handover.taken_over")
    ]


def test_discarding_a_draft_is_recorded(note: Note, operator: User) -> None:
    services.discard(handover=note.handover, actor=operator)
    assert not Handover.objects.exists()
    assert actions() == ["handover.drafted", "handover.discarded"]


def test_the_number_of_notes_is_limited(
    draft: Handover, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_NOTES_PER_HANDOVER", 1)
    services.add_note(handover=draft, actor=operator)
    with pytest.raises(services.HandoverError, match="at most"):
        services.add_note(handover=draft, actor=operator)
