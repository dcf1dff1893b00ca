"""A handover as Markdown. Pure functions.

Names come from the cloud and may hold anything: what Markdown would read as markup is
escaped, and every text stays on its line.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone

from .document import Document, Line

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+\-!|~&$^=:@])")
_NUMBERED = re.compile(r"^(\d+)([.)])")


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
    flat = " ".join(text.split())
    return _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", flat))


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
        else f"{counts['auto_stop_off']} with auto\\-stop off"
    )
    yield (
        f"- {counts['total']} instances, {counts['running']} running, "
        f"{counts['due']} stop within the hour, {last}"
    )
    yield ""
    yield "## Summary"
    yield ""
    paragraphs = [escape(line) for line in document.summary.splitlines()]
    yield from paragraphs if any(paragraphs) else ["none"]
    yield ""
    yield "## Notes"
    yield ""
    for note in document.notes:
        yield f"- {escape(note.text) or '(no text)'}"
        yield f"  - Owner: {escape(note.owner) or 'nobody'}"
        yield f"  - Next: {escape(note.next_action) or 'nothing'}"
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
    name = escape(line.name)
    told = f"[{name}](<{site}{line.url}>)" if line.url else f"**{name}**"
    parts = [f"{told} ({escape(line.who)})" if line.who else told]
    if line.words:
        parts.append(escape(line.words))
    if line.at:
        parts.append(f"{line.at_words} {escape(moment(line.at))}".strip())
    return ": ".join([parts[0], ", ".join(parts[1:])]) if parts[1:] else parts[0]
