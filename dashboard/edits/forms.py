"""The forms of an instance's settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext

from dashboard.instances.durations import exact_text
from dashboard.instances.messages import message_of
from dashboard.instances.models import Instance
from dashboard.modelarts.limits import (
    AUTO_STOP_MAX_SECONDS,
    AUTO_STOP_MIN_SECONDS,
    DESCRIPTION_FORBIDDEN,
    DESCRIPTION_MAX_LENGTH,
    NAME_MAX_LENGTH,
    TAG_KEY_MAX_LENGTH,
    TAG_VALUE_MAX_LENGTH,
    description_problems,
    name_problems,
    tag_problems,
)
from dashboard.modelarts.messages import ProblemText

from .hours import (
    MAX_HOURS,
    MIN_HOURS,
    PROBLEMS,
    STEP_SECONDS,
    hours_text,
    problem_text,
    seconds_of,
)
from .snapshot import FormSnapshot, Settings

PRESET_HOURS = (1, 2, 4, 8, 12, 24)

THEIRS = "theirs"
"""Posted as ``choice_<field>`` to keep the value of another person."""

OFF = "off"
"""Posted as ``preset`` to turn auto-stop off."""

_STEPS = range(AUTO_STOP_MIN_SECONDS, AUTO_STOP_MAX_SECONDS + 1, STEP_SECONDS)


@dataclass(frozen=True)
class Limits:
    """The limits of the form, for the attributes of its inputs."""

    description_max_length: int = DESCRIPTION_MAX_LENGTH
    description_forbidden: str = DESCRIPTION_FORBIDDEN
    min_hours: int = MIN_HOURS
    max_hours: int = MAX_HOURS
    step_hours: str = hours_text(STEP_SECONDS)
    preset_hours: tuple[int, ...] = PRESET_HOURS

    @property
    def hours(self) -> list[tuple[str, str]]:
        """The steps of the slider, as the number input shows them and in words."""
        return [(hours_text(seconds), exact_text(seconds)) for seconds in _STEPS]


class SettingsForm(forms.Form):
    """The description, which all instances have. Subclasses add the other settings.

    A field is changed if it differs from the snapshot, so that untouched values need
    not be valid and are not sent.

    Args:
        data: The posted fields; None for a form that is opened.
        snapshot: The values that the form showed first.
        changes: The patch that was typed before, for a form that is opened again.
    """

    limits = Limits()

    description = forms.CharField(required=False, strip=False)

    def __init__(
        self,
        data: Any = None,
        *,
        snapshot: FormSnapshot,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.snapshot = snapshot
        values = Settings(**(snapshot.settings.as_dict() | dict(changes or {})))
        initial = {"description": values.description, **self._initial_of(values)}
        super().__init__(data, initial=initial)

    def clean_description(self) -> str:
        """Check the text, if it was changed.

        Raises:
            ValidationError: ModelArts would refuse the text.
        """
        text = _unified_line_breaks(self.cleaned_data["description"])
        stored = self.snapshot.settings.description
        # Browsers send CRLF whatever the field had before.
        if text == _unified_line_breaks(stored):
            return stored
        _refuse(description_problems(text))
        return text

    def patch(self) -> dict[str, Any]:
        """Return the changed fields of a valid form, for ``services.submit_edit``.

        A page posts all fields. A script may post only some: what it leaves out does
        not change.
        """
        base = self.snapshot.settings.as_dict()
        return {
            name: value
            for name, value in self.requested().items()
            if value != base[name] and self.data.get(f"choice_{name}") != THEIRS
        }

    def _initial_of(self, values: Settings) -> dict[str, Any]:
        raise NotImplementedError

    def requested(self) -> dict[str, Any]:
        """Return the posted settings, changed or not, named as in ``Edit.patch``."""
        if "description" in self.data:
            return {"description": self.cleaned_data["description"]}
        return {}


class EditForm(SettingsForm):
    """Description, auto-stop and console reminder of one instance.

    The hours are compared as text: 5,000 s is shown as ``1.39`` and stays 5,000 s until
    the text changes.
    """

    auto_stop_enable = forms.BooleanField(required=False)
    auto_stop_hours = forms.CharField(required=False)
    prompt = forms.BooleanField(required=False)
    # Posted with the checkbox: an unchecked box alone is not posted.
    prompt_shown = forms.BooleanField(required=False)

    def __init__(self, data: Any = None, **options: Any) -> None:
        if data is not None and (preset := data.get("preset")):
            # A button of the popover: so many hours, or off.
            data = data.copy()
            if preset == OFF:
                del data["auto_stop_enable"]
            else:
                data["auto_stop_hours"] = preset
        super().__init__(data, **options)

    def _initial_of(self, values: Settings) -> dict[str, Any]:
        return {
            "auto_stop_enable": bool(values.auto_stop_enable),
            "auto_stop_hours": hours_text(values.auto_stop_duration),
            "prompt": _reminds(values),
        }

    def clean_auto_stop_hours(self) -> str:
        """Check the hours, and add ``auto_stop_duration`` to the cleaned data.

        That is in **seconds**; None if the hours are unchanged, or unused.

        Raises:
            ValidationError: ModelArts does not accept the duration.
        """
        text: str = self.cleaned_data["auto_stop_hours"]
        self.cleaned_data["auto_stop_duration"] = self._new_duration(text)
        return text

    def _new_duration(self, text: str) -> int | None:
        if not self.cleaned_data["auto_stop_enable"]:
            return None
        stored = self.snapshot.settings.auto_stop_duration
        if stored is not None and text == hours_text(stored):
            in_range = AUTO_STOP_MIN_SECONDS <= stored <= AUTO_STOP_MAX_SECONDS
            # A duration out of range may stay unless auto-stop is turned on now.
            if in_range or self.snapshot.settings.auto_stop_enable:
                return None
        return seconds_of(text)

    def requested(self) -> dict[str, Any]:
        stored, typed = self.snapshot.settings, self.cleaned_data
        requested = super().requested()
        # An unknown value is shown as off, so only turning it on is a change.
        has_switch = {"auto_stop_enable", "auto_stop_hours"} & self.data.keys()
        if has_switch and typed["auto_stop_enable"] != bool(stored.auto_stop_enable):
            requested["auto_stop_enable"] = typed["auto_stop_enable"]
        if typed["auto_stop_duration"] is not None:
            requested["auto_stop_duration"] = typed["auto_stop_duration"]
        has_prompt = typed["prompt_shown"] or typed["prompt"]
        if has_prompt and typed["prompt"] != _reminds(stored):
            requested["auto_stop_prompt"] = typed["prompt"]
        return requested

    @property
    def stored_hours(self) -> tuple[str, str]:
        """The stored duration, as the number input shows it and in words."""
        seconds = self.snapshot.settings.auto_stop_duration
        return hours_text(seconds), "" if seconds is None else exact_text(seconds)

    @property
    def stored_off_grid(self) -> bool:
        """Whether the slider has no step for the stored duration."""
        return self.stored_hours not in [*self.limits.hours, ("", "")]

    @property
    def next_run(self) -> str:
        """The typed run time in words; empty if it is invalid."""
        text = self._hours_typed
        if text == self.stored_hours[0]:
            return self.stored_hours[1]
        try:
            return exact_text(seconds_of(text))
        except forms.ValidationError:
            return ""

    @property
    def slider_hours(self) -> str:
        """The position of the slider: the typed hours, or the stored ones."""
        if self.next_run:
            return self._hours_typed.replace(",", ".")
        return self.stored_hours[0] or hours_text(AUTO_STOP_MIN_SECONDS)

    @property
    def hours_problems(self) -> dict[str, str]:
        """The errors of the hours, by kind; ``{}`` stands for the typed text."""
        return {kind: problem_text(kind, "{}") for kind in PROBLEMS}

    @property
    def _hours_typed(self) -> str:
        return str(self["auto_stop_hours"].value() or "").strip()


class NotebookForm(SettingsForm):
    """Name, description and tags of a notebook.

    Each tag is a pair of ``tag_key`` and ``tag_value``. A pair without both is left
    out, so a person removes a tag by clearing it.

    Args:
        has_tags: Whether the cloud has tags.
    """

    max_name_length = NAME_MAX_LENGTH
    max_key_length, max_value_length = TAG_KEY_MAX_LENGTH, TAG_VALUE_MAX_LENGTH

    name = forms.CharField(required=False, strip=True)
    tags = forms.Field(required=False)

    def __init__(self, *args: Any, has_tags: bool, **options: Any) -> None:
        self.has_tags = has_tags
        super().__init__(*args, **options)

    @property
    def tag_rows(self) -> list[tuple[str, str]]:
        """The tags as typed or stored, and an empty row to add one."""
        pairs = self._typed_tags() if self.is_bound else self.initial["tags"]
        return [*pairs, ("", "")]

    def clean_name(self) -> str:
        """Check the name, if it was changed.

        Raises:
            ValidationError: ModelArts would refuse it.
        """
        name: str = self.cleaned_data["name"]
        if "name" in self.data and name != self.snapshot.settings.name:
            _refuse(name_problems(name))
        return name

    def clean(self) -> dict[str, Any]:
        """Add ``tags``, by key."""
        data = super().clean() or {}
        pairs = self._typed_tags()
        tags = data["tags"] = dict(pairs)
        stored = self.snapshot.settings.tags
        problems = [
            problem
            for key, value in pairs
            if stored.get(key) != value
            for problem in tag_problems(key, value)
        ]
        for problem in dict.fromkeys(str(message_of(problem)) for problem in problems):
            self.add_error("tags", problem)
        if len(tags) < len(pairs):
            self.add_error("tags", gettext("Each key of a tag can occur only once."))
        return data

    def _initial_of(self, values: Settings) -> dict[str, Any]:
        return {"name": values.name, "tags": sorted(values.tags.items())}

    def requested(self) -> dict[str, Any]:
        requested = super().requested()
        if "name" in self.data:
            requested["name"] = self.cleaned_data["name"]
        if self.has_tags and "tag_key" in self.data:
            requested["tags"] = self.cleaned_data["tags"]
        return requested

    def _typed_tags(self) -> list[tuple[str, str]]:
        keys, values = (
            [text.strip() for text in _texts(self.data, name)]
            for name in ("tag_key", "tag_value")
        )
        return [pair for pair in zip_longest(keys, values, fillvalue="") if any(pair)]


def settings_form(instance: Instance, *args: Any, **options: Any) -> SettingsForm:
    """Return the form of the settings that an instance has."""
    if instance.capabilities.has_auto_stop_setting:
        return EditForm(*args, **options)
    has_tags = instance.capabilities.has_tags and instance.cloud.has_tags
    return NotebookForm(*args, has_tags=has_tags, **options)


def _texts(data: Any, name: str) -> list[str]:
    if isinstance(data, MultiValueDict):
        return [str(text) for text in data.getlist(name)]
    value = data.get(name, [])
    return [value] if isinstance(value, str) else list(value)


def _refuse(problems: Sequence[ProblemText]) -> None:
    if problems:
        raise forms.ValidationError([str(message_of(problem)) for problem in problems])


def _unified_line_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _reminds(settings: Settings) -> bool:
    # The documented default is true.
    return settings.auto_stop_prompt is not False
