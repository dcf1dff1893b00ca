"""Labels of actions and values in the audit trail.

Each app registers its own in a module ``audit_labels``::

    register(
        "view",
        actions={"saved": gettext_lazy("View saved")},
        fields={"shared": Field(gettext_lazy("shared"))},
    )

What nobody registers is shown as it is stored.
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
    """How a value of an event is shown.

    Attributes:
        label: Its name.
        show: Makes text of a value that is neither empty nor a switch.
        in_row: Whether the row shows it; else only the row's details.
    """

    label: Label
    show: Callable[[str], str] = str
    in_row: bool = True


class _Subject(NamedTuple):
    actions: Mapping[str, Label]
    fields: Mapping[str, Field]
    page: Callable[[AuditEvent], str] | None


_NOTHING = _Subject({}, {}, None)
_subjects: dict[str, _Subject] = {}


def register(
    subject: str,
    *,
    actions: Mapping[str, Label],
    fields: Mapping[str, Field] | None = None,
    page: Callable[[AuditEvent], str] | None = None,
) -> None:
    """Register the labels of one kind of thing; once, when the module is imported.

    Args:
        subject: What the actions begin with, such as ``edit`` of ``edit.applied``.
        actions: Labels by the rest of their names.
        fields: By their names in ``before`` and ``after``.
        page: Returns the address of the page of an event's target.

    Raises:
        ValueError: The subject is registered already.
    """
    if subject in _subjects:
        raise ValueError(f"The audit labels of {subject} are registered twice.")
    _subjects[subject] = _Subject(actions, fields or {}, page)


def actions() -> set[str]:
    """All actions that have a label."""
    return {
        f"{name}.{action}" for name, one in _subjects.items() for action in one.actions
    }


def action_label(action: str) -> str:
    """The label of an action, in the active language."""
    subject, _, name = action.partition(".")
    return str(_subjects.get(subject, _NOTHING).actions.get(name, action))


def field(action: str, name: str) -> Field:
    """The field of an action's values; one that nobody registers shows its name."""
    subject = _subjects.get(action.partition(".")[0], _NOTHING)
    return subject.fields.get(name) or Field(name.replace("_", " "))


def has_field(action: str, name: str) -> bool:
    """Whether the value of an action is registered."""
    return name in _subjects.get(action.partition(".")[0], _NOTHING).fields


def page(subject: str, event: AuditEvent) -> str:
    """The address of the page that a subject has for an event; empty without one."""
    show = _subjects.get(subject, _NOTHING).page
    try:
        return show(event) if show else ""
    except NoReverseMatch:
        return ""


def choice(labels: Iterable[tuple[Any, Label]]) -> Callable[[str], str]:
    """Shows the label of a choice, and a value that is none as it is."""
    known = {str(value): label for value, label in labels}
    return lambda value: str(known.get(value, value))


def moment(value: str) -> str:
    """Shows an ISO 8601 moment in the reader's time zone."""
    try:
        return moment_text(datetime.fromisoformat(value), "moment")
    except ValueError:
        return value
