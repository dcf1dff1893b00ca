"""What a person may type about an instance."""

import re
from decimal import Decimal
from typing import Any

from django import forms

from dashboard.instances.models import Instance
from dashboard.modelarts.schemas import (
    AUTO_STOP_MAX_SECONDS,
    AUTO_STOP_MIN_SECONDS,
    DESCRIPTION_FORBIDDEN,
    DESCRIPTION_MAX_LENGTH,
    description_problems,
)

from .seen import Seen, Settings, unified_line_breaks

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


class EditForm(forms.Form):
    """Description, auto-stop and reminder of one instance.

    A field counts as changed when it differs from what the form was opened on, so
    that nobody is made to repair, or to send, what they did not touch. The hours are
    compared as text: a stored 5 000 s is shown as ``1.39`` and stays 5 000 s until
    that text is another one.

    Args:
        data: The posted fields, None for a form that is being opened.
        seen: What the form shows, or showed, at first.
    """

    description = forms.CharField(required=False, strip=False)
    auto_stop_enable = forms.BooleanField(required=False)
    auto_stop_hours = forms.CharField(required=False)
    prompt = forms.BooleanField(required=False)
    # A checkbox that is off is not posted, and neither is one that was not there.
    prompt_shown = forms.BooleanField(required=False)

    def __init__(self, data: Any = None, *, seen: Seen) -> None:
        self.seen = seen
        shown = seen.settings
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
        text = unified_line_breaks(self.cleaned_data["description"])
        changed = text != self.seen.settings.description
        if changed and (problems := description_problems(text)):
            raise forms.ValidationError(problems)
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
        return _seconds(text)

    def patch(self) -> dict[str, Any]:
        """The fields that the person changed, for ``services.submit_edit``.

        Call it on a valid form.
        """
        shown, typed = self.seen.settings, self.cleaned_data
        wish: dict[str, Any] = {
            "description": typed["description"],
            # Unknown looks like off: only switching it on is a wish.
            "auto_stop_enable": typed["auto_stop_enable"]
            or (None if shown.auto_stop_enable is None else False),
            "auto_stop_duration": (
                shown.auto_stop_duration
                if typed["auto_stop_hours"] is None
                else typed["auto_stop_hours"]
            ),
        }
        was_asked = typed["prompt_shown"] or typed["prompt"]
        if was_asked and typed["prompt"] != _reminds(shown):
            wish["auto_stop_prompt"] = typed["prompt"]
        opened_on = shown.as_dict()
        return {key: value for key, value in wish.items() if value != opened_on[key]}

    def conflicts(self, instance: Instance) -> list[str]:
        """Fields of the patch that somebody else changed, to something else, since.

        Args:
            instance: The mirror's row as it is now.
        """
        then, now = self.seen.settings.as_dict(), Settings.of(instance).as_dict()
        return [
            field
            for field, wish in self.patch().items()
            if now[field] not in (then[field], wish)
        ]

    @property
    def limits(self) -> dict[str, Any]:
        """What the page and its script need to know of the rules above."""
        return {
            "description_max_length": DESCRIPTION_MAX_LENGTH,
            "description_forbidden": DESCRIPTION_FORBIDDEN,
            "min_hours": _MIN_HOURS,
            "max_hours": _MAX_HOURS,
            "step_hours": hours_text(STEP_SECONDS),
            "preset_hours": PRESET_HOURS,
        }


def _reminds(settings: Settings) -> bool:
    # The documented default is true.
    return settings.auto_stop_prompt is not False


def _in_range(seconds: int | Decimal | None) -> bool:
    return (
        seconds is not None
        and AUTO_STOP_MIN_SECONDS <= seconds <= AUTO_STOP_MAX_SECONDS
    )


def _seconds(text: str) -> int:
    range_words = f"{_MIN_HOURS} to {_MAX_HOURS}"
    if not text:
        raise forms.ValidationError(
            f"Say how long a run may last: {range_words} hours."
        )
    if not _HOURS_TYPED.fullmatch(text):
        raise forms.ValidationError(
            f"“{text[:20]}” is not a number of hours. "
            f"Type {range_words}, such as 8 or 8.5."
        )
    exact = Decimal(text.replace(",", ".")) * _HOUR
    if not _in_range(exact):
        raise forms.ValidationError(
            f"{text} h is too {'short' if exact < AUTO_STOP_MIN_SECONDS else 'long'}: "
            f"a run may last {range_words} hours."
        )
    if exact % STEP_SECONDS:
        raise forms.ValidationError(
            f"{text} h is not a step of half an hour. Type 8 or 8.5, for example."
        )
    return int(exact)
