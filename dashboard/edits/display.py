"""Edits in words for people: what was asked, by field and value."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.translation import gettext, gettext_lazy

from dashboard.accounts.models import User
from dashboard.instances.countdown import exact_text

from .hours import hours_text
from .merge import Difference, mirror_values
from .models import Attempt, Edit, EditBatch
from .selectors import Progress

FIELD_LABELS = {
    "description": gettext_lazy("Description"),
    "auto_stop_enable": gettext_lazy("Auto-stop"),
    "auto_stop_duration": gettext_lazy("Auto-stop after"),
    "auto_stop_prompt": gettext_lazy("ModelArts console reminder"),
}
"""In the order in which they are told."""

_OUTCOMES = {
    "": gettext_lazy("In progress"),
    "applied": gettext_lazy("Applied and confirmed"),
    "retrying": gettext_lazy("Failed, will retry"),
    "accepted_not_applied": gettext_lazy("Accepted but not applied"),
    "failed": gettext_lazy("Failed"),
    "conflict": gettext_lazy("Not sent: changed by someone else first"),
    "interrupted": gettext_lazy("Interrupted, outcome unknown"),
    "dropped": gettext_lazy("Already up to date"),
}


class Change(NamedTuple):
    """One field of an edit, in words.

    Attributes:
        field: Name in ``Edit.patch``.
        before: As the person saw it.
        wish: What was asked for.
        now: What the cloud holds; empty where that is not told.
    """

    field: str
    label: str
    before: str
    wish: str
    now: str


class Conflict(NamedTuple):
    """A field that somebody else changed meanwhile: two values to choose from.

    Attributes:
        field: Name in ``Edit.patch``.
        base: What the form showed at first.
        now_typed: ``now`` as the form's field holds it; ``wish_typed`` likewise.
        actor: Who changed it; None for a change made outside Curfew.
        changed_at: When they asked for it; None likewise.
    """

    field: str
    label: str
    base: str
    now: str
    now_typed: str
    wish: str
    wish_typed: str
    actor: User | None
    changed_at: datetime | None


def wish(edit: Edit) -> str:
    """What was asked, in a few words without the values of texts."""
    if edit.kind == Edit.Kind.START:
        return gettext("Start")
    if edit.kind == Edit.Kind.STOP:
        return gettext("Stop")
    return patch_text(edit.patch)


def patch_text(patch: Mapping[str, Any]) -> str:
    """The settings asked for, in a few words."""
    said = []
    for field, value in in_order(patch):
        if field == "description":
            said.append(
                gettext("clear the description")
                if not value
                else gettext("new description")
            )
        elif field == "auto_stop_enable":
            said.append(
                gettext("auto-stop %(field)s") % {"field": value_text(field, value)}
            )
        elif field == "auto_stop_duration":
            said.append(
                gettext("run time %(field)s") % {"field": value_text(field, value)}
            )
        else:
            said.append(
                gettext("console reminder %(field)s")
                % {"field": value_text(field, value)}
            )
    text = ", ".join(said)
    return text[:1].upper() + text[1:]


def batch_change_text(batch: EditBatch) -> str:
    """What is asked of each instance of a batch; empty while nothing is chosen."""
    if batch.kind == Edit.Kind.UPDATE:
        own = gettext(", keep run times") if batch.keeps_hours else ""
        return patch_text(batch.patch) + own
    return str(Edit.Kind(batch.kind).label) if batch.kind else ""


def changes(edit: Edit, now: Mapping[str, Any]) -> list[Change]:
    """Each field asked for: from what, to what, and what the cloud holds.

    Args:
        edit: A change of settings; a start or stop has none.
        now: The cloud's values, by field; may lack some.
    """
    return [
        Change(
            field,
            field_label(field),
            value_text(field, edit.base.get(field)),
            value_text(field, value),
            value_text(field, now[field]) if field in now else "",
        )
        for field, value in in_order(edit.patch)
    ]


def comparison(edit: Edit) -> list[Change]:
    """Each field asked for, with the value that the instance shows now."""
    return changes(edit, mirror_values(edit.instance))


def conflict(difference: Difference, behind: Edit | None) -> Conflict:
    """A difference in words, and the edit behind it."""
    field = difference.field
    return Conflict(
        field,
        field_label(field),
        value_text(field, difference.base),
        value_text(field, difference.now),
        _typed(field, difference.now),
        value_text(field, difference.requested),
        _typed(field, difference.requested),
        behind.actor if behind else None,
        behind.created_at if behind else None,
    )


def field_label(field: str) -> str:
    """What a setting is called; one we do not know by its name in the patch."""
    return str(FIELD_LABELS.get(field, field))


def value_text(field: str, value: Any) -> str:
    """One value as a person reads it."""
    if value is None:
        return gettext("not reported")
    if field == "auto_stop_duration":
        return exact_text(value)
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    return str(value) or gettext("(empty)")


def _typed(field: str, value: Any) -> str:
    if field == "auto_stop_duration":
        return hours_text(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def outcome(attempt: Attempt) -> str:
    """How a worker's turn ended."""
    return str(_OUTCOMES.get(attempt.outcome, attempt.outcome))


def in_order(patch: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """By the order of ``FIELD_LABELS``."""
    order = list(FIELD_LABELS)
    return sorted(
        patch.items(),
        key=lambda item: order.index(item[0]) if item[0] in order else len(order),
    )


class BatchOutcome(NamedTuple):
    """How a batch ended, or that it has not ended yet.

    Attributes:
        tone: Of the callout: ``busy``, ``good``, ``info`` or ``warn``.
        headline: One or two words.
        text: One sentence.
    """

    tone: str
    headline: str
    text: str


def batch_counts(done: Progress) -> str:
    """What became of the edits of a batch, such as "99 applied, 1093 cancelled"."""
    parts = (
        (gettext_lazy("%(number)s applied"), done.applied),
        (gettext_lazy("%(number)s cancelled"), done.cancelled),
        (gettext_lazy("%(number)s replaced"), done.superseded),
        (gettext_lazy("%(number)s failed"), done.failed),
        (gettext_lazy("%(number)s retried"), done.tried_again),
        (gettext_lazy("%(number)s in progress"), done.open),
    )
    return ", ".join(text % {"number": number} for text, number in parts if number)


def batch_outcome(done: Progress) -> BatchOutcome:
    """Say how a batch ended; success only where every edit was applied."""
    counts = f"{batch_counts(done)}."
    if done.open:
        text = gettext("This page updates automatically. You can leave it.")
        return BatchOutcome("busy", gettext("In progress."), text)
    if done.cancelled:
        return BatchOutcome("info", gettext("Cancelled."), counts)
    if done.failed:
        text = gettext("The reason is next to each failed change.")
        return BatchOutcome("warn", gettext("Not all done."), f"{counts} {text}")
    if done.applied == done.total:
        text = gettext("Every change was read back from ModelArts.")
        return BatchOutcome("good", gettext("Done."), text)
    return BatchOutcome("info", gettext("Done."), counts)
