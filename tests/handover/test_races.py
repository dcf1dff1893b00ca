"""Two people at the same moment; run on PostgreSQL by ``tests/test_postgres.py``."""

from collections.abc import Callable
from functools import partial
from threading import Barrier, Thread

import pytest
from django.db import connection

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.handover import services
from dashboard.handover.document import from_json
from dashboard.handover.models import Handover, Note
from dashboard.handover.services import SaveToken

from .handovers import make_draft, publish, write


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Call all at the same time in threads, and return results and exceptions."""
    results: list[object] = [None] * len(acts)
    barrier = Barrier(len(acts))

    def run(number: int) -> None:
        barrier.wait(timeout=20)
        try:
            results[number] = acts[number]()
        except services.HandoverError as error:
            results[number] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=[number]) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def needs_real_locks() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite in memory is one connection: see tests/test_postgres.py.")


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_takes_over(operator: User, admin: User) -> None:
    needs_real_locks()
    handover = publish(make_draft(operator), operator)
    results = at_once(
        lambda: services.take_over(handover=handover, actor=operator),
        lambda: services.take_over(handover=handover, actor=admin),
    )
    assert sum(isinstance(result, Handover) for result in results) == 1
    assert sum(isinstance(result, services.HandoverError) for result in results) == 1
    assert AuditEvent.objects.filter(action="handover.taken_over").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_published_at_once_have_two_numbers(operator: User) -> None:
    needs_real_locks()
    drafts = [make_draft(operator) for _ in range(4)]
    at_once(*(partial(publish, draft, operator) for draft in drafts))
    numbers = Handover.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == [1, 2, 3, 4]


@pytest.mark.django_db(transaction=True)
def test_one_of_two_concurrent_saves_conflicts(operator: User, admin: User) -> None:
    needs_real_locks()
    note = services.add_note(handover=make_draft(operator), actor=operator, text="x")
    results = at_once(
        lambda: write(note, operator, "mine", SaveToken(1, "page-a", 1)),
        lambda: write(note, admin, "mine, too", SaveToken(1, "page-b", 1)),
    )
    (saved,) = [result for result in results if isinstance(result, Note)]
    (error,) = [
        result for result in results if isinstance(result, services.ChangedError)
    ]
    assert error.current.text == saved.text
    note.refresh_from_db()
    assert (note.text, note.revision) == (saved.text, 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("again", range(5))
def test_text_is_in_the_publication_or_refused(
    operator: User, admin: User, again: int
) -> None:
    needs_real_locks()
    draft = make_draft(operator)
    note = services.add_note(handover=draft, actor=operator, text="first")
    draft.refresh_from_db()
    saved, published = at_once(
        lambda: write(note, admin, "second", SaveToken(1)),
        lambda: services.publish(handover=draft, actor=operator, version=draft.version),
    )
    if isinstance(published, Handover):
        assert isinstance(saved, services.PublishedError)
        (published_note,) = from_json(published.document or {}).notes
        assert published_note.text == "first"
    else:
        assert isinstance(saved, Note)
        assert isinstance(published, services.ChangedError)
