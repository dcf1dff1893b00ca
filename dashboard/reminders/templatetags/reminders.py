"""The bell at the top of every page, and how a reminder's state looks."""

from django import template

from dashboard.accounts.models import User
from dashboard.reminders import selectors

register = template.Library()

_TONES = {"sent": "good", "sending": "busy", "unknown": "warn", "failed": "bad"}
_ICONS = {
    "stop": "bell",
    "failure": "triangle-alert",
    "edit": "pencil-line",
    "policy": "shield",
    "stopped": "square",
    "request": "shield",
    "answer": "shield",
}


@register.simple_tag
def unread_reminders(user: User) -> int:
    """How many reminders are new to this person; one query."""
    return selectors.unread(user)


@register.filter
def tone(state: str) -> str:
    """The colour of a state."""
    return _TONES.get(state, "rest")


@register.filter
def kind_icon(kind: str) -> str:
    """The icon of a kind."""
    return _ICONS.get(kind, "send")
