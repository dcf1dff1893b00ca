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
    drafted = services.draft(actor=operator, since=timezone.now(), ahead_hours=8)
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
    "another scope": lambda: Handover.objects.update(scope="GPUs", query="q=gpu"),
    "called otherwise": lambda: Handover.objects.update(number=7),
    "another note": lambda: Note.objects.update(text="Nothing to look at"),
    "a note less": lambda: Note.objects.all()._raw_delete("default"),
    "a note more": lambda: Note.objects.create(
        handover=Handover.objects.get(), changed_by=User.objects.get(), text="Late"
    ),
}


@pytest.mark.parametrize("how", ATTEMPTS)
def test_the_database_refuses_changes_of_a_published_handover(
    published: Handover, how: str
) -> None:
    with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
        ATTEMPTS[how]()
    now = Handover.objects.get()
    assert (now.pk, now.digest, now.document, now.published_at) == (
        *(published.pk, published.digest, published.document, published.published_at),
    )
    assert [note.text for note in now.notes.all()] == ["Look at the queue"]


def test_a_draft_can_be_changed(draft: Handover, operator: User) -> None:
    Handover.objects.update(summary="Still being written")
    Note.objects.update(text="Another")
    services.discard(handover=draft, actor=operator)
    assert not Note.objects.exists()


def test_a_handover_is_taken_over_once(
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


def test_the_tables_cannot_be_truncated(published: Handover) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL has TRUNCATE.")
    # What was just written still waits for its foreign keys to be looked at.
    raw("SET CONSTRAINTS ALL IMMEDIATE")()
    for table in (triggers.NOTES, f"{triggers.TABLE}, {triggers.NOTES}"):
        with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
            raw(f"TRUNCATE {table}")()
    assert Handover.objects.exists()


def test_only_the_triggers_prevent_changes(published: Handover) -> None:
    triggers.TRIGGERS.drop(connection)
    assert Handover.objects.update(summary="All was well.") == 1
    triggers.TRIGGERS.install(connection)
    with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
        Handover.objects.update(summary="No, it was not.")


@pytest.mark.django_db(transaction=True)
def test_flush_works_despite_the_triggers(published: Handover) -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert not Handover.objects.exists()
