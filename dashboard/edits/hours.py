"""Run times as people type them: hours, in steps of half an hour."""

import re
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from dashboard.modelarts.schemas import AUTO_STOP_MAX_SECONDS, AUTO_STOP_MIN_SECONDS

STEP_SECONDS = 1_800
"""Half an hour: finer steps would promise a precision the cloud does not keep."""

MIN_HOURS = AUTO_STOP_MIN_SECONDS // 3_600
MAX_HOURS = AUTO_STOP_MAX_SECONDS // 3_600

_HOUR = Decimal(3_600)
_TYPED = re.compile(r"[0-9]{1,6}(?:[.,][0-9]{0,12})?")

PROBLEMS = {
    "empty": gettext_lazy("Enter %(min)s to %(max)s hours."),
    "odd": gettext_lazy(
        "“%(typed)s” is not a number of hours. "
        "Type %(min)s to %(max)s, such as 8 or 8.5."
    ),
    "short": gettext_lazy(
        "%(typed)s h is too short: a run may last %(min)s to %(max)s hours."
    ),
    "long": gettext_lazy(
        "%(typed)s h is too long: a run may last %(min)s to %(max)s hours."
    ),
    "step": gettext_lazy(
        "%(typed)s h is not a step of half an hour. Type 8 or 8.5, for example."
    ),
}
"""What can be wrong with typed hours, by kind."""


def hours_text(seconds: int | None) -> str:
    """A duration as the number box shows it.

    On the half-hour grid exact (``8``, ``8.5``), off it rounded to two places
    (``1.39``): there the text only stands for the exact value, see ``forms.EditForm``.
    """
    if seconds is None:
        return ""
    if seconds % STEP_SECONDS == 0:
        whole, half = divmod(seconds, 3_600)
        return f"{whole}.5" if half else str(whole)
    return str((Decimal(seconds) / _HOUR).quantize(Decimal("0.01")))


def in_range(seconds: int | Decimal | None) -> bool:
    """Whether ModelArts accepts a duration."""
    return (
        seconds is not None
        and AUTO_STOP_MIN_SECONDS <= seconds <= AUTO_STOP_MAX_SECONDS
    )


def problem_text(kind: str, typed: str) -> str:
    """One sentence on hours that ModelArts does not accept."""
    values = {"min": MIN_HOURS, "max": MAX_HOURS, "typed": typed[:20]}
    return PROBLEMS[kind] % values


def seconds_of(text: str) -> int:
    """Hours as typed, in **seconds**.

    Raises:
        ValidationError: No duration that ModelArts accepts.
    """
    kind = ""
    exact = Decimal(0)
    if not text:
        kind = "empty"
    elif not _TYPED.fullmatch(text):
        kind = "odd"
    else:
        exact = Decimal(text.replace(",", ".")) * _HOUR
        if not in_range(exact):
            kind = "short" if exact < AUTO_STOP_MIN_SECONDS else "long"
        elif exact % STEP_SECONDS:
            kind = "step"
    if kind:
        raise ValidationError(problem_text(kind, text))
    return int(exact)
