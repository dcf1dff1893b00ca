"""The database itself keeps what was published."""

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.handover import services, triggers
from dashboard.handover.models import Handover, Note

pytestmark = pytest.mark.usefixtures("cloud_row")


@pytest.fixture
def draft(operator: User) -> Handover:
    drafted = services.draft(author=operator, since=timezone.now(), ahead_hours=8)
    services.add_note(handover=drafted, actor=operator, text="Look at the queue")
    drafted.refresh_from_db()
    return drafted


@pytest.fixture
def published(draft: Handover, operator: User) -> Handover:
    return services.publish(handover=draft, actor=operator, version=draft.version)


def raw(statement: str) -> Callable[[], None]:
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return run


ATTEMPTS = {
    "another summary": lambda: Handover.objects.update(summary="All was well."),
    "other facts": lambda: Handover.objects.update(document={}, digest=""),
    "a draft again": lambda: Handover.objects.update(published_at=None),
    "another author": lambda: Handover.objects.update(published_by=None),
    "deleted": lambda: Handover.objects.all().delete(),
    "deleted by hand": raw("DELETE FROM handover_handover"),
    "another number": raw("UPDATE handover_handover SET id = id + 1"),
    "called otherwise": lambda: Handover.objects.update(number=7),
    "another note": lambda: Note.objects.update(text="Nothing to look at"),
    "a note less": lambda: Note.objects.all()._raw_delete("default"),
    "a note more": lambda: Note.objects.create(
        handover=Handover.objects.get(), changed_by=User.objects.get(), text="Late"
    ),
}


@pytest.mark.parametrize("how", ATTEMPTS)
def test_what_is_published_stays(published: Handover, how: str) -> None:
    with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
        ATTEMPTS[how]()
    now = Handover.objects.get()
    assert (now.pk, now.digest, now.document, now.published_at) == (
        *(published.pk, published.digest, published.document, published.published_at),
    )
    assert [note.text for note in now.notes.all()] == ["Look at the queue"]


def test_a_draft_is_free(draft: Handover, operator: User) -> None:
    Handover.objects.update(summary="Still being written")
    Note.objects.update(text="Another")
    services.discard(handover=draft, actor=operator)
    assert not Note.objects.exists()


def test_taking_over_goes_once(
    published: Handover, operator: User, admin: User
) -> None:
    services.take_over(handover=published, actor=admin)
    taken = Handover.objects.get()
    assert taken.taken_over_by == admin
    for change in (
        {"taken_over_by": operator},
        {"taken_over_at": None, "taken_over_by": None},
    ):
        with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
            Handover.objects.update(**change)
    # The same again is no change.
    taken.save()


def test_the_whole_table_is_not_emptied_either(published: Handover) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL has TRUNCATE.")
    # What was just written still waits for its foreign keys to be looked at.
    raw("SET CONSTRAINTS ALL IMMEDIATE")()
    for table in (triggers.NOTES, f"{triggers.TABLE}, {triggers.NOTES}"):
        with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
            raw(f"TRUNCATE {table}")()
    assert Handover.objects.exists()


def test_without_the_triggers_it_would_be_possible(published: Handover) -> None:
    triggers.drop(connection)
    assert Handover.objects.update(summary="All was well.") == 1
    triggers.install(connection)
    with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
        Handover.objects.update(summary="No, it was not.")


@pytest.mark.django_db(transaction=True)
def test_a_flush_between_tests_gets_through(published: Handover) -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert not Handover.objects.exists()
