from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from . import labels
from .models import AuditEvent

Outcome = AuditEvent.Outcome

TONES_AND_ICONS: dict[str, tuple[str, str]] = {
    Outcome.DONE: ("rest", "check"),
    Outcome.REFUSED: ("warn", "ban"),
    Outcome.FAILED: ("bad", "triangle-alert"),
}

MAX_IN_ROW = 3
"""The row of an event shows at most this many changes; its details show all."""


class Change(NamedTuple):
    """A changed value; ``before`` or ``after`` may be empty."""

    name: str
    before: str
    after: str


class Line(NamedTuple):
    """An event as a line of the page.

    Attributes:
        in_row: The changes that the row shows.
        instance_url: Empty without an instance.
        target_url: Empty without a page, or when the target is the instance.
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
    changes = _changes(event)
    is_instance = event.target_kind == "instance"
    tone, icon = TONES_AND_ICONS[event.outcome]
    return Line(
        event,
        labels.action_label(event.action),
        tone,
        icon,
        [change for change, _ in changes],
        [change for change, is_in_row in changes if is_in_row][:MAX_IN_ROW],
        labels.page("instance", event) if event.instance else "",
        "" if is_instance else labels.page(event.target_kind, event),
    )


def _changes(event: AuditEvent) -> list[tuple[Change, bool]]:
    """Return each changed value by name, and whether the row shows it."""
    before, after = _flat(event, event.before), _flat(event, event.after)
    values = before | after
    return [
        (Change(name, before.get(name, ("",))[0], after.get(name, ("",))[0]), in_row)
        for name, (_, in_row) in sorted(values.items())
    ]


def _flat(
    event: AuditEvent, values: dict[str, Any], prefix: str = ""
) -> dict[str, tuple[str, bool]]:
    """Return text and ``in_row`` of each value by label, nested ones as ``a: b``."""
    flat: dict[str, tuple[str, bool]] = {}
    for name, value in values.items():
        field = labels.field(event.action, name)
        label = f"{prefix}{field.label}"
        if isinstance(value, dict):
            flat |= _flat(event, value, label + _(": "))
        else:
            flat[label] = _text(field, value), field.in_row
    return flat


def _text(field: labels.Field, value: Any) -> str:
    if value is None:
        return _("not known")
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if isinstance(value, list):
        return _(", ").join(_text(field, item) for item in value) or _("(none)")
    return field.show(str(value)) if value != "" else _("(empty)")
