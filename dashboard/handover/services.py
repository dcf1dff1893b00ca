"""Writes of handovers.

Every change of a draft locks its row first, so that a publication has all of a change
or none of it.

All functions raise ``PermissionDenied`` for people who are neither operator nor admin.
Those that change a draft raise ``PublishedError`` for a published handover, and
``ChangedError`` if someone else has changed the same part meanwhile.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_hand_over
from dashboard.accounts.shifts import (
    PublishedHandover,
    handover_published,
    handover_taken_over,
)
from dashboard.audit.services import record_event
from dashboard.saved.models import SavedView

from . import report_data
from .document import digest, to_json
from .messages import DRAFT, HANDOVER
from .models import Autosaved, Handover, Note

MAX_NOTES_PER_HANDOVER = 100
MAX_DRAFTS_PER_PERSON = 20
MAX_AUDITED_TEXT = 120


class HandoverError(Exception):
    """The message gives people the reason."""


class PublishedError(HandoverError):
    pass


class ChangedError(HandoverError):
    """Someone else has changed the row meanwhile; ``current`` is its new version."""

    def __init__(self, current: Any) -> None:
        super().__init__(_("Someone else has changed this."))
        self.current = current


class SaveToken(NamedTuple):
    """Identifies the version that was edited, and the save.

    Attributes:
        revision: Of the row.
        client_id: Random name of the open page.
        client_seq: Number of the save on that page.
    """

    revision: int
    client_id: str = ""
    client_seq: int = 0


@transaction.atomic
def draft(
    *, actor: User, since: datetime, ahead_hours: int, view: SavedView | None = None
) -> Handover:
    """Create a draft about the instances of a view, or about the whole fleet.

    Raises:
        HandoverError: This person has too many drafts.
    """
    require_operator(actor)
    drafts = Handover.objects.drafts().filter(author=actor)
    if drafts.count() >= MAX_DRAFTS_PER_PERSON:
        raise HandoverError(
            _("You already have %(most_drafts)s drafts. Publish or discard one first.")
            % {"most_drafts": MAX_DRAFTS_PER_PERSON}
        )
    handover = Handover.objects.create(
        author=actor,
        changed_by=actor,
        since=since,
        ahead_hours=ahead_hours,
        zone=timezone.get_current_timezone_name(),
        **_scope(view),
    )
    _record(actor, "handover.drafted", handover, after=_window(handover))
    return handover


@transaction.atomic
def save_summary(
    *, handover: Handover, actor: User, save_token: SaveToken, summary: str
) -> Handover:
    row = _lock_draft(handover, actor)
    if _save(row, actor, save_token, summary=summary):
        _raise_version(row)
    return row


@transaction.atomic
def set_window(
    *,
    handover: Handover,
    actor: User,
    window: str,
    since: datetime,
    ahead_hours: int,
    view: SavedView | None = None,
) -> Handover:
    """Set the period and the scope of the facts, if they still are ``window``."""
    row = _lock_draft(handover, actor)
    if window != row.window:
        raise ChangedError(row)
    values = {"since": since, "ahead_hours": ahead_hours}
    if view is None or view.pk != row.view_id:
        values |= _scope(view)
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))
    _raise_version(row)
    return row


@transaction.atomic
def add_note(*, handover: Handover, actor: User, **texts: str) -> Note:
    """Add a note, which may be empty.

    Raises:
        HandoverError: There are too many.
    """
    row = _lock_draft(handover, actor)
    if row.notes.count() >= MAX_NOTES_PER_HANDOVER:
        raise HandoverError(
            _("A handover can have at most %(most_notes)s notes.")
            % {"most_notes": MAX_NOTES_PER_HANDOVER}
        )
    note = Note.objects.create(handover=row, changed_by=actor, **texts)
    _raise_version(row)
    return note


@transaction.atomic
def save_note(*, note: Note, actor: User, save_token: SaveToken, **texts: str) -> Note:
    """Save a note; this restores a removed one."""
    return _change_note(note, actor, save_token, **texts, is_removed=False)


@transaction.atomic
def remove_note(*, note: Note, actor: User, save_token: SaveToken) -> Note:
    return _change_note(note, actor, save_token, is_removed=True)


@transaction.atomic
def mark_action(*, note: Note, actor: User, is_done: bool) -> Note:
    """Record that an action of a published handover is done, or open again.

    Nothing happens if it is so already.

    Raises:
        HandoverError: The note belongs to a draft, or is no action.
    """
    require_operator(actor)
    rows = Note.objects.select_for_update(of=("self",)).select_related("handover")
    row = rows.get(pk=note.pk)
    if row.handover.published_at is None or row.is_removed or not row.is_action:
        raise HandoverError(_("This is not an action of a published handover."))
    if is_done == (row.done_at is not None):
        return row
    row.done_at, row.done_by = (timezone.now(), actor) if is_done else (None, None)
    row.save(update_fields=["done_at", "done_by"])
    action = "handover.action_done" if is_done else "handover.action_reopened"
    text = row.text or row.next_action
    _record(actor, action, row.handover, after={"note": text[:MAX_AUDITED_TEXT]})
    return row


@transaction.atomic
def discard(*, handover: Handover, actor: User) -> None:
    row = _lock_draft(handover, actor)
    _record(actor, "handover.discarded", row, before=_window(row))
    row.delete()


@transaction.atomic
def publish(*, handover: Handover, actor: User, version: int) -> Handover:
    """Publish a draft with the facts as of now.

    Args:
        version: The ``Handover.version`` that this person has read.
    """
    require_operator(actor)
    # Locking all drafts in one order serializes publications: no two get the same
    # number.
    drafts = Handover.objects.select_for_update(of=("self",)).order_by("pk")
    list(drafts.filter(published_at=None).values_list("pk", flat=True))
    row = _lock_draft(handover, actor)
    if row.version != version:
        raise ChangedError(row)
    now = timezone.now()
    open_actions = sum(
        actions.filter(done_at=None).count()
        for actions in (row.notes.actions(), Note.objects.carried_into(row))
    )
    last = Handover.objects.aggregate(last=Max("number"))["last"] or 0
    row.number = last + 1
    row.document = to_json(report_data.build_document(row, user=actor, now=now))
    row.digest = digest(row.document)
    row.published_at, row.published_by = now, actor
    row.save(
        update_fields=["number", "document", "digest", "published_at", "published_by"]
    )
    _record(
        actor, "handover.published", row, after=_window(row) | {"digest": row.digest}
    )
    news = PublishedHandover(
        number=row.number,
        title=row.title,
        path=row.get_absolute_url(),
        published_by=actor,
        published_at=now,
        open_actions=open_actions,
    )
    handover_published.send(sender=Handover, handover=news)
    return row


@transaction.atomic
def take_over(*, handover: Handover, actor: User) -> Handover:
    """Record that the actor has read the handover and is in charge now.

    Raises:
        HandoverError: It is a draft, or someone has taken over already.
    """
    require_operator(actor)
    row = Handover.objects.select_for_update(of=("self",)).get(pk=handover.pk)
    if row.published_at is None:
        raise HandoverError(_("Publish this draft before someone takes it over."))
    if row.taken_over_at is not None:
        raise HandoverError(
            _("%(taken_over_by)s has already taken over.")
            % {"taken_over_by": row.taken_over_by}
        )
    row.taken_over_at, row.taken_over_by = timezone.now(), actor
    row.save(update_fields=["taken_over_at", "taken_over_by"])
    _record(actor, "handover.taken_over", row, after={"from": str(row.published_by)})
    handover_taken_over.send(sender=Handover, number=row.number, actor=actor)
    return row


def require_operator(person: User) -> None:
    if not can_hand_over(person):
        raise PermissionDenied(_("Only operators and admins can hand over."))


def _lock_draft(handover: Handover, actor: User) -> Handover:
    require_operator(actor)
    row = Handover.objects.select_for_update(of=("self",)).get(pk=handover.pk)
    if row.published_at is not None:
        raise PublishedError(
            _("%(published_by)s has published this handover.")
            % {"published_by": row.published_by}
        )
    return row


def _change_note(
    note: Note, actor: User, save_token: SaveToken, **changes: Any
) -> Note:
    handover = _lock_draft(note.handover, actor)
    row = Note.objects.select_related("changed_by").get(pk=note.pk)
    if _save(row, actor, save_token, **changes):
        _raise_version(handover)
    return row


def _save(row: Autosaved, actor: User, save_token: SaveToken, **changes: Any) -> bool:
    """Save values and return whether they differ from the row.

    A save whose response was lost is sent again with the old revision. So the same
    values, or a save from the same page, are no conflict.
    """
    if all(getattr(row, name) == value for name, value in changes.items()):
        return False
    if save_token.client_id and row.client_id == save_token.client_id:
        if save_token.client_seq < row.client_seq:
            return False  # a newer save has overtaken it
    elif save_token.revision != row.revision:
        raise ChangedError(row)
    changes |= {
        "revision": row.revision + 1,
        "changed_by": actor,
        "changed_at": timezone.now(),
        "client_id": save_token.client_id,
        "client_seq": save_token.client_seq,
    }
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=list(changes))
    return True


def _scope(view: SavedView | None) -> dict[str, Any]:
    return {
        "view": view,
        "scope": view.name if view else "",
        "query": view.query if view else "",
    }


def _raise_version(handover: Handover) -> None:
    handover.version += 1
    handover.save(update_fields=["version"])


def _window(handover: Handover) -> dict[str, Any]:
    return {
        "since": handover.since.isoformat(),
        "ahead_hours": handover.ahead_hours,
        "scope": handover.scope,
        "notes": handover.notes.filter(is_removed=False).count(),
    }


def _record(actor: User, action: str, handover: Handover, **values: Any) -> None:
    name = HANDOVER(number=handover.number) if handover.number else None
    record_event(
        actor=actor,
        action=action,
        target=handover,
        target_label=name or DRAFT(number=handover.pk),
        **values,
    )
