"""What owners, authors and approvers hear of bulk changes."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import InstanceEvent
from dashboard.reminders.models import Reminder
from dashboard.reminders.planning import plan
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .conftest import created


@pytest.fixture
def batch(operator: User) -> EditBatch:
    """The operator stops three instances of anna.schmidt and one of li.wei."""
    batch = EditBatch.objects.create(
        actor=operator,
        kind="stop",
        confirmed_at=timezone.now(),
        reason="Maintenance of the storage.",
        warns_owners=True,
    )
    for number, owner in enumerate(["anna.schmidt"] * 3 + ["li.wei"]):
        instance = make_instance(owner_name=owner, owner_id=owner)
        edit = add_edit(instance, operator, kind="stop", key=f"{number}", batch=batch)
        batch.selection.append(instance.pk)
        Edit.objects.filter(pk=edit.pk).update(
            not_before=timezone.now() + timedelta(minutes=10)
        )
    return batch


def inbox(client: Client, person: User) -> str:
    client.force_login(person)
    return client.get("/reminders/").text


def test_owners_hear_before_and_after_who_stops_their_instances_and_why(
    client: Client, batch: EditBatch, scientist: User, operator: User
) -> None:
    plan()
    plan()
    assert created() == [("page", "warning", None, "sent")]
    html = inbox(client, scientist)
    assert "operator will stop 3 of your instances" in html
    assert "Why: Maintenance of the storage." in html
    for edit in Edit.objects.all():
        InstanceEvent.objects.create(
            instance=edit.instance,
            at=timezone.now(),
            to_status="STOPPING",
            edit_id=edit.pk,
        )
    Edit.objects.update(state="applied", finished_at=timezone.now(), not_before=None)
    plan()
    assert created(person=scientist) == [
        ("page", "warning", None, "cancelled"),
        ("page", "stopped", None, "sent"),
    ]
    html = inbox(client, scientist)
    assert "operator stopped 3 of your instances" in html
    assert html.count("Why: Maintenance of the storage.") == 2


def test_those_who_can_approve_hear_of_it_and_then_the_author(
    client: Client, batch: EditBatch, scientist: User, operator: User, admin: User
) -> None:
    Edit.objects.all().delete()
    batch.confirmed_at, batch.approval_asked_at = None, timezone.now()
    batch.save()
    plan()
    plan()
    people = Reminder.objects.values_list("person__username", "kind", "for_team")
    assert list(people) == [("admin", "approval", True)]
    assert "operator asks you to approve a bulk change of 4 instances" in inbox(
        client, admin
    )
    batch.approval_asked_at, batch.decided_by = None, admin
    batch.decided_at = timezone.now()
    batch.save()
    plan()
    assert Reminder.objects.get(kind="approval").state == "cancelled"
    assert "admin declined your bulk change" in inbox(client, operator)
