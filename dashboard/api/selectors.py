from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

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
    found = _with_owners()
    return found.filter(owner__username=username) if username else found


def _with_owners() -> QuerySet[ApiToken]:
    """Join everything that ``is_live`` reads."""
    found = ApiToken.objects.select_related("owner")
    if settings.CURFEW.second_factor_roles:
        found = found.prefetch_related(
            "owner__authenticator_set", "owner__socialaccount_set"
        )
    return found


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
    ApiToken.Scope.READ: gettext_lazy("read"),
    ApiToken.Scope.WRITE: gettext_lazy("write"),
    ApiToken.Scope.AUDIT: gettext_lazy("audit"),
}


def line(token: ApiToken, now: datetime) -> Line:
    live = token.is_live(now)
    if token.revoked_at is not None:
        state, tone = gettext("Revoked"), "rest"
    elif token.expires_at <= now:
        state, tone = gettext("Expired"), "rest"
    elif not live:
        state, tone = gettext("Not accepted"), "warn"
    else:
        state, tone = gettext("Active"), "good"
    if live and token.last_used_at is None:
        state, tone = gettext("Not used yet"), "busy"
    scopes = [str(SCOPES[one]) for one in SCOPES if one in token.scopes]
    ended = token.revoked_at is not None or token.expires_at <= now
    return Line(token, state, tone, scopes, not ended)
