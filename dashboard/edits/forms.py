"""What a person may type about an instance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from dashboard.instances.countdown import exact_text
from dashboard.instances.messages import message_of
from dashboard.modelarts.schemas import (
    AUTO_STOP_MAX_SECONDS,
    AUTO_STOP_MIN_SECONDS,
    DESCRIPTION_FORBIDDEN,
    DESCRIPTION_MAX_LENGTH,
    description_problems,
)

from .hours import (
    MAX_HOURS,
    MIN_HOURS,
    PROBLEMS,
    STEP_SECONDS,
    hours_text,
    in_range,
    problem_text,
    seconds_of,
)
from .snapshot import FormSnapshot, Settings

PRESET_HOURS = (1, 2, 4, 8, 12, 24)

THEIRS = "theirs"
"""Posted as ``choice_<field>`` to leave a setting as somebody else has changed it."""


_STEPS = range(AUTO_STOP_MIN_SECONDS, AUTO_STOP_MAX_SECONDS + 1, STEP_SECONDS)


@dataclass(frozen=True)
class Limits:
    """The form's rules, for the attributes that page and script go by."""

    description_max_length: int = DESCRIPTION_MAX_LENGTH
    description_forbidden: str = DESCRIPTION_FORBIDDEN
    min_hours: int = MIN_HOURS
    max_hours: int = MAX_HOURS
    step_hours: str = hours_text(STEP_SECONDS)
    preset_hours: tuple[int, ...] = PRESET_HOURS

    @property
    def hours(self) -> list[tuple[str, str]]:
        """Each step of the slider: as the box shows it, and in words."""
        return [(hours_text(seconds), exact_text(seconds)) for seconds in _STEPS]


class EditForm(forms.Form):
    """Description, auto-stop and reminder of one instance.

    A field counts as changed when it differs from what the form was opened on, so
    that nobody is made to repair, or to send, what they did not touch. The hours are
    compared as text: a stored 5 000 s is shown as ``1.39`` and stays 5 000 s until
    that text is another one.

    Args:
        data: The posted fields, None for a form that is being opened.
        snapshot: What the form shows, or showed, at first.
        changes: Of a form that is opened again: the patch typed before, laid over it.
    """

    limits = Limits()

    description = forms.CharField(required=False, strip=False)
    auto_stop_enable = forms.BooleanField(required=False)
    auto_stop_hours = forms.CharField(required=False)
    prompt = forms.BooleanField(required=False)
    # A checkbox that is off is not posted, and neither is one that was not there.
    prompt_shown = forms.BooleanField(required=False)

    def __init__(
        self,
        data: Any = None,
        *,
        snapshot: FormSnapshot,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.snapshot = snapshot
        shown = Settings(**(snapshot.settings.as_dict() | dict(changes or {})))
        super().__init__(
            data,
            initial={
                "description": shown.description,
                "auto_stop_enable": bool(shown.auto_stop_enable),
                "auto_stop_hours": hours_text(shown.auto_stop_duration),
                "prompt": _reminds(shown),
            },
        )

    def clean_description(self) -> str:
        """Check a text that was changed; one that was found so may stay.

        Raises:
            ValidationError: ModelArts would refuse the text.
        """
        text = _unified_line_breaks(self.cleaned_data["description"])
        stored = self.snapshot.settings.description
        # Browsers send CRLF whatever the field held before.
        if text == _unified_line_breaks(stored):
            return stored
        if problems := description_problems(text):
            raise forms.ValidationError([str(message_of(one)) for one in problems])
        return text

    def clean_auto_stop_hours(self) -> int | None:
        """Delivery hours into **seconds**; None where the stored ones stay.

        Raises:
            ValidationError: No duration that ModelArts accepts. Never while the switch
                is off, when the box means nothing.
        """
        if not self.cleaned_data["auto_stop_enable"]:
            return None
        stored = self.snapshot.settings.auto_stop_duration
        text = self.cleaned_data["auto_stop_hours"]
        untouched = stored is not None and text == hours_text(stored)
        # Even one out of range may stay, unless it is switched on only now.
        if untouched and (self.snapshot.settings.auto_stop_enable or in_range(stored)):
            return None
        return seconds_of(text)

    def patch(self) -> dict[str, Any]:
        """The fields that the person changed, for ``services.submit_edit``.

        Call it on a valid form.
        """
        shown, typed = self.snapshot.settings, self.cleaned_data
        wish: dict[str, Any] = {"description": typed["description"]}
        # What nobody knows looks like off: only switching it on is a wish.
        if typed["auto_stop_enable"] != bool(shown.auto_stop_enable):
            wish["auto_stop_enable"] = typed["auto_stop_enable"]
        if typed["auto_stop_hours"] is not None:
            wish["auto_stop_duration"] = typed["auto_stop_hours"]
        # A page of ours posts all of it. A script that posts only some of the fields
        # means those; leaving out a switch must not switch off what saves money.
        if "description" not in self.data:
            del wish["description"]
        if not {"auto_stop_enable", "auto_stop_hours"} & self.data.keys():
            wish.pop("auto_stop_enable", None)
        was_asked = typed["prompt_shown"] or typed["prompt"]
        if was_asked and typed["prompt"] != _reminds(shown):
            wish["auto_stop_prompt"] = typed["prompt"]
        base = shown.as_dict()
        return {
            name: value
            for name, value in wish.items()
            if value != base[name] and self.data.get(f"choice_{name}") != THEIRS
        }

    @property
    def stored_hours(self) -> tuple[str, str]:
        """The duration the form was opened on: as the box shows it, and in words."""
        seconds = self.snapshot.settings.auto_stop_duration
        return hours_text(seconds), "" if seconds is None else exact_text(seconds)

    @property
    def stored_off_grid(self) -> bool:
        """Whether the slider cannot stand where the stored duration is."""
        return self.stored_hours not in [*self.limits.hours, ("", "")]

    @property
    def next_run(self) -> str:
        """The run time in the form in words; empty while it cannot be understood."""
        text = self._hours_typed
        if text == self.stored_hours[0]:
            return self.stored_hours[1]
        try:
            return exact_text(seconds_of(text))
        except forms.ValidationError:
            return ""

    @property
    def slider_hours(self) -> str:
        """Where the slider stands: at the typed hours, or at the stored ones."""
        if self.next_run:
            return self._hours_typed.replace(",", ".")
        return self.stored_hours[0] or hours_text(AUTO_STOP_MIN_SECONDS)

    @property
    def hours_problems(self) -> dict[str, str]:
        """What can be wrong with the hours, by kind; ``{}`` is what was typed."""
        return {kind: problem_text(kind, "{}") for kind in PROBLEMS}

    @property
    def _hours_typed(self) -> str:
        return str(self["auto_stop_hours"].value() or "").strip()


def _unified_line_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _reminds(settings: Settings) -> bool:
    # The documented default is true.
    return settings.auto_stop_prompt is not False
