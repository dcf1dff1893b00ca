"""Notes and actions as pages show them: with links, and whether they are done."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.template.defaultfilters import urlize
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.accounts.models import User
from dashboard.instances.models import Instance

from .document import Document, DocumentNote
from .models import Note

_URL_OR_NAME = re.compile(r"(?P<url>\w+://\S+|www\.\S+)|(?P<name>\w[\w.-]*\w)")
_SHORTEST = 4
"""Shorter words are rarely meant as a name."""

_MOST_WORDS = 500


class NoteLine(NamedTuple):
    """A note of a document.

    Attributes:
        row: Says whether an action is done by now; None for other notes.
        text: HTML, as ``next_action``.
    """

    note: DocumentNote
    row: Note | None
    text: SafeString
    next_action: SafeString


class Words(NamedTuple):
    """What people wrote into a handover.

    Attributes:
        summary: HTML.
    """

    summary: SafeString
    actions: list[NoteLine]
    notes: list[NoteLine]


def words(document: Document, user: User) -> Words:
    """Return what people wrote, with the current state of the actions."""
    texts = [text for note in document.notes for text in (note.text, note.next_action)]
    links = NoteLinks([document.summary, *texts], user)
    lines = _lines(document.notes, links)
    return Words(
        links.html(document.summary),
        [line for line in lines if line.note.is_action],
        [line for line in lines if not line.note.is_action],
    )


def action_line(note: DocumentNote, user: User) -> NoteLine:
    """Return an action with its current state."""
    return _lines([note], NoteLinks([note.text, note.next_action], user))[0]


def _lines(notes: Sequence[DocumentNote], links: "NoteLinks") -> list[NoteLine]:
    keys = [note.key for note in notes if note.is_action]
    rows = Note.objects.select_related("done_by", "handover").defer(
        "handover__document", "handover__summary"
    )
    by_key = rows.in_bulk(keys) if keys else {}
    return [
        NoteLine(
            note,
            by_key.get(note.key),
            links.html(note.text),
            links.html(note.next_action),
        )
        for note in notes
    ]


class NoteLinks:
    """The pages of the instances that texts name, read with one query."""

    def __init__(self, texts: Iterable[str], user: User) -> None:
        words = {
            match["name"]: None
            for text in texts
            for match in _URL_OR_NAME.finditer(text)
            if match["name"] and len(match["name"]) >= _SHORTEST
        }
        named = Instance.objects.visible_to(user).filter(
            name__in=list(words)[:_MOST_WORDS]
        )
        self._urls: dict[str, str] = {}
        values = named.order_by("missing_since", "-pk") if words else named.none()
        for name, *args in values.values_list("name", "cloud__name", "instance_id"):
            # Two clouds may have the same name: the list shows both.
            url = reverse("instances:detail", args=args)
            several = f"{reverse('instances:list')}?q={name}"
            self._urls[name] = several if name in self._urls else url

    def html(self, text: str) -> SafeString:
        """Return a text as HTML, in which URLs and names of instances are links."""
        parts: list[str] = []
        end = 0
        for match in _URL_OR_NAME.finditer(text):
            url = self._urls.get(match["name"] or "")
            if url is None:
                continue
            link = format_html('<a href="{}" dir="auto">{}</a>', url, match["name"])
            parts += [urlize(text[end : match.start()]), link]
            end = match.end()
        parts.append(urlize(text[end:]))
        return format_html_join("", "{}", ((part,) for part in parts))
