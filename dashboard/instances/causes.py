"""Why did it start or stop? The likeliest answer, and the line in the audit trail.

The cloud tells statuses, never reasons. What is known here decides: wishes of ours,
the moment an auto stop was due, what the documents say of restarts and arrears.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from dashboard.audit.services import SYSTEM, record_event
from dashboard.modelarts.schemas import InstanceStatus
from dashboard.web.stored_messages import Message, MessageCode

from . import messages
from .edit_states import OPEN_STATES, EditKind, EditState
from .models import Instance, InstanceEvent

AUTO_STOP_MARGIN = timedelta(seconds=90)
"""A stop seen this long before its time may still be the auto stop: clocks differ and
refreshes take their time, but nobody else's stop falls here by accident often."""

WISH_COUNTS = timedelta(minutes=15)
"""A wish older than this did not lead to what is seen now."""

REPAIR_COUNTS = timedelta(minutes=1)
"""The same for a stop that undoes a start that was applied late."""

IN_ARREARS = "ModelArts.6326"
"""The account is frozen (``docs/modelarts-api.md``, D.3)."""

CLOUD = "ModelArts"
"""Name in the audit trail where the cloud itself acted."""

_S = InstanceStatus
_STOPS = frozenset({_S.STOPPING, _S.STOPPED})
_STARTS = frozenset({_S.START_QUEUING, _S.READY_TO_START, _S.STARTING, _S.RUNNING})
_ON_THE_WAY_UP = _STARTS - {_S.RUNNING} | {_S.RESTARTING}
_WITHOUT_A_RUN = frozenset(_S) - _STARTS - {_S.RESTARTING}
"""A run is over in these, or about to be, or there was none."""
Reason = InstanceEvent.Reason

_MESSAGES: dict[str, MessageCode] = {
    Reason.AUTO_STOP: messages.STOPPED_AT_ITS_END,
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
}


@dataclass(frozen=True)
class Cause:
    """Why a status changed.

    Attributes:
        reason: One of ``InstanceEvent.Reason``.
        wish: The edit that led there, when one did.
    """

    reason: str
    wish: Any = None


def cause_of(before: Instance, after: Instance, now: datetime) -> Cause:
    """Why the status went from ``before`` to ``after``, as far as it can be told.

    Args:
        before: The row before the change, as stored.
        after: The row after it.
        now: When the change was observed.
    """
    last = before.events.select_related("actor").first()
    if last and _goes_on(before.status, after.status):
        wish = before.edits.filter(pk=last.edit_id).first() if last.edit_id else None
        return Cause(last.reason, wish)
    if wish := _wish(before, after.status, now):
        waits = before.edits.filter(
            kind=EditKind.START, state__in=OPEN_STATES, seq__gt=wish.seq
        )
        restarts = after.status in _STOPS and _setting_waits(before) and waits.exists()
        return Cause(Reason.NEW_SETTING if restarts else Reason.REQUESTED, wish)
    if wish := _late_wish(before, after.status, now):
        return Cause(Reason.LATE, wish)
    if _undone(before, after.status, now):
        return Cause(Reason.UNDONE)
    return Cause(_reason_of_others(before, after, now))


def unseen_stop(before: Instance, after: Instance, at: datetime) -> tuple[str, Cause]:
    """How a run ended whose end nobody saw: it ran, and at the next look it starts.

    Args:
        before: The row before, running.
        after: The row now, at a start or in another run.
        at: When it ended at the latest.

    Returns:
        The status it must have had in between, and why.
    """
    between = Instance(pk=before.pk, document=after.document, status=_S.STOPPED)
    cause = cause_of(before, between, at)
    if cause.reason == Reason.UNKNOWN:
        between.status = _S.RESTARTING
        cause = cause_of(before, between, at)
    return between.status, cause


def starts_again(before: Instance, after: Instance) -> bool:
    """Whether the status tells that a run ended unseen: it ran, and now it starts."""
    again = _ON_THE_WAY_UP - {_S.RESTARTING} | {_S.START_FAILED}
    return before.status == _S.RUNNING and after.status in again


def note_stop(before: Instance, after: Instance, cause: Cause) -> None:
    """Record in the audit trail that a run ended, once, and by whom."""
    ends = after.status in _WITHOUT_A_RUN or after.status == _S.RESTARTING
    if not ends or before.status in _WITHOUT_A_RUN:
        return
    reason = _MESSAGES[cause.reason]
    if cause.reason == Reason.UNKNOWN:
        reason = _OTHER_ENDS.get(_S(after.status), reason)
    _record_stop(before, after.status, cause, reason())


def note_vanished(instance: Instance) -> None:
    """Record that a run is not seen any more, since its instance is not."""
    if instance.status in _STARTS | {_S.RESTARTING}:
        _record_stop(instance, "missing", Cause(Reason.UNKNOWN), messages.VANISHED())


def _record_stop(before: Instance, status: str, cause: Cause, reason: Message) -> None:
    wish = cause.wish
    record_event(
        actor=wish.actor if wish else None,
        # A rule that acts is no account.
        actor_label=wish.actor_message if wish else _doer(cause),
        action="instance.stopped",
        target_kind="instance",
        target_id=before.instance_id,
        target_label=str(before),
        instance=before.reference,
        before={"status": before.status},
        after={"status": status, "cause": cause.reason}
        | ({"edit": str(wish.pk)} if wish else {}),
        reason=reason,
    )


def _doer(cause: Cause) -> Message | str:
    """What to call who did it, where no wish of ours led there."""
    if cause.reason == Reason.UNDONE:
        return SYSTEM
    is_cloud = cause.reason in {Reason.AUTO_STOP, Reason.FROZEN}
    return CLOUD if is_cloud else messages.UNKNOWN_ACTOR()


def _goes_on(before: str, after: str) -> bool:
    """Whether this is but the next step of what was seen before."""
    if before == _S.STOPPING:
        return after == _S.STOPPED
    failed = after == _S.START_FAILED
    return before in _ON_THE_WAY_UP and (after in _STARTS or failed)


def _wish(before: Instance, status: str, now: datetime) -> Any:
    """The wish of ours that fits: sent lately, and since the present status began."""
    kind = _kind(status)
    if kind is None:
        return None
    since = max(now - WISH_COUNTS, before.status_since or now - WISH_COUNTS)
    applied = Q(state=EditState.APPLIED, finished_at__gte=since)
    sent = Q(state=EditState.SENDING) | applied
    wishes = before.edits.filter(sent, kind=kind).select_related("actor")
    return wishes.order_by("-seq").first()


def _late_wish(before: Instance, status: str, now: datetime) -> Any:
    """The earlier wish of ours that fits, an attempt of which had no known end."""
    kind = _kind(status)
    if kind is None:
        return None
    sent = before.attempts.filter(
        ambiguous=True, body__action=kind, sent_at__gte=now - WISH_COUNTS
    )
    attempt = sent.order_by("-number").first()
    edits = attempt.edits.select_related("actor") if attempt else before.edits.none()
    return edits.filter(kind=kind).order_by("-seq").first()


def _undone(before: Instance, status: str, now: datetime) -> bool:
    """Whether Curfew has just stopped the instance for the sake of no new wish."""
    stops = before.attempts.filter(
        edits=None, body__action=EditKind.STOP, sent_at__gte=now - REPAIR_COUNTS
    )
    return _kind(status) == EditKind.STOP and stops.exists()


def _kind(status: str) -> EditKind | None:
    """The kind of wish that leads to a status."""
    if status in _STOPS:
        return EditKind.STOP
    return EditKind.START if status in _STARTS else None


def _reason_of_others(before: Instance, after: Instance, now: datetime) -> str:
    codes = {row.document.get("error_code") for row in (before, after)}
    if IN_ARREARS in codes:
        return Reason.FROZEN
    if after.status == _S.RESTARTING:
        return Reason.NEW_SETTING if _setting_waits(before) else Reason.RESTARTED
    due = before.stops_at
    if after.status in _STOPS and due and now >= due - AUTO_STOP_MARGIN:
        return Reason.AUTO_STOP
    return Reason.UNKNOWN


def _setting_waits(before: Instance) -> bool:
    """Whether the cloud holds an auto stop of ours that this run does not use."""
    updates = before.edits.filter(state=EditState.APPLIED, kind=EditKind.UPDATE)
    latest = updates.order_by("-seq")
    return any(edit.waits_for_next_start for edit in latest[:5])
