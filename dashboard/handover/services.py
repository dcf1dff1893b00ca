"""Writes of handovers.

Everything that changes a draft locks its row first, so that a publication has all of a
change or none of it.

Functions that write to a draft raise ``PermissionDenied`` for people who are neither
operator nor admin, ``PublishedError`` for a published handover, and ``ChangedError`` if
someone else has changed the same part meanwhile.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_hand_over
from dashboard.audit.services import record_event

from . import report_data
from .document import digest, to_json
from .messages import DRAFT, HANDOVER
from .models import Autosaved, Handover, Note

MOST_NOTES = 100
"""In one handover."""

MOST_DRAFTS = 20
"""Per person at a time."""


class HandoverError(Exception):
    """The message says why it is not possible now."""


class PublishedError(HandoverError):
    """The draft has been published meanwhile; the message says by whom."""


class ChangedError(HandoverError):
    """Someone else has changed it meanwhile; ``now`` is the present row."""

    def __init__(self, now: Any) -> None:
        super().__init__(gettext("Someone else has changed this."))
        self.now = now


class SaveToken(NamedTuple):
    """The source of a save.

    Attributes:
        revision: Of the row that was typed on.
        page: Random name of the page.
        turn: Number of the save on that page.
    """

    revision: int
    page: str = ""
    turn: int = 0


@transaction.atomic
def draft(*, author: User, since: datetime, ahead_hours: int) -> Handover:
    """Create a draft with the open notes of the last handover.

    A note is open if it names an owner or a next action.

    Raises:
        PermissionDenied: Only operators and admins hand over.
        HandoverError: This person has too many drafts.
    """
    _require(author)
    if Handover.objects.drafts().filter(author=author).count() >= MOST_DRAFTS:
        raise HandoverError(
            gettext(
                "You already have %(most_drafts)s drafts. Publish or discard one first."
            )
            % {"most_drafts": MOST_DRAFTS}
        )
    handover = Handover.objects.create(
        author=author, changed_by=author, since=since, ahead_hours=ahead_hours
    )
    if last := Handover.objects.published().first():
        open_notes = last.notes.filter(is_removed=False).exclude(
            owner="", next_action=""
        )
        Note.objects.bulk_create(
            Note(
                handover=handover,
                text=note.text,
                owner=note.owner,
                next_action=note.next_action,
                changed_by_id=note.changed_by_id,
            )
            for note in open_notes
        )
    _record(author, "handover.drafted", handover, after=_window(handover))
    return handover


@transaction.atomic
def save_summary(
    *, handover: Handover, actor: User, save_token: SaveToken, summary: str
) -> Handover:
    _require(actor)
    row = _locked(handover)
    if _save_typed(row, actor, save_token, {"summary": summary}):
        _count(row)
    return row


@transaction.atomic
def set_window(
    *, handover: Handover, actor: User, seen: str, since: datetime, ahead_hours: int
) -> Handover:
    """Choose the period of the facts; ``seen`` is ``Handover.window`` as shown."""
    _require(actor)
    row = _locked(handover)
    if seen != row.window:
        raise ChangedError(row)
    row.since, row.ahead_hours = since, ahead_hours
    row.save(update_fields=["since", "ahead_hours"])
    _count(row)
    return row


@transaction.atomic
def add_note(*, handover: Handover, actor: User, **words: str) -> Note:
    """Add a note, which may be empty.

    Raises:
        HandoverError: There are too many.
    """
    _require(actor)
    row = _locked(handover)
    if row.notes.count() >= MOST_NOTES:
        raise HandoverError(
            gettext("A handover can have at most %(most_notes)s notes.")
            % {"most_notes": MOST_NOTES}
        )
    note = Note.objects.create(handover=row, changed_by=actor, **words)
    _count(row)
    return note


@transaction.atomic
def save_note(
    *,
    note: Note,
    actor: User,
    save_token: SaveToken,
    text: str,
    owner: str,
    next_action: str,
) -> Note:
    """Save a note; a removed one comes back."""
    _require(actor)
    handover = _locked(note.handover)
    row = Note.objects.select_related("changed_by").get(pk=note.pk)
    changes = {
        "text": text,
        "owner": owner,
        "next_action": next_action,
        "is_removed": False,
    }
    if _save_typed(row, actor, save_token, changes):
        _count(handover)
    return row


@transaction.atomic
def remove_note(*, note: Note, actor: User, save_token: SaveToken) -> Note:
    _require(actor)
    handover = _locked(note.handover)
    row = Note.objects.select_related("changed_by").get(pk=note.pk)
    if _save_typed(row, actor, save_token, {"is_removed": True}):
        _count(handover)
    return row


@transaction.atomic
def discard(*, handover: Handover, actor: User) -> None:
    _require(actor)
    row = _locked(handover)
    _record(actor, "handover.discarded", row, before=_window(row))
    row.delete()


@transaction.atomic
def publish(*, handover: Handover, actor: User, version: int) -> Handover:
    """Freeze a draft: facts as of now, summary and notes.

    Args:
        version: ``Handover.version`` as this person has read it.
    """
    _require(actor)
    _lock_drafts()
    row = _locked(handover)
    if row.version != version:
        raise ChangedError(row)
    now = timezone.now()
    last = Handover.objects.aggregate(last=Max("number"))["last"] or 0
    row.number = last + 1
    row.document = to_json(report_data.draw(row, user=actor, now=now))
    row.digest = digest(row.document)
    row.published_at, row.published_by = now, actor
    row.save(
        update_fields=["number", "document", "digest", "published_at", "published_by"]
    )
    _record(
        actor, "handover.published", row, after=_window(row) | {"digest": row.digest}
    )
    return row


@transaction.atomic
def take_over(*, handover: Handover, actor: User) -> Handover:
    """Record that the incoming person has read it and is in charge now.

    Raises:
        HandoverError: It is a draft, or someone has taken over already.
    """
    _require(actor)
    row = Handover.objects.select_for_update(of=("self",)).get(pk=handover.pk)
    if row.published_at is None:
        raise HandoverError(gettext("Publish this draft before someone takes it over."))
    if row.taken_over_at is not None:
        raise HandoverError(
            gettext("%(taken_over_by)s has already taken over.")
            % {"taken_over_by": row.taken_over_by}
        )
    row.taken_over_at, row.taken_over_by = timezone.now(), actor
    row.save(update_fields=["taken_over_at", "taken_over_by"])
    _record(actor, "handover.taken_over", row, after={"from": str(row.published_by)})
    return row


def _require(person: User) -> None:
    if not can_hand_over(person):
        raise PermissionDenied(gettext("Only operators and admins can hand over."))


def _locked(handover: Handover) -> Handover:
    row = Handover.objects.select_for_update(of=("self",)).get(pk=handover.pk)
    if row.published_at is not None:
        raise PublishedError(
            gettext("%(published_by)s has published this handover.")
            % {"published_by": row.published_by}
        )
    return row


def _lock_drafts() -> None:
    # Locking all drafts in one order serializes publications: no two get the same
    # number.
    drafts = Handover.objects.select_for_update(of=("self",)).order_by("pk")
    list(drafts.filter(published_at=None).values_list("pk", flat=True))


def _save_typed(
    row: Autosaved, actor: User, save_token: SaveToken, changes: dict[str, Any]
) -> bool:
    """Save what was typed; return whether that changed the row.

    A save whose response was lost is sent again with the old revision: the same values,
    or a save from the same page, are no conflict.
    """
    if all(getattr(row, name) == value for name, value in changes.items()):
        return False
    if save_token.page and row.page == save_token.page:
        if save_token.turn < row.client_seq:
            return False  # an older save, overtaken by a newer one
    elif save_token.revision != row.revision:
        raise ChangedError(row)
    for name, value in changes.items():
        setattr(row, name, value)
    row.revision += 1
    row.changed_by, row.changed_at = actor, timezone.now()
    row.page, row.client_seq = save_token.page, save_token.turn
    row.save(
        update_fields=[
            *changes,
            *("revision", "changed_by", "changed_at", "page", "client_seq"),
        ]
    )
    return True


def _count(handover: Handover) -> None:
    handover.version += 1
    handover.save(update_fields=["version"])


def _window(handover: Handover) -> dict[str, Any]:
    return {
        "since": handover.since.isoformat(),
        "ahead_hours": handover.ahead_hours,
        "notes": handover.notes.filter(is_removed=False).count(),
    }


def _record(
    actor: User,
    action: str,
    handover: Handover,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    name = HANDOVER(number=handover.number) if handover.number else None
    record_event(
        actor=actor,
        action=action,
        target_kind="handover",
        target_id=str(handover.pk),
        target_label=name or DRAFT(number=handover.pk),
        before=before,
        after=after,
    )
