"""Creating and revoking links to wallboards, and the token in their URL."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_hand_over
from dashboard.audit.services import record_event
from dashboard.saved.models import SavedView

from .models import WallLink

MOST_LINKS = 100
"""In use at a time."""

_SIGNATURE = 32
_LONGEST = 100
_SEEN_EVERY = timedelta(minutes=5)


class WallError(Exception):
    """The message says why it is not possible."""


def token(link: WallLink) -> str:
    """Return the token of the URL. Anyone who has it sees the wall."""
    return f"{link.key}{_signature(link.key)}"


def link_of(text: str) -> WallLink | None:
    """Return the link of a token; None for a forged or revoked one.

    The signature shows a forged one without the database.
    """
    key, signature = text[:-_SIGNATURE], text[-_SIGNATURE:]
    if len(text) > _LONGEST or not key or not text.isascii():
        return None
    if not hmac.compare_digest(_signature(key), signature):
        return None
    return WallLink.objects.filter(key=key, revoked_at=None).first()


@transaction.atomic
def make(
    *,
    actor: User,
    name: str,
    view: SavedView | None = None,
    masked: bool = False,
    zone: str = "UTC",
    scheme: str = WallLink.Scheme.DARK,
) -> WallLink:
    """Create a link.

    Args:
        view: None for the whole fleet.
        masked: Whether names are hidden.
        zone: A zone of the tz database.

    Raises:
        PermissionDenied: Only operators and admins create links.
        WallError: There are too many.
    """
    _require(actor)
    if WallLink.objects.filter(revoked_at=None).count() >= MOST_LINKS:
        raise WallError(
            gettext("There are already %(most_links)s links. Revoke one first.")
            % {"most_links": MOST_LINKS}
        )
    link = WallLink.objects.create(
        name=name,
        key=secrets.token_urlsafe(12),
        view=view,
        query=view.query if view else "",
        masked=masked,
        zone=zone,
        scheme=scheme,
        made_by=actor,
    )
    # Only the page for those who may create links shows its URL.
    _record(actor, "wall.made", link)
    return link


@transaction.atomic
def rename(*, link: WallLink, actor: User, name: str) -> WallLink:
    """Rename a wall; its URL and content stay.

    Raises:
        PermissionDenied: Only operators and admins change links.
    """
    _require(actor)
    row = WallLink.objects.select_for_update(of=("self",)).get(pk=link.pk)
    if row.name != name:
        before, row.name = row.name, name
        row.save(update_fields=["name"])
        _record(
            actor, "wall.renamed", row, before={"name": before}, after={"name": name}
        )
    return row


@transaction.atomic
def revoke(*, link: WallLink, actor: User) -> WallLink:
    """Revoke a link; a second time has no effect.

    Raises:
        PermissionDenied: Only operators and admins revoke links.
    """
    _require(actor)
    row = WallLink.objects.select_for_update(of=("self",)).get(pk=link.pk)
    if row.revoked_at is None:
        row.revoked_at, row.revoked_by = timezone.now(), actor
        row.save(update_fields=["revoked_at", "revoked_by"])
        _record(actor, "wall.revoked", row)
    return row


def note_seen(link: WallLink) -> None:
    """Record, at intervals of some minutes, that a screen has polled."""
    now = timezone.now()
    lately = now - _SEEN_EVERY
    if link.seen_at is None or link.seen_at < lately:
        WallLink.objects.filter(
            Q(seen_at=None) | Q(seen_at__lt=lately), pk=link.pk
        ).update(seen_at=now)


def alias(link: WallLink, pk: int) -> str:
    """Return the name of an instance on a masked wall, always the same.

    It differs on each wall, so that one reveals nothing about another.
    """
    says = f"{link.key}\n{pk}".encode()
    return hmac.digest(_key(), says, "sha256").hex()[:4].upper()


def _signature(key: str) -> str:
    digest = hmac.digest(_key(), key.encode(), "sha256")
    return urlsafe_b64encode(digest[:24]).decode()


@cache
def _key() -> bytes:
    secret = settings.SECRET_KEY.encode()
    return hashlib.sha256(b"curfew.walls\n" + secret).digest()


def _require(person: User) -> None:
    if not can_hand_over(person):
        raise PermissionDenied(
            gettext("Only operators and admins can create links to wallboards.")
        )


def _record(
    actor: User,
    action: str,
    link: WallLink,
    *,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    record_event(
        actor=actor,
        action=action,
        target_kind="wall",
        target_id=str(link.pk),
        target_label=link.name,
        before=before,
        after=after or {"query": link.query, "masked": link.masked},
    )
