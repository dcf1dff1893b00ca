"""Validates a change sent as JSON with the form of the page.

The form has all the rules: limits, steps, forbidden characters, and which fields count
as changed. This module only translates what JSON and an HTML form spell differently.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from dashboard.edits import extension
from dashboard.edits.batch_forms import BulkForm
from dashboard.edits.forms import settings_form
from dashboard.edits.hours import hours_text
from dashboard.edits.plans import BulkChange
from dashboard.edits.run_forms import ExtensionForm
from dashboard.edits.snapshot import FormSnapshot, LeaseSnapshot, Settings
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance

from .bodies import BULK_ACTIONS
from .problems import invalid, of_form
from .serializers import NAMES

_BULK_FIELDS = {
    "hours": {"auto_stop_hours"},
    "start": {"hours"},
    "extend": {"add_hours", "until"},
    "stop": {"reason", "warn_owners"},
}
MAX_HOURS = 1_000
"""More than any cloud allows; each cloud's own limit is in the plan."""


def read_change(
    instance: Instance, sent: dict[str, Any]
) -> tuple[dict[str, Any], FormSnapshot]:
    """Return the patch for ``services.submit_edit``, and the form snapshot.

    Args:
        instance: The instance to change.
        sent: Only the fields that were sent, by the names of ``bodies.Change``.

    Raises:
        ProblemError: 422 with the errors of each field.
        SnapshotError: As of ``FormSnapshot.read``.
    """
    if {"auto_stop_hours", "auto_stop_seconds"} <= sent.keys():
        error = "Send the run time either in hours or in seconds."
        raise invalid({"auto_stop_seconds": [error]})
    _require_fields(instance, sent)
    seen = sent.get("seen")
    snapshot = FormSnapshot.read(seen, instance) if seen else FormSnapshot.now(instance)
    data = _form_data(sent, snapshot.settings)
    form = settings_form(instance, data, snapshot=snapshot)
    if not form.is_valid():
        errors = of_form(form)
        if "auto_stop_seconds" in sent and "auto_stop_hours" in errors:
            errors["auto_stop_seconds"] = errors.pop("auto_stop_hours")
        raise invalid(errors)
    return form.patch(), snapshot


def _require_fields(instance: Instance, sent: dict[str, Any]) -> None:
    """Check that the instance has the settings that were sent.

    Raises:
        ProblemError: 422 with the others.
    """
    known = {NAMES.get(name, name) for name in instance.capabilities.fields}
    if "auto_stop_seconds" in known:
        known.add("auto_stop_hours")
    if not instance.cloud.has_tags:
        known.discard("tags")
    errors = {
        name: [f"This instance has no setting “{name}”."]
        for name in sent
        if name not in known | {"seen"}
    }
    if errors:
        raise invalid(errors)


def read_extension(
    instance: Instance, sent: dict[str, Any]
) -> tuple[dict[str, Any], LeaseSnapshot]:
    """Return the patch for ``services.submit_extension``, and the lease snapshot.

    Args:
        instance: A running instance with a lease.
        sent: Only the fields that were sent, by the names of ``bodies.Extension``.

    Raises:
        ProblemError: 422 with the errors of each field.
        SnapshotError: As of ``LeaseSnapshot.read``.
    """
    asked = sorted(sent.keys() - {"seen"})
    if len(asked) != 1:
        raise invalid({"": ["Send one of “until”, “hours” and “idle_hours”."]})
    seen, now = sent.get("seen"), timezone.now()
    snapshot = (
        LeaseSnapshot.read(seen, instance) if seen else LeaseSnapshot.now(instance)
    )
    if "until" in sent:
        read_moment(sent["until"], "until")
    data = {name: _typed(sent[name]) for name in asked}
    form = ExtensionForm(data, instance=instance, snapshot=snapshot, now=now)
    if not form.is_valid():
        errors = of_form(form)
        if whole := errors.pop("", None):
            errors[asked[0]] = whole
        raise invalid(errors)
    return form.cleaned_data["patch"], snapshot


def read_start(instance: Instance, sent: dict[str, Any]) -> dict[str, Any] | None:
    """Return the patch for ``services.submit_power``; None without a run time.

    Raises:
        ProblemError: 422 with the errors of each field.
    """
    asked = {name: value for name, value in sent.items() if value is not False}
    if not asked:
        return None
    if instance.capabilities.has_auto_stop_setting:
        why_not = str(instance.capabilities.explanation())
        raise invalid({name: [why_not] for name in asked})
    if len(asked) > 1:
        raise invalid({"hours": ["A run without auto-stop has no run time."]})
    hours = asked.get("hours")
    patch = {"auto_stop_enable": hours is not None}
    if hours is not None:
        patch["auto_stop_duration"] = round(hours * 3_600)
    try:
        return extension.start_patch(instance, patch)
    except ValidationError as error:
        raise invalid({next(iter(asked)): error.messages}) from None


def read_bulk(action: str, sent: dict[str, Any]) -> BulkChange:
    """Return the change of many instances.

    Args:
        action: Of ``bodies.BULK_ACTIONS``.
        sent: The other fields of the request, by the names of ``bodies.BulkRequest``.

    Raises:
        ProblemError: 422 with the errors of each field.
    """
    if action not in BULK_ACTIONS:
        raise invalid({"action": [f"Send one of {', '.join(BULK_ACTIONS)}."]})
    if unused := sorted(sent.keys() - _BULK_FIELDS.get(action, set())):
        raise invalid({name: [f"Not for the action “{action}”."] for name in unused})
    if action == "extend":
        if len(sent) != 1:
            raise invalid({"": ["Send either “add_hours” or “until”."]})
        if "until" in sent:
            if read_moment(sent["until"], "until") <= timezone.now():
                raise invalid({"until": ["This moment has passed. Send a later one."]})
        else:
            _require_hours(sent["add_hours"], "add_hours")
        names = {"add_hours": "hours", "until": "until"}
        patch = {names[name]: value for name, value in sent.items()}
        return BulkChange(EditKind.EXTEND, patch)
    if action == "start" and "hours" in sent:
        seconds = round(_require_hours(sent["hours"], "hours") * 3_600)
        patch = {"auto_stop_enable": True, "auto_stop_duration": seconds}
        return BulkChange(EditKind.START, patch)
    data: dict[str, Any] = {"action": action} | {
        name: sent[name] for name in ("reason", "warn_owners") if name in sent
    }
    if "auto_stop_hours" in sent:
        data["auto_stop_hours"] = hours_typed(sent["auto_stop_hours"])
    form = BulkForm(data)
    if not form.is_valid():
        raise invalid(of_form(form))
    return form.change()


def read_moment(text: str, field: str) -> datetime:
    """Return a moment with its zone.

    Raises:
        ProblemError: 422 for any other text.
    """
    try:
        moment = parse_datetime(text)
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise invalid({field: ["Send a moment with its offset: 2026-11-25T12:00:00Z."]})


def _require_hours(hours: float, field: str) -> float:
    if not 0 < hours <= MAX_HOURS:
        raise invalid({field: ["Send a number of hours that a cloud allows."]})
    return hours


def _typed(value: str | float) -> str:
    return value if isinstance(value, str) else hours_typed(value)


def _form_data(sent: dict[str, Any], base: Settings) -> dict[str, Any]:
    """Return the fields as the page would post them."""
    names = ("name", "description", "prompt")
    data: dict[str, Any] = {name: sent[name] for name in names if name in sent}
    if "tags" in sent:
        data["tag_key"] = list(sent["tags"])
        data["tag_value"] = list(sent["tags"].values())
    if "prompt" in sent:
        data["prompt_shown"] = True
    run_time = {"auto_stop_hours", "auto_stop_seconds"} & sent.keys()
    if run_time or "auto_stop_enable" in sent:
        data["auto_stop_enable"] = sent.get(
            "auto_stop_enable", bool(base.auto_stop_enable)
        )
        data["auto_stop_hours"] = _hours(sent, base)
        if run_time and not data["auto_stop_enable"]:
            error = "Auto-stop is off. Turn it on to set a run time."
            raise invalid({run_time.pop(): [error]})
    return data


def _hours(sent: dict[str, Any], base: Settings) -> str:
    if "auto_stop_hours" in sent:
        return hours_typed(sent["auto_stop_hours"])
    seconds: Any = sent.get("auto_stop_seconds", base.auto_stop_duration)
    if seconds == base.auto_stop_duration:
        return hours_text(seconds)
    return f"{Decimal(seconds) / 3_600:.12f}".rstrip("0").rstrip(".")


def hours_typed(hours: float) -> str:
    """Return hours as people type them into the form."""
    return f"{Decimal(str(hours)):f}".removesuffix(".0")
