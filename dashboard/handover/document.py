"""What a handover says, as one value: drawn from the fleet, frozen, or thawed.

Facts are kept as plain values and put into words where they are shown, so that an old
handover is read with today's words. Nothing in here asks the database.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext_noop

FORMAT = 1
"""Of the snapshot; raise it when its members change their meaning."""

MOST_LINES = 50
"""In one section; whatever comes after them is a number."""


class Title(NamedTuple):
    """What stands over a section.

    Attributes:
        hint: What is in it, in a sentence.
    """

    text: str
    hint: str
    icon: str


TITLES: dict[str, Title] = {
    "stops": Title(
        gettext_noop("Stops due"),
        gettext_noop("Runs that end in this time, soonest first"),
        "bell",
    ),
    "endless": Title(
        gettext_noop("Running without end"),
        gettext_noop("Nothing stops these but a person"),
        "infinity",
    ),
    "troubled": Title(
        gettext_noop("Failed or unknown"),
        gettext_noop(
            "Failed, in a state Curfew does not know, unreadable, or gone since "
            "the shift "
            "began"
        ),
        "triangle-alert",
    ),
    "edits": Title(
        gettext_noop("Edits not confirmed"),
        gettext_noop("Still under way, or failed or in conflict in this shift"),
        "git-compare",
    ),
    "requests": Title(
        gettext_noop("Open requests"),
        gettext_noop("Exceptions from rules that wait for an answer"),
        "inbox",
    ),
    "changes": Title(
        gettext_noop("Changes made this shift"),
        gettext_noop("Confirmed by the cloud, newest first"),
        "check",
    ),
    "health": Title(
        gettext_noop("Upstream health"),
        gettext_noop("Clouds that cannot be read or written"),
        "cloud",
    ),
}
"""The sections of a handover, in its order."""


@dataclass(frozen=True)
class Line:
    """One fact.

    Attributes:
        name: What it is about.
        cloud: With ``instance_id`` the instance's address; both may be empty.
        edit_id: The edit it is about, if it is about one.
        who: Whose it is, or who did it.
        words: The rest in words.
        at_words: What stands before the moment.
    """

    name: str
    cloud: str = ""
    instance_id: str = ""
    edit_id: str = ""
    who: str = ""
    words: str = ""
    at: datetime | None = None
    at_words: str = ""

    @property
    def url(self) -> str:
        """Page of what it is about; empty when it has none."""
        if self.instance_id:
            return reverse("instances:detail", args=[self.cloud, self.instance_id])
        return ""

    @property
    def edit_url(self) -> str:
        """The edit's receipt; empty where there is none."""
        return reverse("edits:receipt", args=[self.edit_id]) if self.edit_id else ""


@dataclass(frozen=True)
class Section:
    """Facts of one kind.

    Attributes:
        lines: At most ``MOST_LINES``.
        total: How many there are.
    """

    key: str
    lines: Sequence[Line]
    total: int

    @property
    def title(self) -> Title:
        """What stands over it."""
        return TITLES[self.key]

    @property
    def hidden(self) -> int:
        """How many are not told one by one."""
        return self.total - len(self.lines)


@dataclass(frozen=True)
class Remark:
    """A note as it is read."""

    text: str
    owner: str
    next_action: str
    by: str


@dataclass(frozen=True)
class Document:
    """The whole of it.

    Attributes:
        at: The moment that the facts are of.
        since: When the shift began.
        until: How far the look at coming stops goes.
        as_of: When the fleet was last read completely; None: it never was.
        counts: Of the fleet: ``total``, ``running``, ``due`` and ``without_end``;
            handovers published earlier have ``auto_stop_off`` in its place.
    """

    at: datetime
    since: datetime
    until: datetime
    as_of: datetime | None
    counts: dict[str, int]
    sections: Sequence[Section]
    summary: str = ""
    notes: Sequence[Remark] = field(default_factory=list)


def freeze(document: Document) -> dict[str, Any]:
    """The document as JSON's types."""
    return {
        "format": FORMAT,
        "at": document.at.isoformat(),
        "since": document.since.isoformat(),
        "until": document.until.isoformat(),
        "as_of": _text(document.as_of),
        "counts": document.counts,
        "summary": document.summary,
        "notes": [vars(note) for note in document.notes],
        "sections": [
            {
                "key": section.key,
                "total": section.total,
                "lines": [
                    vars(line) | {"at": _text(line.at)} for line in section.lines
                ],
            }
            for section in document.sections
        ],
    }


def thaw(frozen: dict[str, Any]) -> Document:
    """The document that was frozen."""
    return Document(
        at=datetime.fromisoformat(frozen["at"]),
        since=datetime.fromisoformat(frozen["since"]),
        until=datetime.fromisoformat(frozen["until"]),
        as_of=_moment(frozen["as_of"]),
        counts=frozen["counts"],
        summary=frozen["summary"],
        notes=[Remark(**note) for note in frozen["notes"]],
        sections=[
            Section(
                key=section["key"],
                total=section["total"],
                lines=[
                    Line(**(line | {"at": _moment(line["at"])}))
                    for line in section["lines"]
                ],
            )
            for section in frozen["sections"]
            if section["key"] in TITLES
        ],
    )


def seal(frozen: dict[str, Any]) -> str:
    """SHA-256 of a snapshot, whatever order a database keeps its members in."""
    text = json.dumps(frozen, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
