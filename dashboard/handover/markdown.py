"""A handover as Markdown. Pure functions.

Names come from the cloud and may hold anything. They and what people type become no
markup, no link and no mention. Signs that mean nothing where they stand are not
escaped: chats show the file as it is.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone

from dashboard.web.plain_text import one_line, without_links

from .document import Document, Line

_MARKUP = re.compile(
    r"[\\`*\[\]<#~|$]"  # anywhere
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore inside a word is no emphasis
    r"|&(?=#?\w+;)"
)
_BLOCK = re.compile(r"^(?:([>+=:-])|(\d+)([.)]))")
"""What begins a list, a quotation, a heading or a table at the beginning of a line."""

_LONGEST = 4_000


def markdown(document: Document, *, title: str, signed: list[str], site: str) -> str:
    """The whole document.

    Args:
        document: What to write.
        title: Its head line.
        signed: Who published it and who took over, a line each.
        site: Where this site is, as in ``https://curfew.example``, for the links.
    """
    return "\n".join(_lines(document, title, signed, site)).rstrip() + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    line = _MARKUP.sub(r"\\\g<0>", without_links(one_line(text, _LONGEST)))
    return _BLOCK.sub(_escaped_block, line)


def escape_lines(text: str, indent: str = "") -> str:
    """The same with its line breaks, each further line behind ``indent``."""
    written = ""
    for line in map(escape, text.strip().splitlines()):
        if not line:
            written = f"{written.rstrip()}\n" if written else ""
        elif not written or written.endswith("\n"):
            written += f"\n{indent}{line}" if written else line
        else:
            # Two blanks at the end of a line keep its break.
            written += f"  \n{indent}{line}"
    return written


def _escaped_block(found: re.Match[str]) -> str:
    return f"\\{found[1]}" if found[1] else rf"{found[2]}\{found[3]}"


def moment(value: datetime | None) -> str:
    """In the zone that is active."""
    if value is None:
        return "never"
    return f"{timezone.localtime(value):%a %Y-%m-%d %H:%M %Z}"


def _lines(
    document: Document, title: str, signed: list[str], site: str
) -> Iterator[str]:
    yield f"# {escape(title)}"
    yield ""
    for line in signed:
        yield f"- {escape(line)}"
    yield f"- Shift since {escape(moment(document.since))}"
    yield f"- Facts as of {escape(moment(document.at))}"
    counts = document.counts
    # What was published before the number was of runs counts a setting.
    last = (
        f"{counts['without_end']} of them without end"
        if "without_end" in counts
        else f"{counts['auto_stop_off']} with auto-stop off"
    )
    yield (
        f"- {counts['total']} instances, {counts['running']} running, "
        f"{counts['due']} stop within the hour, {last}"
    )
    yield ""
    yield "## Summary"
    yield ""
    yield escape_lines(document.summary) or "none"
    yield ""
    yield "## Notes"
    yield ""
    for note in document.notes:
        yield f"- {escape_lines(note.text, '  ') or '(no text)'}"
        if note.owner:
            yield f"  - Owner: {escape(note.owner)}"
        if note.next_action:
            yield f"  - Next: {escape(note.next_action)}"
    if not document.notes:
        yield "none"
    for section in document.sections:
        yield ""
        yield f"## {section.title.text} ({section.total})"
        yield ""
        for one in section.lines:
            yield f"- {_fact(one, site)}"
        if section.hidden:
            yield f"- and {section.hidden} more"
        if not section.total:
            yield "none"


def _fact(line: Line, site: str) -> str:
    name = escape(line.name) or "(no name)"
    told = f"[{name}](<{site}{line.url}>)" if line.url else f"**{name}**"
    parts = [f"{told} ({escape(line.who)})" if line.who else told]
    if line.words:
        parts.append(escape(line.words))
    if line.at:
        parts.append(f"{line.at_words} {escape(moment(line.at))}".strip())
    return ": ".join([parts[0], ", ".join(parts[1:])]) if parts[1:] else parts[0]
