"""Undoing one change."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import services
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance
from tests.factories import make_notebook

from .conftest import NOTEBOOKS, finish
from .deliveries import deliver, extend, in_cloud, mirrored, submit


def undo(client: Client, edit: Edit, **data: str) -> Edit | None:
    """Press “Undo”, and return the new edit."""
    before = set(Edit.objects.values_list("pk", flat=True))
    response = client.post(reverse("edits:undo", args=[edit.pk]), data)
    assert response.status_code == 303
    return Edit.objects.exclude(pk__in=before).first()


def test_an_undo_requests_the_former_values_and_can_be_undone_itself(
    running: Instance, cloud: Emulator, operator: User, as_operator: Client
) -> None:
    former = in_cloud(cloud, running)
    edit = deliver(submit(running, operator, description="Third try"))
    assert edit.may_be_undone
    page = as_operator.get(edit.get_absolute_url()).content.decode()
    assert reverse("edits:undo", args=[edit.pk]) in page
    undone = undo(as_operator, edit)
    assert undone is not None
    assert (undone.undo_of, undone.patch) == (edit, {"description": former})
    assert undone.base == {"description": "Third try"}
    # A second click finds it.
    assert undo(as_operator, edit) is None
    undone = deliver(undone)
    assert in_cloud(cloud, running) == former
    event = AuditEvent.objects.get(action="edit.submitted", target_id=str(undone.pk))
    assert event.actor == operator
    # What it undid is no more; what it did can be undone.
    assert not Edit.objects.get(pk=edit.pk).may_be_undone
    assert undo(as_operator, edit) is None
    assert undone.may_be_undone


def test_what_someone_has_changed_since_stays(
    running: Instance, cloud: Emulator, operator: User, admin: User, as_operator: Client
) -> None:
    edit = deliver(submit(running, operator, description="Third try"))
    running.refresh_from_db()
    newer = deliver(submit(running, admin, description="Mine now"))
    assert not Edit.objects.get(pk=edit.pk).may_be_undone
    assert undo(as_operator, edit) is None
    with pytest.raises(services.EditConflictError):
        services.undo_edit(edit=edit, actor=operator)
    # Curfew's mirror does not know of this one yet: the worker finds it.
    undone = services.undo_edit(edit=newer, actor=operator)
    cloud.fleet.force(running.instance_id, description="From the console")
    assert deliver(undone).state == Edit.State.CONFLICT
    assert in_cloud(cloud, running) == "From the console"


def test_a_stop_is_undone_by_a_start_and_a_start_by_a_stop_once_confirmed(
    instance: Instance, operator: User, as_operator: Client
) -> None:
    stop = services.submit_power(instance=instance, actor=operator, kind=EditKind.STOP)
    now = timezone.now()
    finish(stop, "applied")
    Instance.objects.update(status="STOPPED", status_since=now)
    start = undo(as_operator, stop)
    assert start is not None
    assert (start.kind, start.patch) == (EditKind.START, {})
    finish(start, "applied")
    Instance.objects.update(status="RUNNING", status_since=now)
    question = as_operator.post(reverse("edits:undo", args=[start.pk]))
    assert "This will end the session" in question.content.decode()
    assert not start.undos.exists()
    again = undo(as_operator, start, stop="1")
    assert again is not None
    assert again.kind == EditKind.STOP
    # It has run again since: another stop is not this one's inverse.
    finish(again, "applied")
    Instance.objects.update(status="STOPPED", status_since=now + timedelta(hours=2))
    assert undo(as_operator, again) is None


def test_the_undo_of_a_notebook_s_stop_starts_it_for_as_long_as_its_run(
    db: None, operator: User
) -> None:
    now = timezone.now()
    notebook = make_notebook(
        run_started_at=now - timedelta(hours=1), stops_at=now + timedelta(hours=3)
    )
    stop = services.submit_power(instance=notebook, actor=operator, kind=EditKind.STOP)
    finish(stop, "applied")
    Instance.objects.update(status="STOPPED", status_since=now)
    stop = Edit.objects.get(pk=stop.pk)
    start = services.undo_edit(edit=stop, actor=operator)
    assert start.patch == {"auto_stop_enable": True, "auto_stop_duration": 14_400}


@NOTEBOOKS
def test_an_extension_cannot_be_undone(
    notebook: Instance, cloud: Emulator, operator: User
) -> None:
    extension = deliver(extend(notebook, operator, hours=5))
    assert (extension.state, extension.may_be_undone) == ("applied", False)
    with pytest.raises(services.EditClosedError, match="extension"):
        services.undo_edit(edit=extension, actor=operator)
    assert mirrored(cloud, notebook.instance_id).is_running
