"""Names from outside as parts of an address.

A cloud is called what ``clouds.yaml`` calls it, and an instance may have any id. What a
path cannot hold is written as ``~`` and two hexadecimal digits for each byte of UTF-8:
``otc/prod`` is ``otc~2Fprod``. Percent signs would not do, since servers undo them
before the address is taken apart.
"""

import re

from django.urls import register_converter

_ESCAPED = re.compile("(?:~[0-9A-F]{2})+")
_EMPTY = "~"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class NameConverter:
    """Any text that a database can hold; ``to_python(to_url(name))`` is ``name``."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        """The name that an address means.

        Raises:
            ValueError: None that a database could hold: the address is unknown.
        """
        name = "" if value == _EMPTY else _ESCAPED.sub(_unescaped, value)
        if _UNSTORABLE.search(name):
            raise ValueError("no name")
        return name

    def to_url(self, value: object) -> str:
        """The part of the path."""
        name = str(value)
        # Browsers leave out what consists of dots alone.
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
