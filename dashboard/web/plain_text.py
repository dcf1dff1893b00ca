"""Makes foreign text safe for mail, chats and Markdown files."""

import re
import unicodedata

_JOINER = "\N{WORD JOINER}"
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""Emoji and words in Persian or Hindi need these."""

_LINKS = re.compile(r"//|@|(?<![^\W_])(?:www\.|(?:mailto|xmpp):)", re.IGNORECASE)
"""Programs see a link in plain text by these: a host, an address, a scheme."""


def one_line(text: str, longest: int = 120) -> str:
    """Return ``text`` as one line without invisible characters, cut at ``longest``.

    Controls, line breaks and bidirectional marks become spaces. Joiners stay where they
    join two visible characters.
    """
    kept = "".join(
        letter if _is_shown(text, place) else " " for place, letter in enumerate(text)
    )
    line = " ".join(kept.split())
    return f"{line[:longest]}…" if len(line) > longest else line


def without_links(text: str) -> str:
    """Return ``text`` with word joiners where programs would find a link.

    It looks the same to people.
    """
    return _LINKS.sub(lambda match: f"{match[0]}{_JOINER}", text)


def _is_shown(text: str, place: int) -> bool:
    if text[place] in _JOINERS:
        beside = text[place - 1 : place] + text[place + 1 : place + 2]
        return len(beside) == 2 and all(_is_visible(letter) for letter in beside)
    return _is_visible(text[place])


def _is_visible(letter: str) -> bool:
    return unicodedata.category(letter)[0] not in "CZ"
