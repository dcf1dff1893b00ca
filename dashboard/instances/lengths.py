"""Lengths of time in words; ``static/countdown.js`` has the same messages."""

from django.utils.translation import gettext, gettext_noop

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400

WORDS = {
    "days": gettext_noop("%(d)s d %(h)s h"),
    "hours": gettext_noop("%(h)s h %(min)s min"),
    "minutes": gettext_noop("%(min)s min"),
    "few": gettext_noop("%(min)s min %(s)s s"),
    "seconds": gettext_noop("%(s)s s"),
    "whole_hours": gettext_noop("%(h)s h"),
    "just_now": gettext_noop("just now"),
    "seconds_ago": gettext_noop("%(s)s s ago"),
    "minutes_ago": gettext_noop("%(min)s min ago"),
    "hours_ago": gettext_noop("%(h)s h ago"),
    "days_ago": gettext_noop("%(d)s d ago"),
    "due": gettext_noop("stopping…"),
    "overdue": gettext_noop("overdue"),
    "scheduled_for": gettext_noop("scheduled for"),
    "was_due": gettext_noop("was due"),
    "stops": gettext_noop("stops"),
    "soon": gettext_noop("%(name)s stops in %(min)s minutes"),
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
    return gettext(WORDS[name]) % values
