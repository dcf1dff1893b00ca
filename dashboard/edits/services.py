"""What people may do with edits: submit, cancel, discard and retry them."""

import hashlib
import json
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance
from dashboard.policies.rules import Change, Violation
from dashboard.policies.selectors import refused
from dashboard.web.stored_messages import MessageCode

from . import merge, messages, states, tasks
from .models import Edit, EditQueue

HALF_KEY = 32
"""Letters of a key that name the form; the others name what it was sent for."""


class EditConflictError(Exception):
    """Somebody changed the same fields since the person looked.

    Attributes:
        differences: What was seen, what is now and what is requested, for each field.
    """

    def __init__(self, differences: list[merge.Difference]) -> None:
        super().__init__(", ".join(difference.field for difference in differences))
        self.differences = differences


class RuleRefusedError(Exception):
    """An enforced rule stands against it.

    Attributes:
        violations: Which rules, and how each would be broken.
    """

    def __init__(self, violations: list[Violation]) -> None:
        reasons = (
            str(messages.VIOLATES(policy=rule.name, sentence=sentence))
            for rule, sentence in violations
        )
        super().__init__(" ".join(reasons))
        self.violations = violations


class EditClosedError(Exception):
    """The edit is past the point where this can be done; the message says so."""


def submit_edit(
    *,
    instance: Instance,
    actor: User,
    patch: dict[str, Any],
    base: dict[str, Any],
    key: str = "",
    once: bool = False,
    request_digest: str = "",
) -> Edit:
    """Accept a change of settings.

    Args:
        instance: Whose settings.
        actor: Who requests it.
        patch: Only the fields that change: ``description``, ``auto_stop_enable``,
            ``auto_stop_duration`` (seconds), ``auto_stop_prompt``; already validated.
        base: The same fields as the actor saw them when deciding; None for a field
            whose value was unknown.
        key: Names the form that was opened; the same form sent twice with the same
            values is one edit, whatever happens in between.
        once: The key names this one change for ever, as that of a program which
            retries; see ``earlier_edit``.
        request_digest: Kept with the edit; see ``Edit.request_digest``.

    Returns:
        The edit, queued; or the earlier one when this is its double.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditConflictError: A field is no longer, or soon will not be, what was seen.
        RuleRefusedError: An enforced rule forbids these values.
    """
    return _accept(
        instance=instance,
        actor=actor,
        kind=Edit.Kind.UPDATE,
        patch=patch,
        base={field: base.get(field) for field in patch},
        key=key,
        once=once,
        request_digest=request_digest,
    )


def submit_power(
    *,
    instance: Instance,
    actor: User,
    kind: EditKind,
    key: str = "",
    once: bool = False,
    request_digest: str = "",
) -> Edit:
    """Accept a start or a stop.

    Args:
        instance: What to start or stop.
        actor: Who requests it.
        kind: ``Edit.Kind.START`` or ``Edit.Kind.STOP``.
        key: Names the confirmation that was opened, as for ``submit_edit``.
        once: Likewise.
        request_digest: Likewise.

    Returns:
        The edit, queued; or the earlier one when this is its double.

    Raises:
        PermissionDenied: The actor may not act on this instance.
        RuleRefusedError: An enforced rule forbids a start now.
    """
    return _accept(
        instance=instance,
        actor=actor,
        kind=kind,
        patch={},
        base={"status": instance.status},
        key=key,
        once=once,
        request_digest=request_digest,
    )


def earlier_edit(*, actor: User, key: str) -> Edit | None:
    """The edit that this person requested for ``once`` by this key, if there is one."""
    edits = Edit.objects.select_related("instance__cloud", "actor")
    return edits.filter(actor=actor, key=_once_key(key)).first()


@transaction.atomic
def retry_edit(*, edit: Edit, actor: User) -> Edit:
    """Change again for what failed, as a new edit at the end of the queue.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditClosedError: Only a failed edit or a conflict can be tried again.
        RuleRefusedError: An enforced rule forbids it by now.
    """
    _require_right(actor, edit.instance)
    if not edit.may_be_retried:
        raise EditClosedError(gettext("Only a change that failed can be retried."))
    return _accept(
        instance=edit.instance,
        actor=actor,
        kind=Edit.Kind(edit.kind),
        patch=edit.patch,
        # What the page showed beside the button, not what was seen back then.
        base={
            name: value
            for name, value in merge.expected_values(edit.instance).items()
            if name in edit.patch
        },
        key=f"retry:{edit.pk}",
        retry_of=edit,
    )


@transaction.atomic
def cancel_edit(*, edit: Edit, actor: User) -> Edit:
    """Cancel an edit that is not being sent.

    An attempt that may have been applied is watched for, and undone.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditClosedError: It is being sent, or has ended.
    """
    _require_right(actor, edit.instance)
    queue = EditQueue.objects.select_for_update().get(instance_id=edit.instance_id)
    edit = _reread(edit)
    if not edit.may_be_cancelled:
        raise EditClosedError(gettext("It is too late to cancel this change."))
    _cancel(edit, actor, messages.CANCELLED_BY)
    if edit.is_unconfirmed:
        queue.recheck_at = Now()
        queue.save(update_fields=["recheck_at"])
        transaction.on_commit(partial(tasks.enqueue, queue.pk), robust=True)
    return edit


@transaction.atomic
def discard_edit(*, edit: Edit, actor: User) -> Edit:
    """Cancel an edit in conflict: the newer values stay.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditClosedError: It is not in conflict, or not any more.
    """
    _require_right(actor, edit.instance)
    EditQueue.objects.select_for_update().get(instance_id=edit.instance_id)
    edit = _reread(edit)
    if not edit.may_be_discarded:
        raise EditClosedError(gettext("Only a change in conflict can be discarded."))
    _cancel(edit, actor, messages.DISCARDED_BY)
    return edit


def _reread(edit: Edit) -> Edit:
    return Edit.objects.select_related("instance__cloud", "actor").get(pk=edit.pk)


def _cancel(edit: Edit, actor: User, reason: MessageCode) -> None:
    message = reason(username=actor.get_username())
    states.cancel([edit], actor=actor, message=message)


@transaction.atomic
def _accept(
    *,
    instance: Instance,
    actor: User,
    kind: EditKind,
    patch: dict[str, Any],
    base: dict[str, Any],
    key: str,
    once: bool = False,
    request_digest: str = "",
    retry_of: Edit | None = None,
) -> Edit:
    _require_right(actor, instance)
    EditQueue.objects.get_or_create(instance=instance)
    # Serialises the submitters of this instance alone: numbers follow commits.
    queues = EditQueue.objects.annotate(now=Now()).select_for_update()
    queue = queues.get(instance=instance)
    full_key = _once_key(key) if once else _key(key, kind, patch, queue.next_seq)
    double = _double(full_key, instance, actor, kind, patch, once=once)
    if double is not None:
        return double
    expected = merge.expected_values(instance)
    if different := merge.differences(patch, base, expected):
        raise EditConflictError(different)
    change = Change(patch, starts=kind == Edit.Kind.START)
    if against := refused(instance, change, expected, timezone.now()):
        raise RuleRefusedError(against)
    edit = Edit(
        instance=instance,
        actor=actor,
        seq=queue.next_seq,
        kind=kind,
        patch=patch,
        base=base,
        key=full_key,
        request_digest=request_digest,
        retry_of=retry_of,
        # By the clock that sweeper and workers go by, not this machine's.
        deadline_at=queue.now
        + timedelta(seconds=settings.CURFEW.edit_deadline_seconds),
    )
    states.create([edit], enqueued=True)
    # robust: an unreachable broker must not fail what is already committed.
    transaction.on_commit(partial(tasks.enqueue, instance.pk), robust=True)
    return edit


def _require_right(actor: User, instance: Instance) -> None:
    if not can_edit(actor, instance.owner):
        raise PermissionDenied(gettext("You can view this instance but not change it."))


def _once_key(key: str) -> str:
    return hashlib.sha256(f"once {key}".encode()).hexdigest()


def _key(form: str, kind: str, patch: dict[str, Any], seq: int) -> str:
    """Which form, and which of the edits that it was sent for."""
    content = json.dumps([kind, patch, seq], sort_keys=True)
    return _digest(form or uuid.uuid4().hex) + _digest(content)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HALF_KEY]


def _double(
    key: str,
    instance: Instance,
    actor: User,
    kind: str,
    patch: dict[str, Any],
    *,
    once: bool,
) -> Edit | None:
    """The edit that was accepted when this was sent before, if it was.

    A form that was sent with other values in between is a new change.
    """
    edits = Edit.objects.select_related("actor", "instance__cloud").filter(actor=actor)
    if once:
        return edits.filter(key=key).first()
    form = edits.filter(instance=instance, key__startswith=key[:HALF_KEY])
    latest = form.order_by("-seq").first()
    if latest and (latest.kind, latest.patch) == (kind, patch):
        return latest
    return None
