"""Lengths of time in words; ``static/countdown.js`` has the same messages."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400

WORDS: dict[str, Promise] = {
    "days": gettext_lazy("%(d)s d %(h)s h"),
    "hours": gettext_lazy("%(h)s h %(min)s min"),
    "minutes": gettext_lazy("%(min)s min"),
    "few": gettext_lazy("%(min)s min %(s)s s"),
    "seconds": gettext_lazy("%(s)s s"),
    "whole_hours": gettext_lazy("%(h)s h"),
    "just_now": gettext_lazy("just now"),
    "seconds_ago": gettext_lazy("%(s)s s ago"),
    "minutes_ago": gettext_lazy("%(min)s min ago"),
    "hours_ago": gettext_lazy("%(h)s h ago"),
    "days_ago": gettext_lazy("%(d)s d ago"),
    "due": gettext_lazy("stopping…"),
    "overdue": gettext_lazy("overdue"),
    "scheduled_for": gettext_lazy("scheduled for"),
    "was_due": gettext_lazy("was due"),
    "stops": gettext_lazy("stops"),
    "soon": gettext_lazy("%(name)s stops in %(min)s minutes"),
}


def remaining_text(seconds: int) -> str:
    """Time left, no finer than it matters: ``3 d 4 h``, ``3 h 12 min``, ``4 min 9 s``.

    Args:
        seconds: At least 1; seconds are only shown under five minutes.
    """
    if seconds > 2 * _DAY:
        return _say("days", d=seconds // _DAY, h=seconds % _DAY // _HOUR)
    if seconds >= _HOUR:
        return _say("hours", h=seconds // _HOUR, min=seconds % _HOUR // _MINUTE)
    if seconds >= 5 * _MINUTE:
        return _say("minutes", min=seconds // _MINUTE)
    if seconds >= _MINUTE:
        return _say("few", min=seconds // _MINUTE, s=seconds % _MINUTE)
    return _say("seconds", s=seconds)


def ago_text(seconds: int) -> str:
    """Time since, in its largest unit: ``just now``, ``12 s ago``, ``3 min ago``."""
    if seconds < 5:
        return _say("just_now")
    if seconds < _MINUTE:
        return _say("seconds_ago", s=seconds)
    if seconds < _HOUR:
        return _say("minutes_ago", min=seconds // _MINUTE)
    if seconds < 2 * _DAY:
        return _say("hours_ago", h=seconds // _HOUR)
    return _say("days_ago", d=seconds // _DAY)


def exact_text(seconds: int) -> str:
    """A length without any rounding: ``8 h``, ``1 h 23 min 20 s``."""
    hours, rest = divmod(seconds, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    parts = [
        _say("whole_hours", h=hours) if hours else "",
        _say("minutes", min=minutes) if minutes else "",
        _say("seconds", s=rest) if rest else "",
    ]
    return " ".join(filter(None, parts)) or _say("seconds", s=0)


def _say(name: str, **values: int) -> str:
    return str(WORDS[name]) % values
