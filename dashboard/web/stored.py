"""Our own sentences that were stored in English, put into the reader's language.

Workers and forms store a message in English (``gettext_noop``), with its values filled
in. Shown, it is looked up as it stands, else by the catalog's messages with values: the
one whose words fit is filled in anew. What fits none is shown as it was stored.
"""

import gettext as gnu
import re
from functools import cache, lru_cache

from django.conf import settings
from django.utils.translation import get_language, to_locale

_VALUE = re.compile(r"%\((\w+)\)s")
_FEWEST_LETTERS = 4
"""A message with fewer besides its values would fit anything."""


def translated(sentence: object) -> str:
    """A stored sentence for the reader of this request."""
    if not sentence:
        return ""
    return _translated(str(sentence), get_language() or settings.LANGUAGE_CODE)


@lru_cache(maxsize=1_024)
def _translated(sentence: str, language: str) -> str:
    catalog, patterns = _catalog(language)
    if found := catalog.get(sentence):
        return found
    for pattern, message in patterns:
        if match := pattern.fullmatch(sentence):
            values = match.groupdict()
            return message % {
                name: _value(name, value, language) for name, value in values.items()
            }
    return sentence


def _value(name: str, value: str, language: str) -> str:
    if name == "filters":
        return ", ".join(_translated(one, language) for one in value.split(", "))
    return _translated(value, language) if _is_ours(name, value) else value


def _is_ours(name: str, value: str) -> bool:
    """Whether a value is a sentence or a status, not what something is called."""
    return name == "status" or value.endswith(".")


@cache
def _catalog(
    language: str,
) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """Messages by their English, and those with values, the wordiest first."""
    catalog: dict[str, str] = {}
    for path in settings.LOCALE_PATHS:
        found = gnu.translation(
            "django", path, [to_locale(language)], fallback=True
        )  # English has none
        messages = getattr(found, "_catalog", {})
        catalog |= {
            english: message
            for english, message in messages.items()
            if isinstance(english, str) and english
        }
    patterns = [
        (_letters(english), _pattern(english), message)
        for english, message in catalog.items()
        if _VALUE.search(english) and _letters(english) >= _FEWEST_LETTERS
    ]
    patterns.sort(key=lambda one: -one[0])
    return catalog, [(pattern, message) for _, pattern, message in patterns]


def _letters(english: str) -> int:
    return sum(letter.isalpha() for letter in _VALUE.sub("", english))


def _pattern(english: str) -> re.Pattern[str]:
    parts = _VALUE.split(english)
    seen: set[str] = set()
    expression = ""
    for number, part in enumerate(parts):
        if number % 2 == 0:
            expression += re.escape(part.replace("%%", "%"))
        else:
            expression += f"(?P={part})" if part in seen else f"(?P<{part}>.+?)"
            seen.add(part)
    return re.compile(expression, re.DOTALL)
