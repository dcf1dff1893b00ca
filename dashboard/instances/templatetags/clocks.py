"""Template tags about the time left."""

import json

from django import template
from django.utils.translation import get_language

from dashboard.instances import lengths

register = template.Library()


@register.simple_tag
def words_for_countdowns() -> str:
    """What ``countdown.js`` says, as JSON; empty in English."""
    return "" if get_language() == "en" else json.dumps(lengths.script_words())
