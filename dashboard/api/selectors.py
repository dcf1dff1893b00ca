from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts.models import User

from .models import ApiToken
from .secret_text import digest_of, is_secret


def token_of(secret: str) -> ApiToken | None:
    """Return the token with this text and its owner; None unless it is live."""
    token = _stored(secret)
    return token if token and token.is_live(timezone.now()) else None


def lacks_only_a_second_factor(secret: str) -> bool:
    token = _stored(secret)
    return token is not None and token.is_valid(timezone.now())


def _stored(secret: str) -> ApiToken | None:
    """Look up by digest: the timing then reveals nothing about the text."""
    if not is_secret(secret):
        return None
    tokens = ApiToken.objects.select_related("owner")
    return tokens.filter(digest=digest_of(secret)).first()


def tokens_of(owner: User) -> QuerySet[ApiToken]:
    return _with_owners().filter(owner=owner)


def tokens_by_person(username: str = "") -> QuerySet[ApiToken]:
    tokens = _with_owners()
    return tokens.filter(owner__username=username) if username else tokens


def _with_owners() -> QuerySet[ApiToken]:
    """Join everything that ``is_live`` reads."""
    tokens = ApiToken.objects.select_related("owner")
    if settings.CURFEW.second_factor_roles:
        tokens = tokens.prefetch_related(
            "owner__authenticator_set", "owner__socialaccount_set"
        )
    return tokens


class Line(NamedTuple):
    """A token as a row of a page.

    Attributes:
        tone: Color of ``state``.
    """

    token: ApiToken
    state: str
    tone: str
    scopes: list[str]
    may_revoke: bool


SCOPES: dict[str, Promise] = {
    ApiToken.Scope.READ: _("read"),
    ApiToken.Scope.WRITE: _("write"),
    ApiToken.Scope.AUDIT: _("audit"),
}


def line(token: ApiToken, now: datetime) -> Line:
    has_ended = token.revoked_at is not None or token.expires_at <= now
    if token.revoked_at is not None:
        state, tone = gettext("Revoked"), "rest"
    elif has_ended:
        state, tone = gettext("Expired"), "rest"
    elif not token.is_live(now):
        state, tone = gettext("Not accepted"), "warn"
    elif token.last_used_at is None:
        state, tone = gettext("Not used yet"), "busy"
    else:
        state, tone = gettext("Active"), "good"
    scopes = [str(label) for scope, label in SCOPES.items() if scope in token.scopes]
    return Line(token, state, tone, scopes, may_revoke=not has_ended)
