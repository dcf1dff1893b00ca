"""Sums of money in several currencies, which are never added to each other."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

_SCALE = 3_600 * 10**6
"""Prices are of an hour and have six decimals: so a price for a number of seconds is a
whole number of these parts, and sums are exact in any order."""


class Money:
    """An immutable sum for each currency.

    Attributes:
        unpriced_seconds: Time that would cost something if it had a price.
    """

    __slots__ = ("_parts", "unpriced_seconds")

    def __init__(
        self, amounts: Mapping[str, Decimal] | None = None, unpriced_seconds: int = 0
    ) -> None:
        self._parts = {
            currency: round(Fraction(amount) * _SCALE)
            for currency, amount in (amounts or {}).items()
        }
        self.unpriced_seconds = unpriced_seconds

    @classmethod
    def of(cls, parts: Mapping[str, int], unpriced_seconds: int = 0) -> "Money":
        """Return the sum of what ``parts_of`` returned, by currency."""
        money = cls(unpriced_seconds=unpriced_seconds)
        money._parts = dict(parts)
        return money

    @property
    def amounts(self) -> dict[str, Decimal]:
        """By currency, not rounded to cents."""
        return {
            currency: Decimal(parts) / _SCALE
            for currency, parts in sorted(self._parts.items())
        }

    def amount(self, currency: str) -> Decimal:
        return Decimal(self._parts.get(currency, 0)) / _SCALE

    def share_of(self, total: "Money") -> float | None:
        """Return its part of a total, 0 to 1; None unless both have one currency."""
        if len(total._parts) != 1:
            return None
        ((currency, whole),) = total._parts.items()
        return self._parts.get(currency, 0) / whole if whole else None

    def __add__(self, other: "Money") -> "Money":
        parts = dict(self._parts)
        for currency, more in other._parts.items():
            parts[currency] = parts.get(currency, 0) + more
        return Money.of(parts, self.unpriced_seconds + other.unpriced_seconds)

    def __mul__(self, factor: Decimal | Fraction | float) -> "Money":
        """Multiply the amounts; time without a price stays as it is."""
        exact = Fraction(factor)
        parts = {name: round(value * exact) for name, value in self._parts.items()}
        return Money.of(parts, self.unpriced_seconds)

    def __bool__(self) -> bool:
        """Whether there is an amount, which may be zero."""
        return bool(self._parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return (
            self._parts == other._parts
            and self.unpriced_seconds == other.unpriced_seconds
        )

    def __hash__(self) -> int:
        return hash((frozenset(self._parts.items()), self.unpriced_seconds))

    def __repr__(self) -> str:
        return f"Money({self.amounts}, unpriced_seconds={self.unpriced_seconds})"


def parts_of(price: Decimal, seconds: int) -> int:
    """Return what some time costs at a price an hour, in parts for ``Money.of``."""
    return _scaled(price) * seconds


@lru_cache(10_000)
def _scaled(price: Decimal) -> int:
    return int(price.scaleb(6))


def amount_text(amount: Decimal) -> str:
    """Return an amount for programs, with two to six decimal places."""
    whole, _, places = f"{amount:.6f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"
