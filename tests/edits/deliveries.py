"""Steps that the tests of delivery share."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import extension, outcome_text, services
from dashboard.edits.delivery import send
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances import upstream
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.observations import apply_observation


def submit(instance: Instance, actor: User, **patch: Any) -> Edit:
    base = {name: getattr(instance, name) for name in patch}
    return services.submit_edit(instance=instance, actor=actor, patch=patch, base=base)


def deliver(edit: Edit) -> Edit:
    send.drain(edit.instance_id)
    return Edit.objects.select_related("instance").get(pk=edit.pk)


def due_now(edit: Edit) -> None:
    """Let the pause before the next try be over."""
    EditQueue.objects.filter(pk=edit.instance_id).update(next_at=None)


def puts(cloud: Emulator, instance: Instance) -> list[dict[str, Any]]:
    return [
        json.loads(entry.body)
        for entry in cloud.log.entries()
        if entry.route == "update"
        and entry.instance_id == instance.instance_id
        and entry.body
    ]


def a_second_ago() -> datetime:
    """Return a moment in the past; SQLite's clock has no microseconds."""
    return timezone.now() - timedelta(seconds=1)


def make_recheck_due() -> None:
    EditQueue.objects.update(recheck_at=a_second_ago(), last_enqueued_at=None)


def recheck(instance: Instance) -> None:
    """Let the late-write watch read the instance."""
    make_recheck_due()
    send.drain(instance.pk)


def end_of_watch(instance: Instance) -> None:
    EditQueue.objects.update(late_write_until=a_second_ago())
    recheck(instance)


def sentence_of(edit: Edit) -> str:
    """Return what a page says about an edit."""
    edit = Edit.objects.select_related("instance__cloud").get(pk=edit.pk)
    return f"{outcome_text.sentence(edit)} {edit.message}".strip()


def in_cloud(cloud: Emulator, instance: Instance) -> str:
    return str(cloud.fleet.get(instance.instance_id).description)


def mirrored(cloud: Emulator, notebook_id: str) -> Instance:
    """Read a notebook into the mirror, and return its row."""
    api = upstream.client_for("demo").notebooks
    with transaction.atomic():
        row = apply_observation(Cloud.objects.get(), api.show_instance(notebook_id))
    return Instance.objects.select_related("cloud").get(pk=row.pk)


def end_ms(cloud: Emulator, notebook: Instance) -> int:
    """Return when the cloud stops a notebook, by its clock."""
    stored = cloud.notebooks.get(notebook.instance_id)
    ends_ms = stored.ends_ms(cloud.clock.now_ms(), cloud.behavior)
    assert ends_ms is not None
    return ends_ms


def extend(
    notebook: Instance, actor: User, hours: float, base: dict[str, Any] | None = None
) -> Edit:
    """Submit an extension to so many hours from now."""
    return services.submit_extension(
        instance=notebook,
        actor=actor,
        patch=extension.patch_hours(notebook, hours, timezone.now()),
        base=extension.base_of(notebook) if base is None else base,
    )


def renewals(cloud: Emulator, notebook: Instance) -> list[dict[str, Any]]:
    """Return the bodies of the renewals that the cloud received, late effects aside."""
    entries = cloud.log.entries(
        route="notebooks.renew", instance_id=notebook.instance_id
    )
    return [
        json.loads(entry.body)
        for entry in entries
        if entry.body and entry.late_for is None
    ]
