"""Audit events as the lines of a page."""

from typing import Any, NamedTuple

from django.utils.translation import gettext

from . import labels
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

MOST_IN_ROW = 3
"""Values that a row shows; all of them are in its details."""


class Change(NamedTuple):
    """One value: from what to what; empty where there was none."""

    name: str
    before: str
    after: str


class Line(NamedTuple):
    """An event as one line of the page.

    Attributes:
        changes: All values.
        in_row: Those of them that the row shows.
        instance_url: Page of the instance that it is about; empty without one.
        target_url: Page of the target, where that is not the instance; else empty.
    """

    event: AuditEvent
    action: str
    tone: str
    icon: str
    changes: list[Change]
    in_row: list[Change]
    instance_url: str
    target_url: str


def line(event: AuditEvent) -> Line:
    """Everything the page shows of an event."""
    changes = _changes(event)
    is_instance = event.target_kind == "instance"
    return Line(
        event,
        labels.action_label(event.action),
        TONES.get(event.outcome, "rest"),
        ICONS.get(event.outcome, "check"),
        [change for change, _ in changes],
        [change for change, is_in_row in changes if is_in_row][:MOST_IN_ROW],
        labels.page("instance", event) if event.instance else "",
        "" if is_instance else labels.page(event.target_kind, event),
    )


def _changes(event: AuditEvent) -> list[tuple[Change, bool]]:
    """Each value before or after by name, and whether the row shows it."""
    before, after = _flat(event, event.before), _flat(event, event.after)
    shown = before | after
    return [
        (Change(name, before.get(name, ("",))[0], after.get(name, ("",))[0]), in_row)
        for name, (_, in_row) in sorted(shown.items())
    ]


def _flat(
    event: AuditEvent, values: dict[str, Any], prefix: str = ""
) -> dict[str, tuple[str, bool]]:
    """Text and ``in_row`` of each value by its label; nested ones after a colon."""
    found: dict[str, tuple[str, bool]] = {}
    for name, value in values.items():
        field = labels.field(event.action, name)
        label = f"{prefix}{field.label}"
        if isinstance(value, dict):
            found |= _flat(event, value, f"{label}: ")
        else:
            found[label] = _text(field, value), field.in_row
    return found


def _text(field: labels.Field, value: Any) -> str:
    if value is None:
        return gettext("not known")
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    if isinstance(value, list):
        return ", ".join(_text(field, one) for one in value) or gettext("(none)")
    return field.show(str(value)) if value != "" else gettext("(empty)")
