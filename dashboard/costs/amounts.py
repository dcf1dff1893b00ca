"""Amounts of money as text."""

from decimal import Decimal

MOST_DECIMALS = 6
_FEWEST_DECIMALS = 2


def decimals(amount: Decimal) -> int:
    """Return how many decimal places show an amount exactly, at least two."""
    exponent = amount.normalize().as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return min(max(places, _FEWEST_DECIMALS), MOST_DECIMALS)


def plain(amount: Decimal) -> str:
    """Return an amount with a decimal point, as files and forms have it: 4.20."""
    return f"{amount:.{decimals(amount)}f}"
