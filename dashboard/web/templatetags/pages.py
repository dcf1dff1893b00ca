import functools
import json
import time
import zoneinfo
from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _, gettext_noop
from lucide.templatetags.lucide import lucide

from dashboard.paths import MANAGE_NAME
from dashboard.web.javascript_catalog import catalog_url
from dashboard.web.release import release_mark

register = template.Library()
register.simple_tag(timezone.get_current_timezone_name, name="current_zone")
# ``static/polling.js`` compares it with the release of each response.
register.simple_tag(release_mark, name="release_name")
register.simple_tag(lambda: MANAGE_NAME, name="manage_name")

FORMATS = {
    "stop": gettext_noop("D H:i"),
    "stop_on_another_day": gettext_noop("D j M, H:i"),
    "moment": gettext_noop("j M Y, H:i"),
    "second": gettext_noop("j M Y, H:i:s"),
    "time": "H:i",
}

ZONES = {"CET": gettext_noop("CET"), "CEST": gettext_noop("CEST")}
"""Browsers use these names, too, since their own differ between languages."""

THEMES = frozenset({"light", "dark"})


@register.simple_tag
@functools.cache
def icon(name: str, size: int = 16) -> str:
    """Render a lucide icon beside a word: inline SVG, hidden from screen readers."""
    svg: str = lucide(name, size=size, aria_hidden="true", **{"class": "icon"})
    return svg


@register.simple_tag
def moment(value: datetime | None, form: str = "moment") -> str:
    """Render a ``<time>`` in the viewer's zone; a dash for None.

    Args:
        value: Aware.
        form: ``stop`` (Mon 14:05 CET; with the date unless it is today), ``moment``
            (with the date) or ``second``.
    """
    if value is None:
        return "\N{EN DASH}"
    return format_html(
        '<time datetime="{}" data-format="{}">{}</time>',
        timezone.localtime(value).isoformat(),
        form,
        moment_text(value, form),
    )


@register.filter
def grouped(number: int) -> str:
    """Format a number in the reader's language: 5,000 or 5.000."""
    return number_format(number, force_grouping=True)


@register.filter
def moment_text(value: datetime, form: str) -> str:
    """Return the text of ``moment`` for attributes; ``time`` omits the day."""
    local = timezone.localtime(value)
    if form == "stop":
        return f"{stop_text(value)} {zone_name(local)}"
    text = template.defaultfilters.date(local, _(FORMATS[form]))
    return f"{text} {zone_name(local)}"


@register.filter
def stop_text(value: datetime) -> str:
    """Return the time of a stop without the zone; with the date unless it is today."""
    local = timezone.localtime(value)
    today = timezone.localtime()
    if local.year != today.year:
        form = "moment"
    else:
        form = "stop" if local.date() == today.date() else "stop_on_another_day"
    return str(template.defaultfilters.date(local, _(FORMATS[form])))


@register.filter
def zone_name(local: datetime) -> str:
    """Return the short name of a moment's zone in the reader's language.

    A zone with only a number in the tz database becomes ``UTC+5:45``.
    """
    name = local.tzname() or ""
    if name[:1] in {"+", "-"}:
        hours, minutes = divmod(int(f"{name[1:]:0<4}"), 100)
        return f"UTC{name[0]}{hours}" + (f":{minutes:02}" if minutes else "")
    return _(name) if name in ZONES else name


@register.simple_tag
def zone_names(zone: str = "") -> str:
    """Return the names of a zone within a year, by offset, as JSON.

    Browsers have other names for most zones. The keys are spelled as the
    ``longOffset`` of ``Intl.DateTimeFormat``.

    Args:
        zone: Its name in the tz database; empty for the active one.
    """
    tz = zoneinfo.ZoneInfo(zone) if zone else timezone.get_current_timezone()
    now = timezone.now()
    moments = [(now + timedelta(days=30 * month)).astimezone(tz) for month in range(12)]
    return json.dumps({_long_offset(local): zone_name(local) for local in moments})


def _long_offset(local: datetime) -> str:
    minutes = round((local.utcoffset() or timedelta()) / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    return f"GMT{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}" if minutes else "GMT"


@register.simple_tag(takes_context=True)
def chosen_theme(context: template.Context) -> str:
    """Return the theme that ``theme.js`` stored; empty for the system's own."""
    request = context.get("request")
    if request is None:
        return ""
    prefix = "__Host-" if request.is_secure() else ""
    theme = request.COOKIES.get(f"{prefix}curfew_theme", "")
    return theme if theme in THEMES else ""


@register.simple_tag
def javascript_catalog() -> str:
    url = catalog_url()
    return format_html('<script src="{}" defer></script>', url) if url else ""


@register.simple_tag
def now_ms() -> int:
    """Return the server's clock in Unix **ms**; the countdowns use it."""
    return time.time_ns() // 1_000_000
