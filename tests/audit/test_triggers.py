"""The database itself keeps the audit trail append-only."""

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from dashboard.accounts.models import User
from dashboard.audit import triggers
from dashboard.audit.models import AuditEvent
from dashboard.audit.services import record_event


@pytest.fixture
def event(admin: User) -> AuditEvent:
    return record_event(
        actor=admin,
        action="test.done",
        target_kind="test",
        target_id="1",
        target_label="a test",
    )


def raw(statement: str) -> Callable[[], None]:
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return run


ATTEMPTS = {
    "update in bulk": lambda: AuditEvent.objects.update(actor_label="nobody"),
    "delete in bulk": lambda: AuditEvent.objects.all()._raw_delete("default"),
    "delete by the collector": lambda: AuditEvent.objects.all().delete(),
    "bulk_update": lambda: AuditEvent.objects.bulk_update(
        AuditEvent.objects.all(), ["actor_label"]
    ),
    "raw update": raw("UPDATE audit_auditevent SET actor_label = 'nobody'"),
    "raw delete": raw("DELETE FROM audit_auditevent"),
    "replace": raw("UPDATE audit_auditevent SET id = id + 1"),
}


@pytest.mark.parametrize("how", ATTEMPTS)
def test_no_event_is_changed_or_deleted(event: AuditEvent, how: str) -> None:
    with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
        ATTEMPTS[how]()
    assert AuditEvent.objects.get(pk=event.pk).actor_label == "admin"


def test_the_whole_table_is_not_emptied_either(event: AuditEvent) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL has TRUNCATE.")
    with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
        raw("TRUNCATE audit_auditevent")()
    assert AuditEvent.objects.filter(pk=event.pk).exists()


def test_the_model_refuses_before_the_database_is_asked(event: AuditEvent) -> None:
    with pytest.raises(TypeError, match="never changed"):
        event.save()
    with pytest.raises(TypeError, match="never deleted"):
        event.delete()


def test_an_account_goes_and_its_entries_stay(event: AuditEvent, admin: User) -> None:
    admin.delete()
    stored = AuditEvent.objects.get(pk=event.pk)
    assert stored.actor_label == "admin"
    assert stored.actor_id == event.actor_id


def test_without_the_triggers_it_would_be_possible(event: AuditEvent) -> None:
    # Without the triggers, the ORM would allow the writes above.
    triggers.TRIGGERS.drop(connection)
    assert AuditEvent.objects.update(actor_label="nobody") == 1
    triggers.TRIGGERS.install(connection)
    with pytest.raises(DatabaseError, match=triggers.REFUSAL), transaction.atomic():
        AuditEvent.objects.update(actor_label="somebody")


@pytest.mark.django_db(transaction=True)
def test_a_flush_between_tests_gets_through_and_leaves_the_guard() -> None:
    record_event(
        actor=None, action="t.t", target_kind="t", target_id="", target_label="t"
    )
    call_command("flush", interactive=False, verbosity=0)
    assert not AuditEvent.objects.exists()
    record_event(
        actor=None, action="t.t", target_kind="t", target_id="", target_label="t"
    )
    with pytest.raises(DatabaseError, match=triggers.REFUSAL):
        AuditEvent.objects.update(actor_label="nobody")
