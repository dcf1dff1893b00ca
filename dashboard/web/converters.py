"""Names from outside as parts of a URL.

Cloud names and instance ids may have any characters. Those that a path cannot contain
become ``~`` and two hexadecimal digits for each byte of UTF-8: ``otc/prod`` is
``otc~2Fprod``. Percent signs would not work, since servers decode them before the path
is split.
"""

import re

from django.urls import register_converter

_ESCAPED = re.compile("(?:~[0-9A-F]{2})+")
_EMPTY = "~"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class NameConverter:
    """Any text that a database can store; ``to_python(to_url(name))`` is ``name``."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        """Return the name.

        Raises:
            ValueError: No database could store it; the URL is unknown.
        """
        name = "" if value == _EMPTY else _ESCAPED.sub(_unescaped, value)
        if _UNSTORABLE.search(name):
            raise ValueError("no name")
        return name

    def to_url(self, value: object) -> str:
        name = str(value)
        # Browsers drop path segments that consist of dots alone.
        only_dots = not name.strip(".")
        part = "".join(
            _escaped(sign) if only_dots or _is_unsafe(sign) else sign for sign in name
        )
        return part or _EMPTY


def _is_unsafe(sign: str) -> bool:
    return sign in "/~\\" or not sign.isprintable()


def _escaped(sign: str) -> str:
    return "".join(f"~{byte:02X}" for byte in sign.encode("utf-8", "surrogatepass"))


def _unescaped(match: re.Match[str]) -> str:
    return bytes.fromhex(match.group().replace("~", "")).decode("utf-8")


register_converter(NameConverter, "name")
