"""Prices from a CSV file: a plan that a person previews before it is written."""

import hashlib
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from dashboard.web.csv_files import SURPLUS, UnreadableError

from .models import Price
from .price_csv import COLUMNS, PRICES, unescaped
from .price_forms import PriceForm
from .price_overview import cloud_names, fleet_flavors, matches, today
from .price_services import key_of, stored_prices, terms_of, why_not_settable

MAX_PRICES = 1_000


class Line(NamedTuple):
    """What a line of the file does.

    Attributes:
        number: In the file, from 1; the header is line 1.
        cells: Its text, by column.
        price: Unsaved; None if the line is skipped.
        old: The stored price that it replaces or repeats.
        problem: Why the line is skipped; empty if it is not.
        is_past: Whether it begins in the past.
        is_unused: Whether no present instance has such a flavor.
    """

    number: int
    cells: dict[str, str]
    price: Price | None
    old: Price | None
    problem: str
    is_past: bool = False
    is_unused: bool = False

    @property
    def kind(self) -> str:
        if self.price is None:
            return "skipped"
        if self.old is None:
            return "new"
        is_same = terms_of(self.old) == terms_of(self.price)
        return "unchanged" if is_same else "changed"


class Plan(NamedTuple):
    """What an import does; nothing is written yet."""

    lines: list[Line]

    def _number(self, kind: str) -> int:
        return sum(line.kind == kind for line in self.lines)

    @property
    def added(self) -> int:
        return self._number("new")

    @property
    def changed(self) -> int:
        return self._number("changed")

    @property
    def unchanged(self) -> int:
        return self._number("unchanged")

    @property
    def skipped(self) -> int:
        return self._number("skipped")

    @property
    def past(self) -> int:
        """Number of new prices that begin in the past."""
        return sum(line.is_past and line.kind == "new" for line in self.lines)

    @property
    def prices(self) -> list[Price]:
        """What is written, unsaved."""
        return [
            line.price
            for line in self.lines
            if line.price and line.kind in {"new", "changed"}
        ]

    @property
    def fingerprint(self) -> str:
        """A digest that differs if the plan does anything else."""
        seen = [
            (
                line.number,
                line.kind,
                line.problem,
                line.price and (key_of(line.price), terms_of(line.price)),
                line.old and terms_of(line.old),
            )
            for line in self.lines
        ]
        return hashlib.sha256(repr(seen).encode()).hexdigest()


def build_plan(text: str) -> Plan:
    """Say what each line would do.

    Raises:
        UnreadableError: No header, an unknown column, or too many lines.
    """
    rows = list(PRICES.rows_of(text))
    if not rows:
        raise UnreadableError(_("There are no lines below the header."))
    if len(rows) > MAX_PRICES:
        raise UnreadableError(
            _("The list has more than %(number)s prices. Split it.")
            % {"number": MAX_PRICES}
        )
    form = PriceForm(clouds=cloud_names())
    first_lines: dict[tuple[Any, ...], int] = {}
    lines = []
    for number, row in rows:
        cells = {name: unescaped(row[name]) for name in COLUMNS}
        try:
            if row[SURPLUS]:
                raise ValidationError(_too_many_cells())
            price = _price(cells, form)
            first = first_lines.setdefault(key_of(price), number)
            if first != number:
                raise ValidationError(
                    _("Line %(number)s is for the same cloud, flavor and day.")
                    % {"number": first}
                )
        except ValidationError as error:
            problem = " ".join(error.messages)
            lines.append(Line(number, cells, None, None, problem))
        else:
            lines.append(Line(number, cells, price, None, ""))
    return Plan(_compared(lines))


def _price(cells: dict[str, str], form: PriceForm) -> Price:
    """Return the price of a line; empty cells have their usual values."""
    filled = {
        "cloud": cells["cloud"] or Price.ANY_CLOUD,
        "valid_from": cells["valid_from"] or today().isoformat(),
    }
    values, errors = {}, []
    for name in COLUMNS:
        field = form.fields[name]
        try:
            values[name] = field.clean((cells | filled)[name])
        except ValidationError as error:
            errors += [f"{field.label}{_(': ')}{message}" for message in error.messages]
    if errors:
        raise ValidationError(errors)
    return Price(source=Price.Source.FILE, **values)


def _compared(lines: list[Line]) -> list[Line]:
    """Compare the lines with the stored prices and the fleet."""
    stored = stored_prices([line.price for line in lines if line.price])
    fleet, day = fleet_flavors(), today()
    compared = []
    for line in lines:
        price = line.price
        if price is None:
            compared.append(line)
            continue
        old = stored.get(key_of(price))
        if problem := why_not_settable(price, old):
            compared.append(line._replace(price=None, problem=problem))
            continue
        is_used = any(matches(price, item.cloud, item.flavor) for item in fleet)
        compared.append(
            line._replace(
                old=old, is_past=price.valid_from < day, is_unused=not is_used
            )
        )
    return compared


def _too_many_cells() -> str:
    return _(
        "The line has more cells than the header. Write 4.20 for an amount, or put it "
        "in quotes."
    )
