"""Costs as lines of tables. Pure functions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .show import local, table

type Json = dict[str, Any]
type Columns = Mapping[str, Callable[[Json], str]]

_CENT = Decimal("0.01")
_MEASURES: Columns = {
    "RUNNING": lambda item: hours(item["running_hours"]),
    "COST": lambda item: money(item["cost"]),
    "NO PRICE": lambda item: hours(item["unpriced_hours"]),
    "UNKNOWN": lambda item: hours(item["unknown_hours"]),
}
_ONLY_IF_ANY = {
    "NO PRICE": "unpriced_hours",
    "UNKNOWN": "unknown_hours",
    "UNKNOWN STOPS": "unknown_stops",
}
"""Columns that are left out while nothing has these values."""

_NUMBERS = frozenset(
    {
        *("RUNNING", "COST", "NO PRICE", "UNKNOWN", "SHARE", "AVERAGE RUN"),
        *("STOPS", "SAVED", "COST SAVED", "UNKNOWN STOPS"),
        *("AN HOUR RUNNING", "AN HOUR STOPPED"),
        *("BUDGET", "SPENT", "USED", "FORECAST"),
    }
)


def costs(document: Json) -> list[str]:
    """Return the lines of a report, their total and, if there is one, the trend."""
    total = document["total"] | {"label": "Total", "share": None}
    rows = [*document["lines"], total] if document["lines"] else []
    by = document["tag_key"] or document["by"]
    columns: Columns = {
        by.upper(): lambda line: line["label"],
        **_MEASURES,
        "SHARE": lambda line: "" if line["share"] is None else percent(line["share"]),
        "AVERAGE RUN": lambda line: hours(line["average_run_hours"]),
        "ENDED BY": lambda line: _counts(line["ended"]),
    }
    lines = [_heading(document), *_table(columns, rows, total)]
    if document["trend"]:
        columns = {"DAYS": _days, **_MEASURES}
        lines += ["", *_table(columns, document["trend"], total)]
    return lines if rows else [_heading(document), "No instances."]


def runs(items: Sequence[Json]) -> list[str]:
    """Return the table of runs."""
    names = ("unpriced_hours", "unknown_hours")
    total = {name: any(item[name] for item in items) for name in names}
    columns: Columns = {
        "NAME": _name,
        "OWNER": _owner,
        "STARTED": lambda run: local(run["started_at"]),
        "ENDED": lambda run: local(run["ended_at"]) or "running",
        "ENDED BY": _ended_by,
        **_MEASURES,
    }
    return _table(columns, items, total)


def savings(document: Json) -> list[str]:
    """Return what stops have saved, by what ended the runs, and the assumption."""
    total = document["total"] | {"kind": "Total"}
    rows = [{"kind": _words(kind)} | saved for kind, saved in document["by"].items()]
    columns: Columns = {
        "ENDED BY": lambda saved: saved["kind"],
        "STOPS": lambda saved: str(saved["stops"]),
        "SAVED": lambda saved: hours(saved["hours"]),
        "COST SAVED": lambda saved: money(saved["cost"]),
        "NO PRICE": lambda saved: hours(saved["unpriced_hours"]),
        "UNKNOWN STOPS": lambda saved: str(saved["unknown_stops"]),
    }
    return [
        _heading(document),
        *_table(columns, [*rows, total], total),
        "",
        "Assumption: without the stop, a run would have gone on until the next start "
        f"of the instance, at most {document['most_hours']:g} h.",
    ]


def stops(items: Sequence[Json]) -> list[str]:
    """Return the table of stops that have saved something."""
    columns: Columns = {
        "NAME": _name,
        "OWNER": _owner,
        "ENDED": lambda stop: local(stop["ended_at"]),
        "ENDED BY": _ended_by,
        "WOULD HAVE RUN UNTIL": lambda stop: local(stop["until"]) or "unknown",
        "BECAUSE": lambda stop: _REASONS.get(stop["because"], ""),
        "SAVED": lambda stop: hours(stop["hours"]),
        "COST SAVED": lambda stop: money(stop["cost"]),
    }
    return _table(columns, items)


def prices(items: Sequence[Json]) -> list[str]:
    """Return the price list."""
    columns: Columns = {
        "ID": lambda price: str(price["id"]),
        "CLOUD": lambda price: price["cloud"],
        "FLAVOR": lambda price: price["flavor"],
        "FROM": lambda price: price["valid_from"],
        "AN HOUR RUNNING": lambda price: price["running"],
        "AN HOUR STOPPED": lambda price: str(price["stopped"] or "unknown"),
        "CURRENCY": lambda price: price["currency"],
    }
    return _table(columns, items)


def budgets(items: Sequence[Json]) -> list[str]:
    """Return the budgets and what was spent of them this month."""
    names = ("unpriced_hours", "unknown_hours")
    total = {name: any(item[name] for item in items) for name in names}
    columns: Columns = {
        "NAME": lambda budget: budget["name"],
        "FOR": _about,
        "BUDGET": lambda budget: _of(budget, "amount"),
        "SPENT": lambda budget: _of(budget, "spent"),
        "USED": lambda budget: f"{budget['percent']} %",
        "FORECAST": lambda budget: _of(budget, "forecast"),
        "NO PRICE": _MEASURES["NO PRICE"],
        "UNKNOWN": _MEASURES["UNKNOWN"],
    }
    return _table(columns, items, total)


def hours(number: float | None) -> str:
    """Return hours with one decimal place; empty for None."""
    if number is None:
        return ""
    return "<0.1 h" if 0 < number < 0.05 else f"{number:,.1f} h"


def money(amounts: Mapping[str, str]) -> str:
    """Return amounts in cents with their currencies; empty if there are none."""
    return ", ".join(
        f"{_cents(Decimal(amount))} {currency}" for currency, amount in amounts.items()
    )


def percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"


def _cents(amount: Decimal) -> str:
    return f"<{_CENT}" if 0 < amount <= _CENT / 2 else f"{amount:,.2f}"


def _table(
    columns: Columns, items: Iterable[Json], total: Json | None = None
) -> list[str]:
    """Return a table, without the columns of ``_ONLY_IF_ANY`` that ``total`` lacks."""
    kept = {
        name: read
        for name, read in columns.items()
        if total is None or name not in _ONLY_IF_ANY or total[_ONLY_IF_ANY[name]]
    }
    rows = ([read(item) for read in kept.values()] for item in items)
    return table(rows, [*kept], _NUMBERS)


def _about(budget: Json) -> str:
    if budget["kind"] == "all":
        return "everything"
    return f"{budget['kind']} {budget['value']}"


def _of(budget: Json, name: str) -> str:
    amount = budget[name]
    return "" if amount is None else money({budget["currency"]: amount})


def _heading(document: Json) -> str:
    days = f"{document['since']} to {document['until']}"
    return f"{days} ({document['time_zone']})"


def _days(bucket: Json) -> str:
    first, last = bucket["first_day"], bucket["last_day"]
    return str(first) if first == last else f"{first} to {last}"


def _name(run: Json) -> str:
    return str(run["name"] or run["instance_id"])


def _owner(run: Json) -> str:
    return str(run["owner"]["name"] or run["owner"]["id"])


def _ended_by(run: Json) -> str:
    if not run["ended_by"]:
        return ""
    who = f" ({run['ended_by_name']})" if run["ended_by_name"] else ""
    return f"{_words(run['ended_by'])}{who}"


def _counts(ended: Mapping[str, int]) -> str:
    return ", ".join(
        f"{_words(kind)} {number}" for kind, number in ended.items() if number
    )


def _words(kind: str) -> str:
    return "auto-stop" if kind == "auto_stop" else kind


_REASONS = {
    "next_start": "next start",
    "missing": "deleted then",
    "now": "not started again",
    "limit": "longest time assumed",
    "unknown": "stopped while not read",
}
