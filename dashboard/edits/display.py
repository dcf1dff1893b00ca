"""Edits and batches in words."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts.models import User
from dashboard.instances.durations import exact_text
from dashboard.modelarts.instance_state import IDLE, TIMING
from dashboard.web.templatetags.pages import moment_text

from . import leases
from .hours import hours_text
from .merge import Difference, expected_values, is_same
from .models import Attempt, Edit, EditBatch
from .selectors import Progress, edit_behind

FIELD_LABELS = {
    "name": _("Name"),
    "description": _("Description"),
    "tags": _("Tags"),
    "auto_stop_enable": _("Auto-stop"),
    "auto_stop_duration": _("Auto-stop after"),
    "auto_stop_prompt": _("ModelArts console reminder"),
    "stop_timestamp_ms": _("End of this run"),
    "lease_type": _("Stops"),
    "idle_seconds": _("When idle for"),
}
"""In the order in which pages show them."""

_OUTCOMES = {
    "": _("In progress"),
    "applied": _("Applied and confirmed"),
    "retrying": _("Failed, will retry"),
    "accepted_not_applied": _("Accepted but not applied"),
    "failed": _("Failed"),
    "conflict": _("Not sent: changed by someone else first"),
    "interrupted": _("Interrupted, outcome unknown"),
    "dropped": _("Already up to date"),
}


_PATCH_TEXTS = {
    "auto_stop_enable": _("auto-stop %(field)s"),
    "auto_stop_duration": _("run time %(field)s"),
    "auto_stop_prompt": _("console reminder %(field)s"),
    "name": _("name %(field)s"),
}
_LEASE_TYPES = {TIMING: _("at a fixed time"), IDLE: _("when idle")}


class FieldChange(NamedTuple):
    """One field of an edit, in words.

    Attributes:
        field: Name in ``Edit.patch``.
        before: The base.
        current: The value in the cloud; empty if it is not shown.
    """

    field: str
    label: str
    before: str
    requested: str
    current: str


class Conflict(NamedTuple):
    """A field that another person has changed, with the two values to choose from.

    Attributes:
        field: Name in ``Edit.patch``.
        base: The value that the form showed first.
        current_input: ``current`` as the form's input needs it; ``requested_input``
            likewise.
        actor: Who changed it; None for a change made outside Curfew.
        changed_at: When they requested it; None likewise.
    """

    field: str
    label: str
    base: str
    current: str
    current_input: str
    requested: str
    requested_input: str
    actor: User | None
    changed_at: datetime | None

    @property
    def is_changed(self) -> bool:
        """Whether its value is another than the form showed."""
        return self.base != self.current


def change_text(edit: Edit) -> str:
    """Return the requested change in a few words, without the values of texts."""
    return requested_text(edit.kind, edit.patch, edit.instance.cloud.skew_ms)


def requested_text(kind: str, patch: Mapping[str, Any], skew_ms: int) -> str:
    """Return a change in a few words.

    Args:
        kind: Of ``Edit.Kind``.
        patch: As of ``Edit``.
        skew_ms: How far the clock of its cloud is ahead.
    """
    if kind == Edit.Kind.UPDATE:
        return patch_text(patch)
    if kind == Edit.Kind.EXTEND:
        return _extension_text(patch, skew_ms)
    return _start_text(patch) if patch else str(Edit.Kind(kind).label)


def _start_text(run: Mapping[str, Any]) -> str:
    if not run["auto_stop_enable"]:
        return gettext("Start without auto-stop")
    length = exact_text(run["auto_stop_duration"])
    return gettext("Start for %(length)s") % {"length": length}


def _extension_text(patch: Mapping[str, Any], skew_ms: int) -> str:
    if "idle_seconds" in patch:
        length = exact_text(patch["idle_seconds"])
        return gettext("Stop when idle for %(length)s") % {"length": length}
    end = value_text("stop_timestamp_ms", patch["stop_timestamp_ms"], skew_ms)
    return gettext("Extend until %(end)s") % {"end": end}


def patch_text(patch: Mapping[str, Any]) -> str:
    """Return the requested settings in a few words."""
    parts = []
    for field, value in in_order(patch):
        if field in _PATCH_TEXTS:
            parts.append(_PATCH_TEXTS[field] % {"field": value_text(field, value)})
        elif field == "tags":
            parts.append(gettext("new tags") if value else gettext("clear the tags"))
        else:
            parts.append(
                gettext("new description")
                if value
                else gettext("clear the description")
            )
    text = gettext(", ").join(parts)
    return text[:1].upper() + text[1:]


def batch_change_text(batch: EditBatch) -> str:
    """Return the change of a batch in a few words; empty while none is chosen."""
    if batch.undo_of:
        undone = batch_change_text(batch.undo_of)
        return gettext("Undo: %(change)s") % {"change": undone}
    if batch.kind == Edit.Kind.UPDATE and not batch.patch:
        # The undo of a bulk change that is not at hand.
        return gettext("Previous values")
    if batch.kind == Edit.Kind.UPDATE:
        keep = gettext(", keep run times") if batch.keeps_hours else ""
        return patch_text(batch.patch) + keep
    if batch.kind == Edit.Kind.EXTEND:
        return _batch_extension_text(batch.patch)
    return requested_text(batch.kind, batch.patch, 0) if batch.kind else ""


def _batch_extension_text(patch: Mapping[str, Any]) -> str:
    if "until" in patch:
        end = moment_text(datetime.fromisoformat(patch["until"]), "stop")
        return gettext("Extend until %(end)s") % {"end": end}
    length = exact_text(round(patch["hours"] * 3600))
    return gettext("Extend each run by %(length)s") % {"length": length}


def changes(edit: Edit, current: Mapping[str, Any]) -> list[FieldChange]:
    """Return the fields of an edit in words; none for a start or stop.

    Args:
        edit: The edit.
        current: The cloud's values, by field; may lack some.
    """
    if edit.kind in {Edit.Kind.START, Edit.Kind.STOP}:
        return []
    skew_ms = edit.instance.cloud.skew_ms
    return [
        FieldChange(
            field,
            field_label(field),
            value_text(field, edit.base.get(field), skew_ms),
            value_text(field, value, skew_ms),
            value_text(field, current[field], skew_ms) if field in current else "",
        )
        for field, value in in_order(edit.patch)
    ]


def from_to(edit: Edit) -> list[FieldChange]:
    """Return the fields that an edit changes, from the base to the request."""
    return [change for change in changes(edit, {}) if change.before != change.requested]


def conflict(difference: Difference, edit: Edit | None, skew_ms: int = 0) -> Conflict:
    """Return a difference in words, with the edit that caused it.

    Args:
        difference: Of a setting, or of a lease.
        edit: None if it was changed outside Curfew.
        skew_ms: How far the clock of its cloud is ahead; for a lease.
    """
    field = difference.field
    return Conflict(
        field,
        field_label(field),
        value_text(field, difference.base, skew_ms),
        value_text(field, difference.current, skew_ms),
        _input(field, difference.current),
        value_text(field, difference.requested, skew_ms),
        _input(field, difference.requested),
        edit.actor if edit else None,
        edit.created_at if edit else None,
    )


def conflicts(edit: Edit) -> list[Conflict]:
    """Return the settings between which a person chooses; none unless in conflict.

    A setting that has the requested value by now is left out. For the others it reads
    who gave them their current value.
    """
    if not edit.may_be_discarded or edit.kind != Edit.Kind.UPDATE:
        return []
    current = expected_values(edit.instance)
    choices = [
        Difference(name, edit.base.get(name), current[name], value)
        for name, value in in_order(edit.patch)
        if not is_same(current[name], value)
    ]
    return [
        conflict(choice, edit_behind(edit.instance, choice.field, choice.current))
        for choice in choices
    ]


def field_label(field: str) -> str:
    """Return the label of a setting; its name if it is unknown."""
    return str(FIELD_LABELS.get(field, field))


def value_text(field: str, value: Any, skew_ms: int = 0) -> str:
    """Return a value as a person reads it.

    Args:
        field: Name in ``Edit.patch``.
        value: None if it is unknown or, of a lease, not there.
        skew_ms: How far the clock of its cloud is ahead; for the end of a lease.
    """
    if value is None:
        if field == "idle_seconds":
            # It is unknown, or the run has a fixed end.
            return "\N{EN DASH}"
        is_lease = field in leases.FIELDS
        return gettext("none") if is_lease else gettext("not reported")
    if field in {"auto_stop_duration", "idle_seconds"}:
        return exact_text(value)
    if field == "stop_timestamp_ms":
        at = datetime.fromtimestamp((value - skew_ms) / 1000, UTC)
        return moment_text(at, "stop")
    if field == "lease_type":
        return str(_LEASE_TYPES.get(value, value)) or gettext("none")
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    if isinstance(value, dict):
        value = gettext(", ").join(f"{key}={text}" for key, text in value.items())
    return str(value) or gettext("(empty)")


def _input(field: str, value: Any) -> str:
    if field == "auto_stop_duration":
        return hours_text(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def outcome(attempt: Attempt) -> str:
    return str(_OUTCOMES.get(attempt.outcome, attempt.outcome))


def in_order(patch: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the items of a patch in the order of ``FIELD_LABELS``."""
    fields = dict.fromkeys([*FIELD_LABELS, *patch])
    return [(field, patch[field]) for field in fields if field in patch]


class BatchOutcome(NamedTuple):
    """How a batch has ended, or that it is in progress.

    Attributes:
        tone: Of the callout: ``busy``, ``good``, ``info`` or ``warn``.
    """

    tone: str
    headline: str
    text: str


def batch_counts(progress: Progress) -> str:
    """Return the edits of a batch by result, such as "99 applied, 1093 cancelled"."""
    parts = (
        (_("%(number)s applied"), progress.applied),
        (_("%(number)s cancelled"), progress.cancelled),
        (_("%(number)s superseded"), progress.superseded),
        (_("%(number)s failed"), progress.failed),
        (_("%(number)s retried"), progress.retried),
        (_("%(number)s in progress"), progress.open),
    )
    return _counts(parts)


def _cancelled_counts(progress: Progress) -> str:
    """Return what has become of a cancelled batch: "99 changed, 1,093 not sent"."""
    parts = (
        (_("%(number)s changed"), progress.applied),
        (_("%(number)s not sent"), progress.cancelled - progress.tried),
        (_("%(number)s cancelled while retrying"), progress.tried),
        (_("%(number)s superseded"), progress.superseded),
        (_("%(number)s failed"), progress.failed),
        (_("%(number)s retried"), progress.retried),
    )
    return _counts(parts)


def _counts(parts: Iterable[tuple[Promise, int]]) -> str:
    return gettext(", ").join(
        text % {"number": number_format(number, force_grouping=True)}
        for text, number in parts
        if number
    )


def batch_outcome(progress: Progress, batch: EditBatch) -> BatchOutcome:
    kind = batch.kind
    counts = f"{batch_counts(progress)}."
    if progress.open and batch.sends_at and batch.sends_at > timezone.now():
        text = gettext(
            "The owners are notified now, and the stops are sent at %(time)s. Until "
            "then you can cancel them."
        ) % {"time": moment_text(batch.sends_at, "time")}
        return BatchOutcome("busy", gettext("Announced."), text)
    if progress.open:
        text = gettext("This page updates automatically. You can leave it.")
        return BatchOutcome("busy", gettext("In progress."), text)
    if progress.cancelled:
        text = gettext("Cancelled: %(counts)s.")
        return BatchOutcome("info", text % {"counts": _cancelled_counts(progress)}, "")
    if progress.failed:
        text = gettext("The reason is next to each failed change.")
        return BatchOutcome("warn", gettext("Not all done."), f"{counts} {text}")
    if progress.applied == progress.total:
        if kind == Edit.Kind.START:
            text = gettext("ModelArts has accepted every start.")
        elif kind == Edit.Kind.STOP:
            text = gettext("ModelArts has accepted every stop.")
        elif kind == Edit.Kind.EXTEND:
            text = gettext("ModelArts has confirmed every new end.")
        else:
            text = gettext("ModelArts has confirmed every change.")
        return BatchOutcome("good", gettext("Done."), text)
    return BatchOutcome("info", gettext("Done."), counts)
