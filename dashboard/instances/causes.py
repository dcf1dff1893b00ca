"""The likeliest cause of a change of status, and its event in the audit trail.

The cloud reports statuses without reasons. They are concluded from the edits, the time
at which auto-stop was due, and what the documents say about restarts and arrears.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from dashboard.audit.services import SYSTEM, record_event
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.stored_messages import Message, MessageCode

from . import messages
from .edit_states import OPEN_STATES, EditKind, EditState, InstanceEdit
from .models import Instance, InstanceEvent

AUTO_STOP_MARGIN = timedelta(seconds=90)
"""A stop seen this long before its time still counts as auto-stop, because clocks
differ and refreshes take time."""

MAX_EDIT_AGE = timedelta(minutes=15)
"""An edit older than this did not cause what is seen now."""

MAX_UNDO_AGE = timedelta(minutes=1)
"""The same for a stop that undoes a start that was applied late."""

IN_ARREARS = "ModelArts.6326"
"""The account is frozen (``docs/modelarts-api.md``, D.3)."""

CLOUD = "ModelArts"
"""Name of the actor in the audit trail when the cloud acted."""

_S = InstanceStatus
_STOPS = frozenset({_S.STOPPING, _S.STOPPED})
_STARTS = frozenset({_S.START_QUEUING, _S.READY_TO_START, _S.STARTING, _S.RUNNING})
_STARTING = _STARTS - {_S.RUNNING} | {_S.RESTARTING}
_WITHOUT_A_RUN = frozenset(_S) - _STARTS - {_S.RESTARTING, _S.SNAPSHOTTING}
"""In these statuses there is no run, or it is about to end. A notebook goes on running
while its image is saved."""
Reason = InstanceEvent.Reason

_MESSAGES: dict[str, MessageCode] = {
    Reason.AUTO_STOP: messages.STOPPED_AT_ITS_END,
    Reason.IDLE: messages.STOPPED_WHEN_IDLE,
    Reason.REQUESTED: messages.STOPPED_ON_REQUEST,
    Reason.LATE: messages.STOPPED_LATE,
    Reason.UNDONE: messages.STOPPED_AGAIN,
    Reason.RESTARTED: messages.RESTARTED,
    Reason.NEW_SETTING: messages.RESTARTED_FOR_SETTING,
    Reason.FROZEN: messages.FROZEN,
    Reason.UNKNOWN: messages.STOPPED_ELSEWHERE,
}
_OTHER_ENDS = {
    _S.UNAVAILABLE: messages.BECAME_UNAVAILABLE,
    _S.DELETED: messages.DELETED_ELSEWHERE,
    _S.DELETING: messages.DELETED_ELSEWHERE,
    _S.ERROR: messages.BECAME_FAULTY,
}


class Cause(NamedTuple):
    """Why a status changed.

    Attributes:
        reason: One of ``InstanceEvent.Reason``.
        edit: The edit that caused it, if any.
    """

    reason: str
    edit: InstanceEdit | None = None


def cause_of(before: Instance, after: Instance, now: datetime) -> Cause:
    """Return the likeliest cause of a change of status.

    Args:
        before: The row before the change, as stored.
        after: The row after it.
        now: When the change was observed.
    """
    is_next_step = _continues(before.status, after.status)
    if is_next_step and (last := before.events.first()):
        edit_id = last.edit_id
        edit = before.edits.filter(pk=edit_id).first() if edit_id else None
        return Cause(last.reason, edit)
    kind = _kind(after.status)
    if kind and (cause := _sent_edit(before, kind, now)):
        return cause
    if kind and (late_edit := _late_edit(before, kind, now)):
        return Cause(Reason.LATE, late_edit)
    if kind == EditKind.STOP and _was_undone(before, now):
        return Cause(Reason.UNDONE)
    return Cause(_reason_without_edit(before, after, now))


def unseen_stop(before: Instance, after: Instance, at: datetime) -> tuple[str, Cause]:
    """Return the likeliest status between two runs, and its cause.

    Args:
        before: The row before, running.
        after: The row now, at a start or in another run.
        at: The latest moment at which the first run ended.
    """
    between = Instance(pk=before.pk, document=after.document, status=_S.STOPPED)
    cause = cause_of(before, between, at)
    if cause.reason == Reason.UNKNOWN:
        between.status = _S.RESTARTING
        cause = cause_of(before, between, at)
    return between.status, cause


def starts_again(before: Instance, after: Instance) -> bool:
    """Return whether the instance stopped unseen and is starting again."""
    starting = _STARTING - {_S.RESTARTING} | {_S.START_FAILED}
    return before.status == _S.RUNNING and after.status in starting


def record_stop(before: Instance, after: Instance, cause: Cause) -> None:
    """Record the end of a run in the audit trail, once."""
    ends = after.status in _WITHOUT_A_RUN or after.status == _S.RESTARTING
    if not ends or before.status in _WITHOUT_A_RUN:
        return
    reason = _MESSAGES[cause.reason]
    if cause.reason == Reason.UNKNOWN:
        reason = _OTHER_ENDS.get(_S(after.status), reason)
    _add_event(before, after.status, cause, _automatic_stop(cause) or reason())


def record_vanished(instance: Instance) -> None:
    """Record the end of a run in the audit trail when its instance is missing."""
    if instance.status in _STARTS | {_S.RESTARTING}:
        _add_event(instance, "missing", Cause(Reason.UNKNOWN), messages.VANISHED())


def _add_event(before: Instance, status: str, cause: Cause, reason: Message) -> None:
    edit = cause.edit
    record_event(
        actor=edit.actor if edit else None,
        # A policy has no account.
        actor_label=edit.actor_message if edit else _actor_label(cause),
        action="instance.stopped",
        target=before,
        target_id=before.instance_id,
        instance=before.reference,
        before={"status": before.status},
        after={"status": status, "cause": cause.reason}
        | ({"edit": str(edit.pk)} if edit else {}),
        reason=reason,
    )


def _automatic_stop(cause: Cause) -> Message:
    """Return which schedule or policy has stopped it; empty if none has."""
    if cause.reason != Reason.REQUESTED or cause.edit is None:
        return Message()
    if schedule := cause.edit.schedule_name:
        return messages.STOPPED_BY_SCHEDULE(schedule=schedule)
    policy = cause.edit.policy_name
    return messages.STOPPED_BY_POLICY(policy=policy) if policy else Message()


def _actor_label(cause: Cause) -> Message | str:
    if cause.reason == Reason.UNDONE:
        return SYSTEM
    is_cloud = cause.reason in {Reason.AUTO_STOP, Reason.IDLE, Reason.FROZEN}
    return CLOUD if is_cloud else messages.UNKNOWN_ACTOR()


def _continues(before: str, after: str) -> bool:
    """Return whether ``after`` is the next step of the same stop or start."""
    if before == _S.STOPPING:
        return after == _S.STOPPED
    return before in _STARTING and after in _STARTS | {_S.START_FAILED}


def _sent_edit(before: Instance, kind: EditKind, now: datetime) -> Cause | None:
    """Return the edit of this kind that was sent since the status before began."""
    since = max(now - MAX_EDIT_AGE, before.status_since or now - MAX_EDIT_AGE)
    applied = Q(state=EditState.APPLIED, finished_at__gte=since)
    sent = Q(Q(state=EditState.SENDING) | applied, kind=kind)
    # A restart is a stop and the start after it.
    start = Q(state__in=OPEN_STATES, kind=EditKind.START)
    edits = before.edits.filter(sent | start).select_related("actor")
    for place, edit in enumerate(edits.order_by("-seq")):
        if edit.kind == kind and edit.state in {EditState.SENDING, EditState.APPLIED}:
            is_restart = kind == EditKind.STOP and place > 0 and _setting_waits(before)
            return Cause(Reason.NEW_SETTING if is_restart else Reason.REQUESTED, edit)
    return None


def _late_edit(before: Instance, kind: EditKind, now: datetime) -> InstanceEdit | None:
    """Return an earlier edit of this kind, if the result of an attempt is unknown."""
    sent = before.attempts.filter(
        ambiguous=True, body__action=kind, sent_at__gte=now - MAX_EDIT_AGE
    )
    attempt = sent.order_by("-number").first()
    if attempt is None:
        return None
    edits = attempt.edits.filter(kind=kind).select_related("actor")
    return edits.order_by("-seq").first()


def _was_undone(before: Instance, now: datetime) -> bool:
    """Return whether Curfew has just stopped the instance without an edit."""
    stops = before.attempts.filter(
        edits=None, body__action=EditKind.STOP, sent_at__gte=now - MAX_UNDO_AGE
    )
    return stops.exists()


def _kind(status: str) -> EditKind | None:
    if status in _STOPS:
        return EditKind.STOP
    return EditKind.START if status in _STARTS else None


def _reason_without_edit(before: Instance, after: Instance, now: datetime) -> str:
    codes = {row.document.get("error_code") for row in (before, after)}
    if IN_ARREARS in codes or after.status == _S.FROZEN:
        return Reason.FROZEN
    if after.status == _S.RESTARTING:
        return Reason.NEW_SETTING if _setting_waits(before) else Reason.RESTARTED
    due = before.stops_at
    if after.status in _STOPS and due and now >= due - AUTO_STOP_MARGIN:
        return Reason.AUTO_STOP
    lapse = before.idle_stop_at
    if after.status in _STOPS and lapse and now >= lapse - AUTO_STOP_MARGIN:
        return Reason.IDLE
    return Reason.UNKNOWN


def _setting_waits(before: Instance) -> bool:
    updates = before.edits.filter(state=EditState.APPLIED, kind=EditKind.UPDATE)
    latest = updates.order_by("-seq")
    return any(edit.waits_for_next_start for edit in latest[:5])
