"""Audit events in words for people."""

from typing import Any, NamedTuple

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext

from . import actions, values_in_words
from .models import AuditEvent

Outcome = AuditEvent.Outcome

TONES: dict[str, str] = {
    Outcome.DONE: "rest",
    Outcome.REFUSED: "warn",
    Outcome.FAILED: "bad",
}
ICONS: dict[str, str] = {
    Outcome.DONE: "check",
    Outcome.REFUSED: "ban",
    Outcome.FAILED: "triangle-alert",
}


RECEIPTS = {"edit": "edits:receipt", "batch": "edits:batch"}
"""Pages that tell what became of a target, by its kind."""

MOST_TOLD = 3
"""Values that a row shows; all of them are behind its details."""


class Change(NamedTuple):
    """One value: from what to what; empty where there was none."""

    name: str
    before: str
    after: str


class Line(NamedTuple):
    """An event as one line of the page.

    Attributes:
        who: Who did it; one who is not known in the reader's language.
        target: What it was done to; our own names of things in the reader's language.
        url: Page of the target; empty when it has none.
        told: Of the changes, the values of the target: the row shows them.
        receipt_url: Page of the edit or batch, for those; else empty.
    """

    event: AuditEvent
    action: str
    tone: str
    icon: str
    changes: list[Change]
    who: str
    target: str
    url: str
    told: list[Change]
    receipt_url: str


def line(event: AuditEvent) -> Line:
    """Everything the page shows of an event."""
    changed = changes(event)
    return Line(
        event,
        action_text(event.action),
        TONES.get(event.outcome, "rest"),
        ICONS.get(event.outcome, "check"),
        changed,
        event.actor_name,
        event.target_name,
        _url(event),
        _told(event, changed),
        _receipt_url(event),
    )


def action_text(action: str) -> str:
    """``user.signed_in`` as ``User signed in``."""
    return actions.words(action)


def changes(event: AuditEvent) -> list[Change]:
    """Each value that was there before or after, in the order of their names."""
    before, after = _flat(event.before), _flat(event.after)
    if event.target_kind == "edit":
        # What an edit was based on is more than what it changes.
        before = {name: value for name, value in before.items() if name in after}
    return [
        Change(name, before.get(name, ""), after.get(name, ""))
        for name in sorted(before.keys() | after.keys())
    ]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{values_in_words.name(name)}: ")
        else:
            found[f"{prefix}{values_in_words.name(name)}"] = _text(name, value)
    return found


def _text(name: str, value: Any) -> str:
    if value is None:
        return gettext("not known")
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    if isinstance(value, list):
        return ", ".join(_text(name, one) for one in value) or gettext("(none)")
    return values_in_words.text(name, str(value)) or gettext("(empty)")


def _told(event: AuditEvent, changed: list[Change]) -> list[Change]:
    if event.target_kind != "edit":
        return changed[:MOST_TOLD]
    progress = {values_in_words.name("state")}
    return [one for one in changed if one.name not in progress][:MOST_TOLD]


def _receipt_url(event: AuditEvent) -> str:
    try:
        if event.target_kind in RECEIPTS:
            return reverse(RECEIPTS[event.target_kind], args=[event.target_id])
    except NoReverseMatch:
        return ""
    return ""


def _url(event: AuditEvent) -> str:
    # By name: their apps sit above this one.
    try:
        if event.instance:
            return reverse("instances:detail", args=event.instance.rsplit("/", 1))
    except NoReverseMatch:
        return ""
    return ""
