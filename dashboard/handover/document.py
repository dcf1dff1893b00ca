"""The content of a handover as one value: built from the fleet, frozen, or restored.

A published handover freezes values: numbers, moments, names, what people typed, and
messages as codes with parameters. The digest covers these values. Sentences are made
when they are shown, in the reader's language, so one document has one digest for
everyone. Nothing in here queries the database.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from dashboard.edits.display import wish
from dashboard.edits.models import Edit
from dashboard.web.stored_messages import Message, verbatim

FORMAT = 2
"""Version of the snapshot; raise it when members change their meaning.

Format 1 has English sentences. They are shown as they were published, since another
text would have another digest.
"""

MOST_LINES = 50
"""Per section; the rest is a number."""


class Title(NamedTuple):
    text: Promise
    hint: Promise
    icon: str


_MESSAGES = ("status", "message", "at_label")
"""Members of a line that are messages."""

TITLES: dict[str, Title] = {
    "stops": Title(
        gettext_lazy("Stops due"),
        gettext_lazy("Runs that end in this period, soonest first"),
        "bell",
    ),
    "no_auto_stop": Title(
        gettext_lazy("No auto-stop"),
        gettext_lazy("These run until someone stops them"),
        "infinity",
    ),
    "troubled": Title(
        gettext_lazy("Failed or unknown"),
        gettext_lazy(
            "Failed, in an unknown status, not fully readable, or missing since the "
            "shift began"
        ),
        "triangle-alert",
    ),
    "edits": Title(
        gettext_lazy("Unconfirmed changes"),
        gettext_lazy("In progress, or failed or in conflict during this shift"),
        "git-compare",
    ),
    "requests": Title(
        gettext_lazy("Open requests"),
        gettext_lazy("Policy exceptions that wait for a decision"),
        "inbox",
    ),
    "changes": Title(
        gettext_lazy("Changes during this shift"),
        gettext_lazy("Confirmed by ModelArts, newest first"),
        "check",
    ),
    "health": Title(
        gettext_lazy("Cloud health"),
        gettext_lazy("Clouds with sync problems or paused changes"),
        "cloud",
    ),
}
"""The sections of a handover, in its order."""


@dataclass(frozen=True)
class Item:
    """One line of a section.

    Attributes:
        cloud: With ``instance_id`` the instance's address; both may be empty.
        change: Kind, patch and state of the edit.
        who: The owner, or the person who acted.
        status: Of the instance; empty where it does not matter.
        message: Anything else.
        at_label: Text before the time.
    """

    name: str
    cloud: str = ""
    instance_id: str = ""
    edit_id: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""
    status: Message = field(default_factory=Message)
    message: Message = field(default_factory=Message)
    at: datetime | None = None
    at_label: Message = field(default_factory=Message)

    @property
    def text(self) -> str:
        """Return status, change and message in the active language."""
        parts = [str(self.status)]
        if self.change:
            edit = Edit(kind=self.change["kind"], patch=self.change["patch"])
            parts.append(wish(edit))
            if state := self.change["state"]:
                parts.append(str(Edit.State(state).label))
        return " · ".join(filter(None, [*parts, str(self.message)]))

    @property
    def url(self) -> str:
        if self.instance_id:
            return reverse("instances:detail", args=[self.cloud, self.instance_id])
        return ""

    @property
    def edit_url(self) -> str:
        return reverse("edits:detail", args=[self.edit_id]) if self.edit_id else ""


@dataclass(frozen=True)
class Section:
    """Lines of one kind.

    Attributes:
        lines: At most ``MOST_LINES``.
        total: Number of all of them.
    """

    key: str
    lines: Sequence[Item]
    total: int

    @property
    def title(self) -> Title:
        return TITLES[self.key]

    @property
    def hidden(self) -> int:
        return self.total - len(self.lines)


@dataclass(frozen=True)
class FrozenNote:
    text: str
    owner: str
    next_action: str
    by: str


@dataclass(frozen=True)
class Document:
    """The content of a handover.

    Attributes:
        at: The moment of the facts.
        since: Start of the shift.
        until: End of the period for coming stops.
        as_of: Last complete refresh of the fleet; None: there was none.
        counts: Of the fleet: ``total``, ``running``, ``due`` and ``without_end``;
            handovers published earlier have ``auto_stop_off`` instead.
    """

    at: datetime
    since: datetime
    until: datetime
    as_of: datetime | None
    counts: dict[str, int]
    sections: Sequence[Section]
    summary: str = ""
    notes: Sequence[FrozenNote] = field(default_factory=list)


def to_json(document: Document) -> dict[str, Any]:
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
                    vars(line)
                    | {"at": _text(line.at)}
                    | {name: getattr(line, name).to_json() for name in _MESSAGES}
                    for line in section.lines
                ],
            }
            for section in document.sections
        ],
    }


def from_json(frozen: dict[str, Any]) -> Document:
    return Document(
        at=datetime.fromisoformat(frozen["at"]),
        since=datetime.fromisoformat(frozen["since"]),
        until=datetime.fromisoformat(frozen["until"]),
        as_of=_moment(frozen["as_of"]),
        counts=frozen["counts"],
        summary=frozen["summary"],
        notes=[FrozenNote(**note) for note in frozen["notes"]],
        sections=[
            Section(
                key=section["key"],
                total=section["total"],
                lines=[_line(line) for line in section["lines"]],
            )
            for section in frozen["sections"]
            if section["key"] in TITLES
        ],
    )


def digest(frozen: dict[str, Any]) -> str:
    """Return the SHA-256 of a snapshot, whatever the order of its members."""
    text = json.dumps(frozen, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _line(frozen: dict[str, Any]) -> Item:
    values = frozen | {"at": _moment(frozen["at"])}
    if "words" in values:  # format 1
        message, at_label = verbatim(values.pop("words")), values.pop("at_words")
        return Item(**values, message=message, at_label=verbatim(at_label))
    return Item(**values | {n: Message.from_json(values[n]) for n in _MESSAGES})


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
