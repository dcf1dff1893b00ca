"""What people may do with edits: submit, cancel, discard, retry and undo them."""

import hashlib
import json
import uuid
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance
from dashboard.policies.rules import Violation
from dashboard.policies.selectors import refused
from dashboard.schedules.models import Override
from dashboard.web.stored_messages import MessageCode

from . import extension, inverse, merge, messages, states
from .models import Edit

FORM_KEY_LENGTH = 32
"""Characters of an idempotency key that name the form; the rest names the change."""


class EditConflictError(Exception):
    """Another person changed the same fields since the form was opened.

    Attributes:
        differences: The base, current and requested value of each field.
    """

    def __init__(self, differences: list[merge.Difference]) -> None:
        super().__init__(", ".join(difference.field for difference in differences))
        self.differences = differences


class RuleRefusedError(Exception):
    """Enforced policies forbid the change.

    Attributes:
        violations: The policies, and how each would be violated.
    """

    def __init__(self, violations: list[Violation]) -> None:
        reasons = (
            str(messages.VIOLATES(policy=rule.name, sentence=sentence))
            for rule, sentence in violations
        )
        super().__init__(" ".join(reasons))
        self.violations = violations


class EditClosedError(Exception):
    """The state of the edit does not allow this; the message says why."""


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
    """Queue a change of settings.

    Args:
        instance: Whose settings.
        actor: Who requests it.
        patch: Only the fields that change, of ``Capabilities.fields``; already
            validated. ``auto_stop_duration`` is in seconds; ``tags`` is the whole map.
        base: The same fields as the actor saw them; None for an unknown value.
        key: Names the form or, with ``once``, the change. A form that is sent twice in
            a row with the same values is one edit.
        once: Whether the key is an ``Idempotency-Key``. A later request with the same
            key gets the first edit, whatever its values.
        request_digest: See ``Edit.request_digest``.

    Returns:
        The edit, queued; or the earlier one that the same request has created.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditConflictError: A field no longer has its base value, or an open edit is
            going to change it.
        RuleRefusedError: An enforced policy forbids these values.
        ValidationError: The instance does not have these settings.
    """
    if not patch.keys() <= set(instance.capabilities.fields):
        raise ValidationError(str(instance.capabilities.explanation()))
    return _submit(
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
    patch: dict[str, Any] | None = None,
    key: str = "",
    once: bool = False,
    request_digest: str = "",
    override: Override | None = None,
) -> Edit:
    """Queue a start or a stop; see ``submit_edit``.

    Args:
        instance: Which one.
        actor: Who requests it.
        kind: Start or stop.
        patch: Of the start of an instance whose starts have their own run time:
            ``auto_stop_enable`` and ``auto_stop_duration`` (seconds); None for the
            shortest run.
        key: See ``submit_edit``; so ``once`` and ``request_digest``.
        override: The override for which it starts the instance.

    Raises:
        PermissionDenied: The actor may not act on this instance.
        RuleRefusedError: An enforced policy forbids a start now, or this run time.
        ValidationError: The cloud does not allow this run time.
    """
    starts = kind == Edit.Kind.START
    return _submit(
        instance=instance,
        actor=actor,
        kind=kind,
        patch=extension.start_patch(instance, patch) if starts else {},
        base=extension.power_base(instance, kind),
        key=key,
        once=once,
        request_digest=request_digest,
        override=override,
    )


@transaction.atomic
def submit_restart(
    *,
    instance: Instance,
    actor: User,
    key: str = "",
    once: bool = False,
    request_digest: str = "",
) -> Edit:
    """Queue a stop, and a start that waits until the instance has stopped.

    The new run has the auto-stop of the settings. The start is cancelled if the stop
    fails or is cancelled, and superseded by any later start or stop.

    Args:
        instance: A running instance whose auto-stop is a setting.
        actor: Who requests it.
        key: See ``submit_edit``; so ``once`` and ``request_digest``.

    Returns:
        The stop, queued; or the earlier one that the same request has created.
        ``selectors.start_after`` returns the start.

    Raises:
        PermissionDenied: The actor may not act on this instance.
        RuleRefusedError: An enforced policy forbids a start now.
        ValidationError: Each start of the instance has its own run time.
    """
    if not instance.capabilities.has_auto_stop_setting:
        raise ValidationError(str(messages.NO_RESTART_NEEDED()))
    _require_right(actor, instance)
    expected = merge.expected_values(instance)
    if violations := refused(instance, expected, {}, timezone.now(), starts=True):
        raise RuleRefusedError(violations)
    stop = submit_power(
        instance=instance,
        actor=actor,
        kind=Edit.Kind.STOP,
        key=key if once or not key else f"restart:{key}",
        once=once,
        request_digest=request_digest,
    )
    places = states.lock_queues([instance.pk])
    if places[instance.pk].seq == stop.seq + 1:
        base = extension.power_base(instance, Edit.Kind.START)
        start_key = _key(f"start of {stop.pk}", Edit.Kind.START, {}, stop.seq)
        states.create(
            states.NewEdit(instance, {}, base, start_key),
            places[instance.pk],
            actor=actor,
            kind=Edit.Kind.START,
            # A stop may take until its own deadline.
            deadline_seconds=2 * settings.CURFEW.edit_deadline_seconds,
            waits_for_stop=True,
        )
    return stop


def submit_extension(
    *,
    instance: Instance,
    actor: User,
    patch: dict[str, Any],
    base: dict[str, Any],
    key: str = "",
    once: bool = False,
    request_digest: str = "",
    override: Override | None = None,
) -> Edit:
    """Queue another end of the current run; see ``submit_edit``.

    Args:
        instance: A running instance with a lease (``availability.why_not_extendable``).
        actor: Who requests it.
        patch: Of ``extension.patch_until`` or a similar function.
        base: ``extension.base_of`` at the moment at which the actor saw the instance.
        key: See ``submit_edit``; so ``once`` and ``request_digest``.
        override: The override for which it extends the run.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditConflictError: Another person has changed the end since.
        RuleRefusedError: An enforced policy forbids this end.
    """
    return _submit(
        instance=instance,
        actor=actor,
        kind=Edit.Kind.EXTEND,
        patch=patch,
        base=base,
        key=key,
        once=once,
        request_digest=request_digest,
        override=override,
    )


def earlier_edit(*, actor: User, key: str) -> Edit | None:
    """Return the edit that this person submitted with ``once`` and this key."""
    edits = Edit.objects.select_related("instance__cloud", "actor")
    return edits.filter(actor=actor, idempotency_key=_once_key(key)).first()


@transaction.atomic
def retry_edit(
    *, edit: Edit, actor: User, fields: Collection[str] | None = None
) -> Edit:
    """Submit a failed edit again, as a new edit at the end of the queue.

    Args:
        edit: An edit that has failed or is in conflict.
        actor: Who retries it.
        fields: Those of its patch that are requested again; None for all.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditClosedError: The edit has neither failed nor met a conflict; or it is too
            late for the end that it asked for.
        EditConflictError: A field has changed just now.
        RuleRefusedError: An enforced policy forbids it by now.
    """
    _require_right(actor, edit.instance)
    if not edit.may_be_retried:
        raise EditClosedError(_("Only a change that failed can be retried."))
    if too_late := extension.why_too_late(edit.instance, edit.patch, timezone.now()):
        raise EditClosedError(str(too_late))
    patch, base = edit.patch, _base_of_retry(edit)
    if fields is not None:
        patch, base = (
            {name: values[name] for name in values if name in fields}
            for values in (patch, base)
        )
    return _submit(
        instance=edit.instance,
        actor=actor,
        kind=Edit.Kind(edit.kind),
        patch=patch,
        base=base,
        key=f"retry:{edit.pk}",
        retry_of_id=edit.pk,
    )


def resolve_edit(*, edit: Edit, actor: User, mine: Collection[str]) -> Edit:
    """Resolve a conflict by a decision about each setting.

    Args:
        edit: A change of settings in conflict.
        actor: Who decides.
        mine: The fields of its patch whose requested values replace the newer ones. If
            there are none, the edit is discarded.

    Returns:
        The new edit, or the discarded one.

    Raises:
        As ``retry_edit`` and ``discard_edit``.
    """
    _require_right(actor, edit.instance)
    if not edit.may_be_discarded or edit.kind != Edit.Kind.UPDATE:
        raise EditClosedError(_("Only a change in conflict can be resolved."))
    if not set(mine) & edit.patch.keys():
        return discard_edit(edit=edit, actor=actor)
    return retry_edit(edit=edit, actor=actor, fields=mine)


def _base_of_retry(edit: Edit) -> dict[str, Any]:
    """Return what the page shows beside the button."""
    if edit.kind == Edit.Kind.EXTEND:
        return extension.base_of(edit.instance)
    if edit.kind != Edit.Kind.UPDATE:
        return extension.power_base(edit.instance, Edit.Kind(edit.kind))
    current = merge.expected_values(edit.instance)
    return {name: current[name] for name in edit.patch if name in current}


@transaction.atomic
def undo_edit(*, edit: Edit, actor: User, may_stop: bool = False) -> Edit:
    """Queue a new edit that requests the values from before an applied one.

    Its base is what the edit has applied. Values that someone has changed since are a
    conflict and stay; see ``docs/decisions/0026-undo.md``.

    Args:
        edit: With its instance.
        actor: Who undoes it.
        may_stop: Whether the person has confirmed what a stop loses. The undo of a
            start needs that.

    Returns:
        The edit, queued; or an earlier undo that is not completed yet.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditClosedError: It cannot be undone, or not any more; the message says why.
        EditConflictError: Someone has changed the values since.
        RuleRefusedError: An enforced policy forbids the previous values.
    """
    _require_right(actor, edit.instance)
    # The lock makes a second click find the undo of the first.
    states.lock_queues([edit.instance_id])
    edit.instance.refresh_from_db(
        from_queryset=Instance.objects.select_related("cloud")
    )
    if earlier := edit.undos.filter(state__in=Edit.OPEN).first():
        return earlier
    if why_not := inverse.why_not_undoable(edit):
        raise EditClosedError(str(why_not))
    if edit.kind == Edit.Kind.START and not may_stop:
        raise EditClosedError(
            _("Undoing a start stops the instance. Confirm that first.")
        )
    kind, patch, base = inverse.inverse_of(edit)
    if kind == Edit.Kind.UPDATE:
        expected = merge.expected_values(edit.instance)
        if all(merge.is_same(expected[name], patch[name]) for name in patch):
            raise EditClosedError(_("The previous values are already set."))
    return _submit(
        instance=edit.instance,
        actor=actor,
        kind=kind,
        patch=patch,
        base=base,
        key="",
        undo_of_id=edit.pk,
    )


def cancel_edit(*, edit: Edit, actor: User) -> Edit:
    """Cancel an edit that is not being sent.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditClosedError: It is being sent, or has ended.
    """
    return _cancel(
        edit,
        actor,
        Edit.CANCELLABLE,
        messages.CANCELLED_BY,
        _("It is too late to cancel this change."),
    )


def discard_edit(*, edit: Edit, actor: User) -> Edit:
    """Cancel an edit in conflict; the newer values stay.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        EditClosedError: It is not in conflict.
    """
    return _cancel(
        edit,
        actor,
        {Edit.State.CONFLICT},
        messages.DISCARDED_BY,
        _("Only a change in conflict can be discarded."),
    )


def _cancel(
    edit: Edit, actor: User, among: Collection[str], reason: MessageCode, refusal: str
) -> Edit:
    _require_right(actor, edit.instance)
    message = reason(username=actor.get_username())
    cancelled = states.cancel([edit], actor=actor, message=message, states=among)
    if not cancelled:
        raise EditClosedError(refusal)
    return cancelled[0]


@transaction.atomic
def _submit(
    *,
    instance: Instance,
    actor: User,
    kind: EditKind,
    patch: dict[str, Any],
    base: dict[str, Any],
    key: str,
    once: bool = False,
    request_digest: str = "",
    retry_of_id: uuid.UUID | None = None,
    undo_of_id: uuid.UUID | None = None,
    override: Override | None = None,
) -> Edit:
    _require_right(actor, instance)
    # The lock makes sequence numbers follow the order of the commits.
    places = states.lock_queues([instance.pk])
    seq = places[instance.pk].seq
    full_key = _once_key(key) if once else _key(key, kind, patch, seq)
    earlier = _earlier_submission(full_key, instance, actor, kind, patch, once=once)
    if earlier is not None:
        return earlier
    expected = merge.expected_values(instance)
    if kind == Edit.Kind.EXTEND:
        different = extension.differences(instance, patch, base, actor)
    else:
        different = merge.differences(patch, base, expected)
    if different:
        raise EditConflictError(different)
    now, starts = timezone.now(), kind == Edit.Kind.START
    if violations := refused(instance, expected, patch, now, starts=starts):
        raise RuleRefusedError(violations)
    return states.create(
        states.NewEdit(instance, patch, base, full_key, retry_of_id, undo_of_id),
        places[instance.pk],
        actor=actor,
        kind=kind,
        deadline_seconds=settings.CURFEW.edit_deadline_seconds,
        request_digest=request_digest,
        override=override,
    )


def _require_right(actor: User, instance: Instance) -> None:
    if not can_edit(actor, instance.owner):
        raise PermissionDenied(_("You can view this instance but not change it."))


def _once_key(key: str) -> str:
    return hashlib.sha256(f"once {key}".encode()).hexdigest()


def _key(form: str, kind: str, patch: dict[str, Any], seq: int) -> str:
    """Return a key whose halves name the form and one change of the form.

    ``seq`` makes it unique: one form may send the same change again.
    """
    content = json.dumps([kind, patch, seq], sort_keys=True)
    return _digest(form or uuid.uuid4().hex) + _digest(content)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:FORM_KEY_LENGTH]


def _earlier_submission(
    key: str,
    instance: Instance,
    actor: User,
    kind: str,
    patch: dict[str, Any],
    *,
    once: bool,
) -> Edit | None:
    """Return the edit that the same request has created before.

    Only the latest edit of a form counts: values that were sent before others are a new
    change.
    """
    edits = Edit.objects.select_related("actor", "instance__cloud").filter(actor=actor)
    if once:
        return edits.filter(idempotency_key=key).first()
    form = edits.filter(
        instance=instance, idempotency_key__startswith=key[:FORM_KEY_LENGTH]
    )
    latest = form.order_by("-seq").first()
    if latest and (latest.kind, latest.patch) == (kind, patch):
        return latest
    return None
