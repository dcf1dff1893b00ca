"""A handover as Markdown. Pure functions.

Names from the cloud may contain anything. Neither they nor typed text become markup, a
link or a mention. Signs without a meaning in their place are not escaped, since chats
show the file as it is.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from django.template.defaultfilters import date
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from dashboard.web.plain_text import one_line, without_links
from dashboard.web.templatetags.pages import zone_name

from .document import Document, Item

_MARKUP = re.compile(
    r"[\\`*\[\]<#~|$]"  # anywhere
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore inside a word is no emphasis
    r"|&(?=#?\w+;)"
)
_BLOCK = re.compile(r"^(?:([>+=:-])|(\d+)([.)]))")
"""At the start of a line these begin a list, a quotation, a heading or a table."""

_LONGEST = 4_000


def markdown(document: Document, *, title: str, signed: list[str], site: str) -> str:
    """Return the whole document.

    Args:
        signed: Lines that say who published it and who took over.
        site: Base URL for links, such as ``https://curfew.example``.
    """
    return "\n".join(_lines(document, title, signed, site)).rstrip() + "\n"


def escape(text: str) -> str:
    """Escape text for one line of Markdown."""
    line = _MARKUP.sub(r"\\\g<0>", without_links(one_line(text, _LONGEST)))
    return _BLOCK.sub(_escaped_block, line)


def escape_lines(text: str, indent: str = "") -> str:
    """Escape text, keep its line breaks and indent the further lines."""
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
    if value is None:
        return gettext("never")
    local = timezone.localtime(value)
    return f"{date(local, 'D Y-m-d H:i')} {zone_name(local)}"


def _lines(
    document: Document, title: str, signed: list[str], site: str
) -> Iterator[str]:
    yield f"# {escape(title)}"
    yield ""
    for line in signed:
        yield f"- {escape(line)}"
    for label, at in (
        (gettext("Shift started"), document.since),
        (gettext("Data as of"), document.at),
    ):
        yield f"- {label}: {escape(moment(at))}"
    counts = document.counts
    parts = (
        ngettext("%(total)s instance", "%(total)s instances", counts["total"]),
        gettext("%(running)s running"),
        gettext("%(due)s stopping within 1 hour"),
        # Handovers published before the number counted runs count a setting.
        gettext("%(without_end)s with no auto-stop")
        if "without_end" in counts
        else gettext("%(auto_stop_off)s with auto-stop off"),
    )
    yield f"- {', '.join(part % counts for part in parts)}"
    none = gettext("None")
    yield ""
    yield f"## {gettext('Summary')}"
    yield ""
    yield escape_lines(document.summary) or none
    yield ""
    yield f"## {gettext('Notes')}"
    yield ""
    for note in document.notes:
        yield f"- {escape_lines(note.text, '  ') or gettext('(no text)')}"
        if note.owner:
            yield f"  - {gettext('Owner')}: {escape(note.owner)}"
        if note.next_action:
            yield f"  - {gettext('Next')}: {escape(note.next_action)}"
    if not document.notes:
        yield none
    for section in document.sections:
        yield ""
        yield f"## {section.title.text} ({section.total})"
        yield ""
        for item in section.lines:
            yield f"- {_fact(item, site)}"
        if section.hidden:
            yield f"- {gettext('and %(hidden)s more') % {'hidden': section.hidden}}"
        if not section.total:
            yield none


def _fact(line: Item, site: str) -> str:
    name = escape(line.name) or gettext("(no name)")
    link = f"[{name}](<{site}{line.url}>)" if line.url else f"**{name}**"
    parts = [f"{link} ({escape(line.who)})" if line.who else link]
    if text := line.text:
        parts.append(escape(text))
    if line.at:
        parts.append(f"{line.at_label} {escape(moment(line.at))}".strip())
    return ": ".join([parts[0], ", ".join(parts[1:])]) if parts[1:] else parts[0]
