"""Template tags of all pages: icons and moments."""

import functools
import time
from datetime import datetime

import lucide as lucide_icons
from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

FORMATS = {
    "stop": "D H:i T",
    "moment": "j M Y, H:i T",
    "second": "j M Y, H:i:s T",
}
"""Names of ``data-format``, which ``static/time.js`` knows too."""


@register.simple_tag
@functools.cache
def icon(name: str, size: int = 16) -> SafeString:
    """A lucide icon beside a word: inline SVG, silent for screen readers."""
    svg = lucide_icons._render_icon(
        # Literals in a template arrive as SafeString, which the XML writer refuses.
        name + "",
        size,
        **{"class": "icon", "aria-hidden": "true"},
    )
    return mark_safe(svg)  # noqa: S308  (drawn by the library, from a name of ours)


@register.simple_tag
def moment(value: datetime | None, form: str = "moment") -> str:
    """A ``<time>`` in the viewer's zone; a dash for None.

    Args:
        value: Aware.
        form: ``stop`` (Mon 14:05 CET), ``moment`` (with the date) or ``second``.
    """
    if value is None:
        return "–"
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" data-format="{}">{}</time>',
        value.isoformat(),
        form,
        template.defaultfilters.date(local, FORMATS[form]),
    )


@register.simple_tag
def now_ms() -> int:
    """The server's clock, Unix **ms**: what the countdowns of the page go by."""
    return time.time_ns() // 1_000_000
