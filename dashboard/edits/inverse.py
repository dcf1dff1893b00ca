"""The edit that undoes another one; see ``docs/decisions/0026-undo.md``."""

from typing import Any

from dashboard.instances import availability
from dashboard.instances.edit_states import EditKind
from dashboard.web.stored_messages import Message

from . import extension, messages
from .models import NEXT_START_FIELDS, Edit


def why_not_undoable(edit: Edit) -> Message:
    """Return why an edit cannot be undone; empty if an undo may be submitted.

    It does not look for values that someone has changed since: the comparison with the
    base finds them.
    """
    if edit.kind == Edit.Kind.EXTEND:
        return messages.EXTENSION_STAYS()
    if edit.state != Edit.State.APPLIED:
        return messages.NOT_APPLIED()
    if not edit.has_inverse:
        return messages.NO_FORMER_VALUES()
    instance = edit.instance
    if edit.kind == Edit.Kind.UPDATE:
        if NEXT_START_FIELDS & edit.former_values.keys():
            return availability.why_auto_stop_fixed(instance)
        return availability.why_not_editable(instance)
    starts = edit.kind == Edit.Kind.STOP
    available = (
        availability.why_not_startable if starts else availability.why_not_stoppable
    )
    if why_not := available(instance):
        return why_not
    return Message() if edit.may_be_undone else messages.RAN_SINCE()


def inverse_of(edit: Edit) -> tuple[EditKind, dict[str, Any], dict[str, Any]]:
    """Return kind, patch and base of the edit that undoes another one.

    Only for an edit that ``has_inverse``.
    """
    instance = edit.instance
    if edit.kind == Edit.Kind.UPDATE:
        former = edit.former_values
        return Edit.Kind.UPDATE, former, {name: edit.patch[name] for name in former}
    if edit.kind == Edit.Kind.START:
        return Edit.Kind.STOP, {}, extension.power_base(instance, Edit.Kind.STOP)
    run = {name: edit.base[name] for name in NEXT_START_FIELDS & edit.base.keys()}
    if run and extension.why_not_run(instance, run):
        # The cloud has become stricter since.
        run = {}
    patch = extension.start_patch(instance, run)
    return Edit.Kind.START, patch, extension.power_base(instance, Edit.Kind.START)
