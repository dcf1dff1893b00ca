"""Run times as people type them: in hours, in steps of half an hour."""

import re
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from dashboard.modelarts.limits import AUTO_STOP_MAX_SECONDS, AUTO_STOP_MIN_SECONDS

STEP_SECONDS = 1_800
"""Half an hour: finer steps would promise a precision the cloud does not keep."""

MIN_HOURS = AUTO_STOP_MIN_SECONDS // 3_600
MAX_HOURS = AUTO_STOP_MAX_SECONDS // 3_600

_HOUR = Decimal(3_600)
_TYPED = re.compile(r"[0-9]{1,6}(?:[.,][0-9]{0,12})?")

PROBLEMS = {
    "empty": _("Enter %(min)s to %(max)s hours."),
    "odd": _(
        "“%(typed)s” is not a number of hours. "
        "Type %(min)s to %(max)s, such as 8 or 8.5."
    ),
    "short": _("%(typed)s h is too short: a run may last %(min)s to %(max)s hours."),
    "long": _("%(typed)s h is too long: a run may last %(min)s to %(max)s hours."),
    "step": _("%(typed)s h is not a step of half an hour. Type 8 or 8.5, for example."),
}
"""The errors of typed hours, by kind."""


def hours_text(seconds: int | None) -> str:
    """Return a duration as the number input shows it.

    It is exact on the half-hour grid (``8``, ``8.5``) and rounded off it (``1.39``);
    ``forms.EditForm`` keeps the exact value.
    """
    if seconds is None:
        return ""
    if seconds % STEP_SECONDS == 0:
        whole, half = divmod(seconds, 3_600)
        return f"{whole}.5" if half else str(whole)
    return str((Decimal(seconds) / _HOUR).quantize(Decimal("0.01")))


def problem_text(kind: str, typed: str) -> str:
    values = {"min": MIN_HOURS, "max": MAX_HOURS, "typed": typed[:20]}
    return PROBLEMS[kind] % values


def seconds_of(text: str) -> int:
    """Return typed hours in **seconds**.

    Raises:
        ValidationError: ModelArts does not accept the duration.
    """
    if not _TYPED.fullmatch(text):
        raise ValidationError(problem_text("odd" if text else "empty", text))
    seconds = Decimal(text.replace(",", ".")) * _HOUR
    if seconds < AUTO_STOP_MIN_SECONDS:
        raise ValidationError(problem_text("short", text))
    if seconds > AUTO_STOP_MAX_SECONDS:
        raise ValidationError(problem_text("long", text))
    if seconds % STEP_SECONDS:
        raise ValidationError(problem_text("step", text))
    return int(seconds)
