"""What the tests of delivery do all the time."""

import json
from typing import Any

from dashboard.accounts.models import User
from dashboard.edits import services
from dashboard.edits.delivery import send
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance


def wish(instance: Instance, actor: User, **patch: Any) -> Edit:
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
