"""A handover as Markdown. Pure functions.

Names from the cloud may contain anything. Neither they nor typed text become markup, a
link or a mention. Characters that mean nothing where they are stay unescaped, since
chats show the file as it is.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from django.template.defaultfilters import date
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _, ngettext, pgettext

from dashboard.web.plain_text import one_line, without_links
from dashboard.web.templatetags.pages import zone_name

from .document import Document, DocumentNote

_MARKUP = re.compile(
    r"`|\\(?=[!-/:-@\[-`{-~]|$)"
    r"|[*~](?=\S)|(?<=\S)[*~]"  # beside a word they are emphasis
    r"|(?<![^\W_])_(?=\S)|(?<=\S)_(?![^\W_])"  # inside a word they are not
    r"|\](?=[(\[:])|<(?=[a-zA-Z/!?])|&(?=#?\w+;)"
)
_BLOCK = re.compile(r"^(?=[>+=:#|\[-])|^\d+(?=[.)])")
"""A character after this begins a list, a quotation, a heading or a table."""

_MAX_LENGTH = 4_000
_MAX_LINE = 300
_MAX_SUMMARY = 1_200
MAX_CHARACTERS = 3_500
"""Of the whole file: most chats cut longer messages or refuse them."""


def markdown(document: Document, *, title: str, signatures: list[str], url: str) -> str:
    """Return a handover, cut to ``MAX_CHARACTERS``.

    Args:
        signatures: Lines that say who published it and who took over.
        url: Of its page, which has the rest.
    """
    lines = list(_lines(document, title, signatures, url))
    return _cut(lines, url).rstrip() + "\n"


def escape(text: str, longest: int = _MAX_LENGTH) -> str:
    """Escape text for one line of Markdown."""
    line = _MARKUP.sub(r"\\\g<0>", without_links(one_line(text, longest)))
    return _BLOCK.sub(r"\g<0>\\", line)


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


def moment(value: datetime | None) -> str:
    if value is None:
        return _("never")
    local = timezone.localtime(value)
    return f"{date(local, 'D Y-m-d H:i')} {zone_name(local)}"


def _cut(lines: list[str], url: str) -> str:
    text = "\n".join(lines)
    if len(text) < MAX_CHARACTERS:
        return text
    more = _("and %(hidden)s more")
    kept = list(lines)
    end = ""
    while kept and len("\n".join(kept)) + len(end) > MAX_CHARACTERS - 2:
        kept.pop()
        # A heading without its lines says nothing.
        while kept and (not kept[-1] or kept[-1].startswith("\n##")):
            kept.pop()
        hidden = sum(line.startswith("- ") for line in lines[len(kept) :])
        end = f"\n\n{more % {'hidden': hidden}}: {url}"
    return "\n".join(kept) + end


def _lines(
    document: Document, title: str, signatures: list[str], url: str
) -> Iterator[str]:
    yield f"# {escape(title)}\n"
    yield " · ".join([*map(escape, signatures), url])
    counts = document.counts
    parts = (
        ngettext("%(total)s instance", "%(total)s instances", counts["total"]),
        _("%(running)s running"),
        _("%(due)s stopping within 1 hour"),
        # Old handovers count a setting instead of runs.
        _("%(without_end)s with no auto-stop")
        if "without_end" in counts
        else _("%(auto_stop_off)s with auto-stop off"),
    )
    numbers = _(", ").join(part % counts for part in parts)
    yield escape(moment(document.at)) + _(": ") + numbers
    if document.summary:
        summary = Truncator(document.summary).chars(_MAX_SUMMARY)
        yield f"\n{escape_lines(summary)}"
    actions = [note for note in document.notes if note.is_action]
    notes = [note for note in document.notes if not note.is_action]
    for heading, part in ((_("To do"), actions), (_("Notes"), notes)):
        if part:
            yield f"\n## {heading}\n"
            yield from map(_note, part)
    for section in document.sections:
        if section.total:
            number = f" ({section.total})" if section.title.has_number else ""
            yield f"\n## {section.title.text}{number}\n"
            yield from (f"- {escape(item.plain, _MAX_LINE)}" for item in section.items)
            if section.hidden:
                yield f"- {_('and %(hidden)s more') % {'hidden': section.hidden}}"


def _note(note: DocumentNote) -> str:
    details = [
        f"{label}{_(': ')}{escape(text, _MAX_LINE)}"
        for label, text in (
            (pgettext("note", "Owner"), note.owner),
            (_("Next"), note.next_action),
            (_("Done by"), note.done_by),
        )
        if text
    ]
    text = escape_lines(Truncator(note.text).chars(_MAX_LINE), "  ")
    words = [text or _("(no text)"), *details]
    return f"- {' · '.join(words)}"
