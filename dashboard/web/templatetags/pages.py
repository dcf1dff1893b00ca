"""Template tags of all pages: icons and moments."""

import functools
import time
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from lucide.templatetags.lucide import lucide

register = template.Library()

FORMATS = {
    "stop": "D H:i T",
    "moment": "j M Y, H:i T",
    "second": "j M Y, H:i:s T",
}
"""Names of ``data-format``, which ``static/time.js`` knows too."""


@register.simple_tag
@functools.cache
def icon(name: str, size: int = 16) -> str:
    """A lucide icon beside a word: inline SVG, silent for screen readers."""
    svg: str = lucide(name, size=size, aria_hidden="true", **{"class": "icon"})
    return svg


@register.simple_tag
def moment(value: datetime | None, form: str = "moment") -> str:
    """A ``<time>`` in the viewer's zone; a dash for None.

    Args:
        value: Aware.
        form: ``stop`` (Mon 14:05 CET), ``moment`` (with the date) or ``second``.
    """
    if value is None:
        return "\N{EN DASH}"
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
