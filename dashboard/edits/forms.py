"""What a person may type about an instance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext

from dashboard.instances.clock import exact_text
from dashboard.modelarts.schemas import (
    AUTO_STOP_MAX_SECONDS,
    AUTO_STOP_MIN_SECONDS,
    DESCRIPTION_FORBIDDEN,
    DESCRIPTION_MAX_LENGTH,
    description_problems,
)
from dashboard.web.stored import translated

from .seen import Seen, Settings

STEP_SECONDS = 1_800
"""Half an hour: finer steps would promise a precision the cloud does not keep."""

PRESET_HOURS = (1, 2, 4, 8, 12, 24)

_HOUR = Decimal(3_600)
_MIN_HOURS = AUTO_STOP_MIN_SECONDS // 3_600
_MAX_HOURS = AUTO_STOP_MAX_SECONDS // 3_600
_HOURS_TYPED = re.compile(r"[0-9]{1,6}(?:[.,][0-9]{0,12})?")


def hours_text(seconds: int | None) -> str:
    """A duration as the number box shows it.

    On the half-hour grid exact (``8``, ``8.5``), off it rounded to two places
    (``1.39``): there the text only stands for the exact value, see ``EditForm``.
    """
    if seconds is None:
        return ""
    if seconds % STEP_SECONDS == 0:
        whole, half = divmod(seconds, 3_600)
        return f"{whole}.5" if half else str(whole)
    return str((Decimal(seconds) / _HOUR).quantize(Decimal("0.01")))


_STEPS = range(AUTO_STOP_MIN_SECONDS, AUTO_STOP_MAX_SECONDS + 1, STEP_SECONDS)


@dataclass(frozen=True)
class Limits:
    """The form's rules, for the attributes that page and script go by."""

    description_max_length: int = DESCRIPTION_MAX_LENGTH
    description_forbidden: str = DESCRIPTION_FORBIDDEN
    min_hours: int = _MIN_HOURS
    max_hours: int = _MAX_HOURS
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
        seen: What the form shows, or showed, at first.
        wishes: Of a form that is opened again: the patch typed before, laid over it.
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
        seen: Seen,
        wishes: Mapping[str, Any] | None = None,
    ) -> None:
        self.seen = seen
        shown = Settings(**(seen.settings.as_dict() | dict(wishes or {})))
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
        stored = self.seen.settings.description
        # Browsers send CRLF whatever the field held before.
        if text == _unified_line_breaks(stored):
            return stored
        if problems := description_problems(text):
            raise forms.ValidationError([translated(one) for one in problems])
        return text

    def clean_auto_stop_hours(self) -> int | None:
        """Turn hours into **seconds**; None where the stored ones stay.

        Raises:
            ValidationError: No duration that ModelArts accepts. Never while the switch
                is off, when the box means nothing.
        """
        if not self.cleaned_data["auto_stop_enable"]:
            return None
        stored = self.seen.settings.auto_stop_duration
        text = self.cleaned_data["auto_stop_hours"]
        untouched = stored is not None and text == hours_text(stored)
        # Even one out of range may stay, unless it is switched on only now.
        if untouched and (self.seen.settings.auto_stop_enable or _in_range(stored)):
            return None
        return seconds_of(text)

    def patch(self) -> dict[str, Any]:
        """The fields that the person changed, for ``services.submit_edit``.

        Call it on a valid form.
        """
        shown, typed = self.seen.settings, self.cleaned_data
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
        opened_on = shown.as_dict()
        return {name: value for name, value in wish.items() if value != opened_on[name]}

    @property
    def stored_hours(self) -> tuple[str, str]:
        """The duration the form was opened on: as the box shows it, and in words."""
        seconds = self.seen.settings.auto_stop_duration
        return hours_text(seconds), "" if seconds is None else exact_text(seconds)

    @property
    def stored_off_grid(self) -> bool:
        """Whether the slider cannot stand where the stored duration is."""
        return self.stored_hours not in [*self.limits.hours, ("", "")]

    @property
    def next_run(self) -> str:
        """The run time in the form in words; empty while it cannot be understood."""
        text = str(self["auto_stop_hours"].value() or "").strip()
        if text == self.stored_hours[0]:
            return self.stored_hours[1]
        try:
            return exact_text(seconds_of(text))
        except forms.ValidationError:
            return ""


def _unified_line_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _reminds(settings: Settings) -> bool:
    # The documented default is true.
    return settings.auto_stop_prompt is not False


def _in_range(seconds: int | Decimal | None) -> bool:
    return (
        seconds is not None
        and AUTO_STOP_MIN_SECONDS <= seconds <= AUTO_STOP_MAX_SECONDS
    )


def seconds_of(text: str) -> int:
    """Hours as typed, in **seconds**.

    Raises:
        ValidationError: No duration that ModelArts accepts.
    """
    limits = {"min": _MIN_HOURS, "max": _MAX_HOURS, "typed": text[:20]}
    if not text:
        raise forms.ValidationError(
            gettext("Say how long a run may last: %(min)s to %(max)s hours.") % limits
        )
    if not _HOURS_TYPED.fullmatch(text):
        raise forms.ValidationError(
            gettext(
                "“%(typed)s” is not a number of hours. "
                "Type %(min)s to %(max)s, such as 8 or 8.5."
            )
            % limits
        )
    exact = Decimal(text.replace(",", ".")) * _HOUR
    if not _in_range(exact):
        too_short = gettext(
            "%(typed)s h is too short: a run may last %(min)s to %(max)s hours."
        )
        too_long = gettext(
            "%(typed)s h is too long: a run may last %(min)s to %(max)s hours."
        )
        is_short = exact < AUTO_STOP_MIN_SECONDS
        raise forms.ValidationError((too_short if is_short else too_long) % limits)
    if exact % STEP_SECONDS:
        raise forms.ValidationError(
            gettext(
                "%(typed)s h is not a step of half an hour. Type 8 or 8.5, for example."
            )
            % limits
        )
    return int(exact)
