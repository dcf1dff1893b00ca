from django import template
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.api import selectors

register = template.Library()


@register.simple_tag
def live_tokens(person: User) -> list[selectors.Line]:
    """Return the live tokens of a person, newest first."""
    now = timezone.now()
    tokens = selectors.tokens_of(person).filter(revoked_at=None, expires_at__gt=now)
    return [selectors.line(token, now) for token in tokens]
