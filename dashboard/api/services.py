"""Writes to tokens. Each is one transaction with its audit event."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.audit.services import record_event
from dashboard.web.stored_messages import Message

from .messages import TOKEN_OF
from .models import ApiToken
from .secret_text import digest_of, new_secret

MAX_LIVE = 20
"""Live tokens per person."""

RECORD_USE_EVERY = timedelta(minutes=1)


class TokenError(Exception):
    """The token cannot be created; the message says why in one sentence."""


@transaction.atomic
def create_token(
    *, owner: User, name: str, scopes: Iterable[str], days: int
) -> tuple[ApiToken, str]:
    """Create a token.

    Args:
        days: Lifetime, 1 to ``CURFEW_TOKEN_DAYS``.

    Returns:
        The token and its text, which is not stored.

    Raises:
        TokenError: No scope, too long a lifetime, or too many tokens.
    """
    known_scopes = [scope for scope in ApiToken.Scope.values if scope in set(scopes)]
    if not known_scopes:
        raise TokenError(_("Choose at least one scope."))
    if not 1 <= days <= settings.CURFEW.token_days:
        raise TokenError(
            _("The maximum lifetime is %(days)s days.")
            % {"days": settings.CURFEW.token_days}
        )
    # Lock the owner: two forms sent at once cannot both pass the limit.
    User.objects.select_for_update().get(pk=owner.pk)
    now = timezone.now()
    live = owner.api_tokens.filter(revoked_at=None, expires_at__gt=now)
    if live.count() >= MAX_LIVE:
        raise TokenError(
            _("You have reached the limit of %(number)s tokens. Revoke one first.")
            % {"number": MAX_LIVE}
        )
    secret = new_secret()
    token = ApiToken.objects.create(
        owner=owner,
        name=name,
        digest=digest_of(secret),
        ending=secret[-4:],
        scopes=known_scopes,
        expires_at=now + timedelta(days=days),
    )
    after: dict[str, Any] = {
        "scopes": known_scopes,
        "expires_at": token.expires_at.isoformat(),
    }
    _record(token, "token.made", owner, after=after)
    return token, secret


@transaction.atomic
def revoke_token(
    *, token: ApiToken, actor: User | None, reason: Message | str = ""
) -> None:
    """Revoke a token; one that has ended stays as it is.

    Args:
        actor: The owner or an admin; None when Curfew itself revokes it.
        reason: For the audit trail.
    """
    now = timezone.now()
    live = ApiToken.objects.filter(pk=token.pk, revoked_at=None)
    if live.update(revoked_at=now):
        token.revoked_at = now
        _record(token, "token.revoked", actor, reason=reason)


@transaction.atomic
def revoke_all(*, owner: User, actor: User | None = None, reason: Message) -> int:
    live = owner.api_tokens.filter(revoked_at=None, expires_at__gt=timezone.now())
    tokens = list(live.select_related("owner"))
    for token in tokens:
        revoke_token(token=token, actor=actor, reason=reason)
    return len(tokens)


@transaction.atomic
def record_use(*, token: ApiToken, address: str | None) -> None:
    """Record when and from where a token was used, to the minute."""
    now = timezone.now()
    if token.last_used_at and now - token.last_used_at < RECORD_USE_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - RECORD_USE_EVERY)
    usage = {"last_used_at": now, "last_used_from": address}
    updated = ApiToken.objects.filter(stale, pk=token.pk).update(**usage)
    if updated and token.last_used_at is None:
        _record(token, "token.first_used", token.owner)
    token.last_used_at = now


def _record(
    token: ApiToken,
    action: str,
    actor: User | None,
    *,
    after: dict[str, Any] | None = None,
    reason: Message | str = "",
) -> None:
    record_event(
        actor=actor,
        action=action,
        target=token,
        target_label=TOKEN_OF(token=token.name, person=token.owner.get_username()),
        after=after,
        reason=reason,
    )
