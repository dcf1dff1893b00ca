"""Labels of actions and values in the audit trail.

Each app registers its own in a module ``audit_labels``::

    register(
        "view",
        actions={"saved": _("View saved")},
        fields={"shared": Field(_("shared"))},
    )

The page shows values without a label as they are stored.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.urls import NoReverseMatch
from django.utils.functional import Promise

from dashboard.web.templatetags.pages import moment_text

from .models import AuditEvent

type Label = str | Promise


class Field(NamedTuple):
    """How the page shows a value of an event.

    Attributes:
        show: Returns the text of a value that is neither empty nor boolean.
        in_row: Whether the row shows it; otherwise only the row's details do.
    """

    label: Label
    show: Callable[[str], str] = str
    in_row: bool = True


_actions: dict[str, Label] = {}
"""By ``subject.verb``."""

_fields: dict[tuple[str, str], Field] = {}
"""By subject and name."""

_pages: dict[str, Callable[[AuditEvent], str] | None] = {}
"""By subject."""


def register(
    subject: str,
    *,
    actions: Mapping[str, Label],
    fields: Mapping[str, Field] | None = None,
    page: Callable[[AuditEvent], str] | None = None,
) -> None:
    """Register the labels of a subject, when the module is imported.

    Args:
        subject: The first part of the actions, such as ``edit`` of ``edit.applied``.
        actions: Labels by the second part of the action.
        fields: By name in ``before`` and ``after``.
        page: Returns the URL of the page of an event's target.

    Raises:
        ValueError: The subject is already registered.
    """
    if subject in _pages:
        raise ValueError(f"The audit labels of {subject} are registered twice.")
    _pages[subject] = page
    _actions.update({f"{subject}.{verb}": label for verb, label in actions.items()})
    for name, field in (fields or {}).items():
        _fields[subject, name] = field


def actions() -> set[str]:
    """Return all actions that have a label."""
    return set(_actions)


def action_label(action: str) -> str:
    """Return the label of an action, in the active language."""
    return str(_actions.get(action, action))


def field(action: str, name: str) -> Field:
    """Return a field of an action; one that is not registered shows its name."""
    subject = action.partition(".")[0]
    return _fields.get((subject, name)) or Field(name.replace("_", " "))


def page(subject: str, event: AuditEvent) -> str:
    """Return the URL of the subject's page for an event; empty without one."""
    url_of = _pages.get(subject)
    try:
        return url_of(event) if url_of else ""
    except NoReverseMatch:
        return ""


def choice(labels: Iterable[tuple[Any, Label]]) -> Callable[[str], str]:
    """Return a function that shows a choice by its label, other values unchanged."""
    known = {str(value): label for value, label in labels}
    return lambda value: str(known.get(value, value))


def moment(value: str) -> str:
    """Show an ISO 8601 moment in the current time zone."""
    try:
        return moment_text(datetime.fromisoformat(value), "moment")
    except ValueError:
        return value
