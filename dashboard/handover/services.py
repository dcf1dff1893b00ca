"""Writes of handovers: drafting, save_token, publishing, taking over.

Whatever changes a draft takes its row's lock first, so that a publication has either
all of a change or none of it, and nothing comes after.
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
"""Of one person at a time."""


class HandoverError(Exception):
    """It cannot be done now; the message says why."""


class PublishedError(HandoverError):
    """The draft was published meanwhile; says by whom."""


class ChangedError(HandoverError):
    """Somebody else has changed it meanwhile.

    Attributes:
        now: The row as it is.
    """

    def __init__(self, now: Any) -> None:
        super().__init__(gettext("Someone else has changed this."))
        self.now = now


class SaveToken(NamedTuple):
    """What a save says about where its words come from.

    Attributes:
        revision: Of the row that was typed on.
        page: Random name of the page.
        turn: How far the save_token on it was.
    """

    revision: int
    page: str = ""
    turn: int = 0


@transaction.atomic
def draft(*, author: User, since: datetime, ahead_hours: int) -> Handover:
    """Begin a handover, with the open notes of the last one.

    A note is open that names an owner or a next action.

    Args:
        author: Who begins it.
        since: When the shift began.
        ahead_hours: How far the look at coming stops goes.

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
    *, handover: Handover, by: User, save_token: SaveToken, summary: str
) -> Handover:
    """Keep the summary as typed.

    Raises:
        PermissionDenied: Only operators and admins hand over.
        PublishedError: It is frozen.
        ChangedError: Somebody else has changed it.
    """
    _require(by)
    row = _locked(handover)
    if _type(row, by, save_token, {"summary": summary}):
        _count(row)
    return row


@transaction.atomic
def set_window(
    *, handover: Handover, by: User, seen: str, since: datetime, ahead_hours: int
) -> Handover:
    """Choose what the facts are of.

    Args:
        handover: A draft.
        by: Who chooses.
        seen: ``Handover.window`` as this person saw it.
        since: When the shift began.
        ahead_hours: How far the look at coming stops goes.

    Raises:
        PermissionDenied: Only operators and admins hand over.
        PublishedError: It is frozen.
        ChangedError: Somebody else has chosen another one.
    """
    _require(by)
    row = _locked(handover)
    if seen != row.window:
        raise ChangedError(row)
    row.since, row.ahead_hours = since, ahead_hours
    row.save(update_fields=["since", "ahead_hours"])
    _count(row)
    return row


@transaction.atomic
def add_note(*, handover: Handover, by: User, **words: str) -> Note:
    """Add a note, which may be empty at first.

    Args:
        handover: A draft.
        by: Who adds it.
        words: ``text``, ``owner`` and ``next_action``.

    Raises:
        PermissionDenied: Only operators and admins hand over.
        PublishedError: It is frozen.
        HandoverError: There are too many.
    """
    _require(by)
    row = _locked(handover)
    if row.notes.count() >= MOST_NOTES:
        raise HandoverError(
            gettext("A handover can have at most %(most_notes)s notes.")
            % {"most_notes": MOST_NOTES}
        )
    note = Note.objects.create(handover=row, changed_by=by, **words)
    _count(row)
    return note


@transaction.atomic
def save_note(
    *,
    note: Note,
    by: User,
    save_token: SaveToken,
    text: str,
    owner: str,
    next_action: str,
) -> Note:
    """Keep a note as typed; one that was removed comes back by it.

    Raises:
        PermissionDenied: Only operators and admins hand over.
        PublishedError: It is frozen.
        ChangedError: Somebody else has changed or removed it.
    """
    _require(by)
    handover = _locked(note.handover)
    row = Note.objects.select_related("changed_by").get(pk=note.pk)
    changes = {
        "text": text,
        "owner": owner,
        "next_action": next_action,
        "is_removed": False,
    }
    if _type(row, by, save_token, changes):
        _count(handover)
    return row


@transaction.atomic
def remove_note(*, note: Note, by: User, save_token: SaveToken) -> Note:
    """Take a note out of the draft.

    Raises:
        PermissionDenied: Only operators and admins hand over.
        PublishedError: It is frozen.
        ChangedError: Somebody else has changed it.
    """
    _require(by)
    handover = _locked(note.handover)
    row = Note.objects.select_related("changed_by").get(pk=note.pk)
    if _type(row, by, save_token, {"is_removed": True}):
        _count(handover)
    return row


@transaction.atomic
def discard(*, handover: Handover, by: User) -> None:
    """Throw a draft away.

    Raises:
        PermissionDenied: Only operators and admins hand over.
        PublishedError: It is frozen, and stays.
    """
    _require(by)
    row = _locked(handover)
    _record(by, "handover.discarded", row, before=_window(row))
    row.delete()


@transaction.atomic
def publish(*, handover: Handover, by: User, version: int) -> Handover:
    """Freeze a draft: facts as of now, summary and notes.

    Args:
        handover: The draft.
        by: Who publishes it.
        version: ``Handover.version`` of what this person has read.

    Raises:
        PermissionDenied: Only operators and admins hand over.
        PublishedError: It is published already.
        ChangedError: Somebody has changed it since it was read.
    """
    _require(by)
    _lock_drafts()
    row = _locked(handover)
    if row.version != version:
        raise ChangedError(row)
    now = timezone.now()
    last = Handover.objects.aggregate(last=Max("number"))["last"] or 0
    row.number = last + 1
    row.document = to_json(report_data.draw(row, user=by, now=now))
    row.digest = digest(row.document)
    row.published_at, row.published_by = now, by
    row.save(
        update_fields=["number", "document", "digest", "published_at", "published_by"]
    )
    _record(by, "handover.published", row, after=_window(row) | {"digest": row.digest})
    return row


@transaction.atomic
def take_over(*, handover: Handover, by: User) -> Handover:
    """Note that the incoming person has read it and is in charge now.

    Raises:
        PermissionDenied: Only operators and admins take over.
        HandoverError: It is a draft, or somebody has taken over already.
    """
    _require(by)
    row = Handover.objects.select_for_update(of=("self",)).get(pk=handover.pk)
    if row.published_at is None:
        raise HandoverError(gettext("Publish this draft before someone takes it over."))
    if row.taken_over_at is not None:
        raise HandoverError(
            gettext("%(taken_over_by)s has already taken over.")
            % {"taken_over_by": row.taken_over_by}
        )
    row.taken_over_at, row.taken_over_by = timezone.now(), by
    row.save(update_fields=["taken_over_at", "taken_over_by"])
    _record(by, "handover.taken_over", row, after={"from": str(row.published_by)})
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
    # One publication at a time: each takes the lock on all drafts, its own among them,
    # and in one order, so that no two give the same number.
    drafts = Handover.objects.select_for_update(of=("self",)).order_by("pk")
    list(drafts.filter(published_at=None).values_list("pk", flat=True))


def _type(
    row: Autosaved, by: User, save_token: SaveToken, changes: dict[str, Any]
) -> bool:
    """Change a row as typed; whether anything is different now.

    A save whose answer got lost is sent again, with the revision from before: what
    stands there already, or came from the very same page, is no clash.
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
    row.changed_by, row.changed_at = by, timezone.now()
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
