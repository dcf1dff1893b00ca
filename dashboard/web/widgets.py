"""Form widgets that every app may use."""

from django import forms


class ClockInput(forms.TimeInput):
    """A time of day on the 24 h clock, as all times on our pages are written.

    Browsers draw ``type="time"`` in their own language, so that 10:00 PM may stand on a
    page that says 22:00 elsewhere.
    """

    input_type = "text"

    def __init__(self) -> None:
        attrs = {"placeholder": "22:00", "maxlength": "5", "autocomplete": "off"}
        super().__init__(attrs=attrs, format="%H:%M")
