"""Validate a change sent as JSON with the form of the page.

The form has all the rules: limits, steps, forbidden characters, and which fields count
as changed. This module only translates what JSON and an HTML form spell differently.
"""

from decimal import Decimal
from typing import Any

from dashboard.edits.forms import EditForm
from dashboard.edits.hours import hours_text
from dashboard.edits.snapshot import FormSnapshot, Settings
from dashboard.instances.models import Instance

from .problems import invalid, of_form


class ChangeInput:
    """New settings for an instance.

    Args:
        sent: Only the fields that were sent, by the names of ``schemas.Change``.
    """

    def __init__(self, instance: Instance, sent: dict[str, Any]) -> None:
        self._instance = instance
        self._sent = sent

    def read(self) -> tuple[dict[str, Any], FormSnapshot]:
        """Return the patch for ``services.submit_edit``, and the form snapshot.

        Raises:
            ProblemError: 422 with the errors of each field.
            SnapshotError: As of ``FormSnapshot.read``.
        """
        token = self._sent.get("seen")
        snapshot = (
            FormSnapshot.read(token, self._instance)
            if token
            else FormSnapshot.now(self._instance)
        )
        form = EditForm(self._typed(snapshot.settings), snapshot=snapshot)
        if not form.is_valid():
            errors = of_form(form)
            raise invalid(
                {self._name(name): messages for name, messages in errors.items()}
            )
        return form.patch(), snapshot

    def _typed(self, stored: Settings) -> dict[str, Any]:
        """Return the fields as the page would post them."""
        sent = self._sent
        both = {"auto_stop_hours", "auto_stop_seconds"} <= sent.keys()
        if both:
            once = "Say the run time once: in hours or in seconds."
            raise invalid({"auto_stop_seconds": [once]})
        typed: dict[str, Any] = {}
        if "description" in sent:
            typed["description"] = sent["description"]
        if "prompt" in sent:
            typed |= {"prompt": sent["prompt"], "prompt_shown": True}
        says_hours = bool({"auto_stop_hours", "auto_stop_seconds"} & sent.keys())
        if says_hours or "auto_stop_enable" in sent:
            enable = sent.get("auto_stop_enable", bool(stored.auto_stop_enable))
            if says_hours and not enable:
                off = "Auto-stop is off, where a run time means nothing: switch it on."
                raise invalid({self._name("auto_stop_hours"): [off]})
            typed["auto_stop_enable"] = enable
            typed["auto_stop_hours"] = (
                self._hours(stored)
                if says_hours
                else hours_text(stored.auto_stop_duration)
            )
        return typed

    def _hours(self, stored: Settings) -> str:
        if "auto_stop_hours" in self._sent:
            return hours_typed(self._sent["auto_stop_hours"])
        seconds: int = self._sent["auto_stop_seconds"]
        if seconds == stored.auto_stop_duration:
            return hours_text(seconds)
        return f"{Decimal(seconds) / 3_600:.12f}".rstrip("0").rstrip(".")

    def _name(self, field: str) -> str:
        if field == "auto_stop_hours" and "auto_stop_seconds" in self._sent:
            return "auto_stop_seconds"
        return field


def hours_typed(hours: float) -> str:
    return f"{Decimal(str(hours)):f}".removesuffix(".0")
