"""Texts for lengths of time; ``static/countdown.js`` has the same messages."""

from functools import cache

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy as _

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400

WORDS: dict[str, Promise] = {
    "days": _("%(d)s d %(h)s h"),
    "hours": _("%(h)s h %(min)s min"),
    "minutes": _("%(min)s min"),
    "few": _("%(min)s min %(s)s s"),
    "seconds": _("%(s)s s"),
    "whole_hours": _("%(h)s h"),
    "just_now": _("just now"),
    "seconds_ago": _("%(s)s s ago"),
    "minutes_ago": _("%(min)s min ago"),
    "hours_ago": _("%(h)s h ago"),
    "days_ago": _("%(d)s d ago"),
    "due": _("stopping…"),
    "overdue": _("overdue"),
    "scheduled_for": _("scheduled for"),
    "was_due": _("was due"),
    "stops": _("stops"),
    "soon": _("%(name)s stops in %(min)s minutes"),
}


def remaining_text(seconds: int) -> str:
    """Return the time left: ``3 d 4 h``, ``3 h 12 min``; seconds below five minutes."""
    if seconds > 2 * _DAY:
        return text_of("days", d=seconds // _DAY, h=seconds % _DAY // _HOUR)
    if seconds >= _HOUR:
        return text_of("hours", h=seconds // _HOUR, min=seconds % _HOUR // _MINUTE)
    if seconds >= 5 * _MINUTE:
        return text_of("minutes", min=seconds // _MINUTE)
    if seconds >= _MINUTE:
        return text_of("few", min=seconds // _MINUTE, s=seconds % _MINUTE)
    return text_of("seconds", s=seconds)


def ago_text(seconds: int) -> str:
    """Return the time since, in its largest unit: ``just now``, ``3 min ago``."""
    if seconds < 5:
        return text_of("just_now")
    if seconds < _MINUTE:
        return text_of("seconds_ago", s=seconds)
    if seconds < _HOUR:
        return text_of("minutes_ago", min=seconds // _MINUTE)
    if seconds < 2 * _DAY:
        return text_of("hours_ago", h=seconds // _HOUR)
    return text_of("days_ago", d=seconds // _DAY)


def exact_text(seconds: int) -> str:
    """Return a length without rounding: ``8 h``, ``1 h 23 min 20 s``."""
    hours, rest = divmod(seconds, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    parts = [
        text_of("whole_hours", h=hours) if hours else "",
        text_of("minutes", min=minutes) if minutes else "",
        text_of("seconds", s=rest) if rest else "",
    ]
    return " ".join(filter(None, parts)) or text_of("seconds", s=0)


def text_of(name: str, **values: int) -> str:
    """Return one of ``WORDS`` in the reader's language."""
    return template_of(name, get_language()) % values


@cache
def template_of(name: str, language: str | None) -> str:
    # A list of a hundred rows asks for a hundred of them.
    return str(WORDS[name])
