"""The content of a handover as one value, and its conversion to and from JSON.

A published handover stores values: numbers, moments, names, what people typed, and
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
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.edits.display import batch_change_text, batch_counts, requested_text
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.selectors import Progress
from dashboard.web.stored_messages import Message, verbatim
from dashboard.web.templatetags.pages import moment_text

FORMAT = 3
"""Version of the JSON; raise it when members change their meaning.

Format 1 has English sentences. They are shown as they were published, since another
text would have another digest. Formats 1 and 2 have a line for each instance, and notes
without a key.
"""

_MESSAGES = ("status", "message", "at_label")
"""Members of an item that are messages."""


class Title(NamedTuple):
    """The head of a section.

    Attributes:
        has_number: Whether the number of its facts says something.
    """

    text: Promise
    hint: Promise
    icon: str
    has_number: bool = True


class Named(NamedTuple):
    """An instance that a line about several of them names."""

    name: str
    cloud: str
    instance_id: str

    @property
    def url(self) -> str:
        return reverse("instances:detail", args=[self.cloud, self.instance_id])


TITLES: dict[str, Title] = {
    "late_stops": Title(
        _("Late stops"),
        _("Should have stopped, but are still running or stopping"),
        "alarm-clock-off",
    ),
    "stops": Title(
        _("Stops due"),
        _("Runs that end in this period, soonest first"),
        "bell",
    ),
    "no_auto_stop": Title(
        _("No auto-stop"),
        _("These run until someone stops them"),
        "infinity",
    ),
    "troubled": Title(
        _("Failed or unknown"),
        _(
            "Failed, in an unknown status, not fully readable, or missing since the "
            "shift began"
        ),
        "triangle-alert",
    ),
    "edits": Title(
        _("Unconfirmed changes"),
        _("In progress, or failed or in conflict during this shift"),
        "git-compare",
    ),
    "requests": Title(
        _("Open requests"),
        _("Policy exceptions and bulk changes that wait for a decision"),
        "inbox",
    ),
    "changes": Title(
        _("Changes during this shift"),
        _("Confirmed by ModelArts, largest first"),
        "check",
    ),
    "health": Title(
        _("Cloud health"),
        _("Clouds with sync problems or paused changes"),
        "cloud",
    ),
    "costs": Title(
        _("Costs of this shift"),
        _("What ran and what stops have saved, at the prices of each day"),
        "coins",
        has_number=False,
    ),
}
"""The sections of a handover, in order."""


@dataclass(frozen=True)
class Item:
    """One line of a section: one fact, or several as one.

    Attributes:
        name: Of the instance or cloud; empty for several instances.
        cloud: Name of the instance's cloud; empty for a line about no instance.
        change: Of one edit: kind, patch and state. Of several: kind, number of edits by
            state (none before a bulk change is confirmed) and, if they are one bulk
            change, what it does or undoes.
        total: Number of the instances or changes; 0 for a line about one.
        names: The first of them.
        batch_id: The bulk change.
        query: Query string of the list that shows the instances, if there is one.
        who: The owner, or the person or policy that acted.
        status: Of the instance; may be empty.
        at_label: Text before the time.
    """

    name: str
    cloud: str = ""
    instance_id: str = ""
    edit_id: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)
    total: int = 0
    names: Sequence[Named] = ()
    batch_id: str = ""
    query: str = ""
    who: str = ""
    status: Message = field(default_factory=Message)
    message: Message = field(default_factory=Message)
    at: datetime | None = None
    at_label: Message = field(default_factory=Message)

    @property
    def text(self) -> str:
        """Return status, change and message in the active language."""
        return " · ".join(
            filter(None, [str(self.status), self._change_text(), str(self.message)])
        )

    def _change_text(self) -> str:
        if not self.change:
            return ""
        kind, patch = self.change["kind"], self.change["patch"]
        if "states" in self.change:
            keeps_hours = self.change["keeps_hours"]
            batch = EditBatch(kind=kind, patch=patch or {}, keeps_hours=keeps_hours)
            if self.change["is_undo"]:
                batch = EditBatch(undo_of=batch)
            is_bulk = patch is not None
            what = batch_change_text(batch) if is_bulk else Edit.Kind(kind).label
            counts = batch_counts(Progress(self.change["states"], 0, 0, 0))
            return f"{what} · {counts}" if counts else str(what)
        text = requested_text(kind, patch, self.change.get("skew_ms", 0))
        if state := self.change["state"]:
            text += f" · {Edit.State(state).label}"
        return text

    @property
    def number(self) -> int:
        """Return how many facts it contains."""
        return self.total or 1

    @property
    def unnamed(self) -> int:
        return self.total - len(self.names)

    @property
    def plain(self) -> str:
        """Return the whole line as text, in the active language."""
        when = f"{self.at_label} {moment_text(self.at, 'stop')}" if self.at else ""
        subject = self.name
        if self.name and self.who:
            subject += gettext(" (%(text)s)") % {"text": self.who}
        if self.is_counted:
            fact = f"{self.text} {when}".strip() + gettext(": ") + str(self.total)
        else:
            fact = gettext(", ").join(filter(None, [self.text, when.strip()]))
        names = gettext(", ").join(named.name for named in self.names)
        if names and self.unnamed:
            names += " " + gettext("and %(hidden)s more") % {"hidden": self.unnamed}
        facts = " · ".join(filter(None, [fact, names]))
        return gettext(": ").join(filter(None, [subject or self.who, facts]))

    @property
    def fact(self) -> str:
        """Return what a note about this line starts with, as JSON (``FactForm``)."""
        one = self.names[0] if self.total == 1 and self.names else self
        fact = {"text": self.plain, "cloud": one.cloud, "instance_id": one.instance_id}
        return json.dumps(fact, ensure_ascii=False)

    @property
    def is_counted(self) -> bool:
        """Return whether it is about instances whose number is not in ``text``."""
        return bool(self.total and not self.change)

    @property
    def url(self) -> str:
        if self.instance_id:
            return reverse("instances:detail", args=[self.cloud, self.instance_id])
        return ""

    @property
    def edit_url(self) -> str:
        if self.batch_id:
            page = "batch" if self.change["states"] else "bulk_draft"
            return reverse(f"edits:{page}", args=[self.batch_id])
        return reverse("edits:detail", args=[self.edit_id]) if self.edit_id else ""

    @property
    def list_url(self) -> str:
        return _list_url(self.query)


@dataclass(frozen=True)
class Section:
    """Facts of one kind.

    Attributes:
        key: Of ``TITLES``.
        total: Number of all facts, also of those that are not included.
        query: As of ``Item``, for all of them.
    """

    key: str
    items: Sequence[Item]
    total: int
    query: str = ""

    @property
    def title(self) -> Title:
        return TITLES[self.key]

    @property
    def hidden(self) -> int:
        return self.total - sum(item.number for item in self.items)

    @property
    def list_url(self) -> str:
        return _list_url(self.query)


@dataclass(frozen=True)
class DocumentNote:
    """A note, or an action if it has an owner or a next action.

    Attributes:
        key: Primary key of the ``Note``; 0 in formats 1 and 2.
        by: Who wrote it.
        instance: The instance that it is about.
        carried_from: Title of the handover that it carries over from, if any.
        done_by: Who did it, during this shift; empty for an open action.
    """

    text: str
    owner: str
    next_action: str
    by: str
    key: int = 0
    instance: Named | None = None
    carried_from: Message = field(default_factory=Message)
    done_by: str = ""

    @property
    def is_action(self) -> bool:
        return bool(self.key and (self.owner or self.next_action))


@dataclass(frozen=True)
class Document:
    """The content of a handover.

    Attributes:
        at: When the facts were read.
        since: Start of the shift.
        until: End of the period for coming stops.
        as_of: Last complete refresh of the fleet, if there was one.
        counts: Of the fleet: ``total``, ``running``, ``due`` and ``without_end``. Old
            handovers have ``auto_stop_off`` instead of the last.
        scope: Name of the view that it is about; empty for the whole fleet.
    """

    at: datetime
    since: datetime
    until: datetime
    as_of: datetime | None
    counts: dict[str, int]
    sections: Sequence[Section]
    summary: str = ""
    notes: Sequence[DocumentNote] = field(default_factory=list)
    scope: str = ""

    @property
    def found(self) -> list[Section]:
        return [section for section in self.sections if section.total]

    @property
    def empty(self) -> list[Section]:
        return [section for section in self.sections if not section.total]


def to_json(document: Document) -> dict[str, Any]:
    moments = ("at", "since", "until", "as_of")
    return (
        vars(document)
        | {name: _to_text(getattr(document, name)) for name in moments}
        | {
            "format": FORMAT,
            "notes": [
                vars(note) | {"carried_from": note.carried_from.to_json()}
                for note in document.notes
            ],
            "sections": [
                {
                    "key": section.key,
                    "total": section.total,
                    "query": section.query,
                    "lines": [
                        vars(item)
                        | {"at": _to_text(item.at)}
                        | {name: getattr(item, name).to_json() for name in _MESSAGES}
                        for item in section.items
                    ],
                }
                for section in document.sections
            ],
        }
    )


def from_json(stored: dict[str, Any]) -> Document:
    return Document(
        at=datetime.fromisoformat(stored["at"]),
        since=datetime.fromisoformat(stored["since"]),
        until=datetime.fromisoformat(stored["until"]),
        as_of=_from_text(stored["as_of"]),
        counts=stored["counts"],
        summary=stored["summary"],
        notes=[_note(note) for note in stored["notes"]],
        scope=stored.get("scope", ""),
        sections=[
            Section(
                key=section["key"],
                total=section["total"],
                items=[_item(item) for item in section["lines"]],
                query=section.get("query", ""),
            )
            for section in stored["sections"]
            if section["key"] in TITLES
        ],
    )


def digest(stored: dict[str, Any]) -> str:
    """Return the SHA-256 of a document's JSON, whatever the order of its members."""
    text = json.dumps(stored, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _list_url(query: str) -> str:
    """Return the URL of the list with a query; empty if there is none."""
    return f"{reverse('instances:list')}?{query}" if query else ""


def _note(stored: dict[str, Any]) -> DocumentNote:
    instance = stored.get("instance")
    return DocumentNote(
        **stored
        | {
            "instance": Named(*instance) if instance else None,
            "carried_from": Message.from_json(stored.get("carried_from", {})),
        }
    )


def _item(stored: dict[str, Any]) -> Item:
    names = tuple(Named(*named) for named in stored.get("names", ()))
    values = stored | {"at": _from_text(stored["at"]), "names": names}
    if "words" in values:  # format 1
        message, at_label = verbatim(values.pop("words")), values.pop("at_words")
        return Item(**values, message=message, at_label=verbatim(at_label))
    return Item(**values | {n: Message.from_json(values[n]) for n in _MESSAGES})


def _to_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _from_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
