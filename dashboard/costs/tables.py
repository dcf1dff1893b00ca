"""The lines of a report, as the page shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from .display import days_text
from .filters import CostQuery, day_query
from .models import Run
from .savings import Saved, Savings
from .usage import Bucket, Report, Usage


class Ended(NamedTuple):
    """How many runs something ended.

    Attributes:
        query: Parameters of the list of these runs.
    """

    kind: Run.EndedBy
    number: int
    query: dict[str, str]


@dataclass(frozen=True)
class Row:
    """A line.

    Attributes:
        label: Empty for what has no owner, workspace or tag.
        query: Parameters that narrow the report to it.
        costs: By currency of the table; None where there is none.
        share: Of 1.
        bar: Width of the bar, a percentage of SVG.
    """

    label: str
    query: dict[str, str]
    usage: Usage
    costs: list[Decimal | None]
    share: float
    bar: str
    ended: list[Ended]


@dataclass(frozen=True)
class Table:
    """The lines and their sum.

    Attributes:
        ended_by: What has ended runs at all; only these have columns.
    """

    currencies: list[str]
    ended_by: list[Run.EndedBy]
    rows: list[Row]
    total: Row


def table(report: Report, query: CostQuery) -> Table:
    """Return the table of a report."""
    total = report.total
    currencies = sorted(total.cost.amounts)
    ended_by = [kind for kind in Run.EndedBy if total.ended.get(kind)]

    def row(label: str, params: dict[str, str], usage: Usage, share: float) -> Row:
        return Row(
            label,
            params,
            usage,
            [usage.cost.amounts.get(currency) for currency in currencies],
            share,
            f"{min(share, 1) * 100:.2f}%",
            _ended(usage, ended_by, params),
        )

    rows = [
        row(
            line.label,
            query.line_query(line.key),
            line.usage,
            line.share,
        )
        for line in report.lines
    ]
    return Table(currencies, ended_by, rows, row("", {}, total, 1.0 if rows else 0.0))


def _ended(
    usage: Usage, kinds: Sequence[Run.EndedBy], params: dict[str, str]
) -> list[Ended]:
    return [
        Ended(kind, usage.ended.get(kind, 0), params | {"ended_by": kind.value})
        for kind in kinds
    ]


@dataclass(frozen=True)
class TrendRow:
    """A day or week of the trend.

    Attributes:
        query: Parameters of its days.
    """

    label: str
    query: dict[str, str]
    usage: Usage
    costs: list[Decimal | None]


def trend_rows(buckets: Iterable[Bucket], currencies: Sequence[str]) -> list[TrendRow]:
    return [
        TrendRow(
            days_text(item.first_day, item.last_day),
            day_query(item.first_day, item.last_day),
            item.usage,
            [item.usage.cost.amounts.get(currency) for currency in currencies],
        )
        for item in buckets
    ]


@dataclass(frozen=True)
class SavedRow:
    """What one kind of stops has saved."""

    label: str
    saved: Saved
    costs: list[Decimal | None]


@dataclass(frozen=True)
class SavedTable:
    """What stops have saved, by kind, and the sum."""

    currencies: list[str]
    rows: list[SavedRow]
    total: SavedRow


def saved_table(savings: Savings) -> SavedTable:
    currencies = sorted(savings.total.money.amounts)

    def row(label: str, saved: Saved) -> SavedRow:
        amounts = saved.money.amounts
        return SavedRow(label, saved, [amounts.get(name) for name in currencies])

    rows = [
        row(str(Run.EndedBy(kind).label), saved) for kind, saved in savings.by.items()
    ]
    return SavedTable(currencies, rows, row("", savings.total))
