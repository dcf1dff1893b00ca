import zoneinfo
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class ClockInput(forms.TimeInput):
    """A time of day in 24-hour format, as all times on our pages.

    Browsers draw ``type="time"`` in their own language, so 10:00 PM could appear on a
    page that says 22:00 elsewhere.
    """

    input_type = "text"

    def __init__(self) -> None:
        attrs = {"placeholder": "22:00", "maxlength": "5", "autocomplete": "off"}
        super().__init__(attrs=attrs, format="%H:%M")


class TimeZoneInput(forms.TextInput):
    """The name of a time zone, with those of places as suggestions."""

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        suggestions = f"{name}-suggestions"
        own = {"list": suggestions, "autocomplete": "off"} | (attrs or {})
        field = super().render(name, value, own, renderer)
        places = sorted(
            zone
            for zone in zoneinfo.available_timezones()
            if zone.startswith(_CONTINENTS)
        )
        options = format_html_join(
            "", '<option value="{}"></option>', ((zone,) for zone in places)
        )
        return format_html(
            '{}<datalist id="{}">{}</datalist>', field, suggestions, options
        )


_CONTINENTS = (
    *("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/"),
    *("Europe/", "Indian/", "Pacific/"),
)
