"""The bell at the top of every page, and how a reminder's state looks."""

from django import template

from dashboard.accounts.models import User
from dashboard.reminders import selectors

register = template.Library()

_TONES = {"sent": "good", "sending": "busy", "unknown": "warn", "failed": "bad"}
_KIND_TONES = {"failure": "bad", "edit": "bad", "request": "info", "answer": "info"}
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
    """Return the number of unread notifications; one query."""
    return selectors.unread(user)


@register.filter
def tone(state: str) -> str:
    return _TONES.get(state, "rest")


@register.filter
def kind_icon(kind: str) -> str:
    return _ICONS.get(kind, "send")


@register.filter
def kind_tone(kind: str) -> str:
    return _KIND_TONES.get(kind, "warn")
