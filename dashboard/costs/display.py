"""Hours, shares and amounts in words."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from .models import Run
from .money import Money
from .usage import Usage

_CENT = Decimal("0.01")
_DASH = "\N{EN DASH}"


def hours_number(seconds: float) -> str:
    """Format **seconds** as hours with one decimal: ``1,250.5``, ``<0.1``."""
    tenths = round(seconds / 360)
    if seconds > 0 and not tenths:
        return f"<{number_format(Decimal('0.1'), 1)}"
    return number_format(Decimal(tenths) / 10, 1, force_grouping=True)


def hours_text(seconds: float | None) -> str:
    """Format **seconds** as hours: ``1,250.5 h``, ``<0.1 h``; a dash for None."""
    if seconds is None:
        return _DASH
    return _("%(hours)s h") % {"hours": hours_number(seconds)}


def share_text(part: float) -> str:
    """Format a part of a whole, 0 to 1, in percent: ``12 %``, ``<1 %``."""
    percent = round(part * 100)
    return percent_text("<1" if part > 0 and not percent else percent)


def percent_text(percent: int | str) -> str:
    """Format a percentage: ``12 %``, in Chinese without the space."""
    number = number_format(percent, force_grouping=True)
    return _("%(number)s\N{NO-BREAK SPACE}%%") % {"number": number}


def amount_number(amount: Decimal | None) -> str:
    """Format an amount with two decimals: ``4.20``, ``<0.01``; a dash for None."""
    if amount is None:
        return _DASH
    if 0 < amount < _CENT:
        return f"<{number_format(_CENT, 2)}"
    rounded = amount.quantize(_CENT, ROUND_HALF_UP)
    return number_format(rounded, 2, force_grouping=True)


def amount_text(amount: Decimal, currency: str) -> str:
    """Format an amount with its currency: ``4.20 EUR``, ``<0.01 EUR``."""
    return f"{amount_number(amount)} {currency}"


def money_texts(money: Money) -> list[str]:
    """Format each currency of a sum by itself."""
    return [amount_text(amount, name) for name, amount in money.amounts.items()]


def money_text(money: Money) -> str:
    """Format a sum, each currency by itself; a dash if there is none."""
    return " \N{MIDDLE DOT} ".join(money_texts(money)) or _DASH


def usage_text(usage: Usage) -> str:
    """Return cost, hours, unknown hours and those without a price."""
    parts = [*money_texts(usage.cost), hours_text(usage.running)]
    if usage.unknown:
        parts.append(_("%(hours)s unknown") % {"hours": hours_text(usage.unknown)})
    if usage.unpriced:
        unpriced = hours_text(usage.unpriced)
        parts.append(_("%(hours)s without a price") % {"hours": unpriced})
    return _(", ").join(parts)


def days_text(first: date, last: date) -> str:
    """Return a day, or the first and the last one."""
    form = _("j M Y")
    if first == last:
        return date_format(first, form)
    return f"{date_format(first, form)} {_DASH} {date_format(last, form)}"


def short_days_text(first: date, last: date) -> str:
    """Return the same without the year."""
    form = _("j M")
    if first == last:
        return date_format(first, form)
    return f"{date_format(first, form)} {_DASH} {date_format(last, form)}"


def start_known(run: Run) -> str:
    """Return how well the start is known; empty if it was observed."""
    return {
        str(Run.Known.BETWEEN): _("between two looks"),
        str(Run.Known.UNKNOWN): _("or earlier"),
    }.get(run.started_known, "")


def end_known(run: Run) -> str:
    """Return how well the end is known; empty if it was observed."""
    return {
        str(Run.Known.BETWEEN): _("or earlier, between two looks"),
        str(Run.Known.UNKNOWN): _("unknown"),
    }.get(run.ended_known, "")
