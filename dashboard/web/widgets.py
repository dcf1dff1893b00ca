from django import forms


class ClockInput(forms.TimeInput):
    """A time of day in 24-hour format, as all times on our pages.

    Browsers draw ``type="time"`` in their own language, so 10:00 PM could appear on a
    page that says 22:00 elsewhere.
    """

    input_type = "text"

    def __init__(self) -> None:
        attrs = {"placeholder": "22:00", "maxlength": "5", "autocomplete": "off"}
        super().__init__(attrs=attrs, format="%H:%M")
