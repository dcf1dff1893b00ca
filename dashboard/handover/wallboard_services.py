"""Links to wallboards, and the token in their URL.

Writes raise ``PermissionDenied`` for people who are neither operator nor admin.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_hand_over
from dashboard.audit.services import record_event
from dashboard.saved.models import SavedView
from dashboard.saved.queries import normalized, read

from .models import WallLink

MAX_LINKS = 100

_SIGNATURE = 32
_MAX_LENGTH = 100
_SEEN_EVERY = timedelta(minutes=5)


class WallError(Exception):
    """The message gives people the reason."""


def token(link: WallLink) -> str:
    """Return the token of the URL; anyone who has it sees the wallboard."""
    return f"{link.key}{_signature(link.key)}"


def link_of(text: str) -> WallLink | None:
    """Return the link of a token; None for a forged or revoked one."""
    key, signature = text[:-_SIGNATURE], text[-_SIGNATURE:]
    if len(text) > _MAX_LENGTH or not key or not text.isascii():
        return None
    # Forged tokens cause no query.
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

    Raises:
        WallError: There are too many.
    """
    require_operator(actor)
    if WallLink.objects.filter(revoked_at=None).count() >= MAX_LINKS:
        raise WallError(
            _("There are already %(most_links)s links. Revoke one first.")
            % {"most_links": MAX_LINKS}
        )
    link = WallLink.objects.create(
        name=name,
        key=secrets.token_urlsafe(12),
        view=view,
        # A wall has no signed-in person, so "@me" becomes the author's own owners.
        query=normalized(read(view.query).seen_by(actor)) if view else "",
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
    """Rename a wallboard; its URL and content stay."""
    require_operator(actor)
    row = WallLink.objects.select_for_update(of=("self",)).get(pk=link.pk)
    if row.name != name:
        names = {"before": {"name": row.name}, "after": {"name": name}}
        row.name = name
        row.save(update_fields=["name"])
        _record(actor, "wall.renamed", row, **names)
    return row


@transaction.atomic
def revoke(*, link: WallLink, actor: User) -> WallLink:
    """Revoke a link; a second time has no effect."""
    require_operator(actor)
    row = WallLink.objects.select_for_update(of=("self",)).get(pk=link.pk)
    if row.revoked_at is None:
        row.revoked_at, row.revoked_by = timezone.now(), actor
        row.save(update_fields=["revoked_at", "revoked_by"])
        _record(actor, "wall.revoked", row)
    return row


def record_visit(link: WallLink) -> None:
    """Record that a screen has polled, at most once in some minutes."""
    now = timezone.now()
    if link.seen_at is None or link.seen_at < now - _SEEN_EVERY:
        WallLink.objects.filter(pk=link.pk, seen_at=link.seen_at).update(seen_at=now)


def alias(link: WallLink, pk: int) -> str:
    """Return a name for an instance; it differs from those on other wallboards."""
    text = f"{link.key}\n{pk}".encode()
    return hmac.digest(_key(), text, "sha256").hex()[:4].upper()


def _signature(key: str) -> str:
    digest = hmac.digest(_key(), key.encode(), "sha256")
    return urlsafe_b64encode(digest[:24]).decode()


@cache
def _key() -> bytes:
    secret = settings.SECRET_KEY.encode()
    return hashlib.sha256(b"curfew.walls\n" + secret).digest()


def require_operator(person: User) -> None:
    if not can_hand_over(person):
        raise PermissionDenied(
            _("Only operators and admins can create links to wallboards.")
        )


def _record(actor: User, action: str, link: WallLink, **values: Any) -> None:
    values.setdefault("after", {"query": link.query, "masked": link.masked})
    record_event(
        actor=actor,
        action=action,
        target=link,
        **values,
    )
