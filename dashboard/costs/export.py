"""Reports and runs as values for files. Source: ``docs/export.md``."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from . import usage
from .filters import CostQuery
from .models import Run
from .money import Money
from .periods import report_zone
from .run_lines import RunLine
from .usage import Dimension, Usage

type Value = str | float | bool | dict[str, Any] | None


def report_document(query: CostQuery) -> dict[str, Any]:
    """Return the numbers of the page of costs."""
    shown = usage.report(query.reading, query.by, query.tag_key)
    currencies = sorted(shown.total.cost.amounts)
    return {
        **head(query),
        "by": str(query.by),
        "tag_key": query.tag_key if query.by == Dimension.TAG else None,
        "lines": [
            {"key": line.key, "label": line.label}
            | usage_values(line.usage, currencies)
            | {"share": round(line.share, 6)}
            for line in shown.lines
        ],
        "total": usage_values(shown.total, currencies),
        "trend": [
            {"first_day": f"{item.first_day}", "last_day": f"{item.last_day}"}
            | usage_values(item.usage, currencies)
            for item in usage.trend(query.reading, query.step)
        ],
        "gaps": [
            {
                "cloud": gap.cloud.name,
                "since": _moment(gap.since),
                "until": _moment(gap.until),
            }
            for gap in shown.gaps
        ],
    }


def head(query: CostQuery) -> dict[str, Any]:
    """Return what a file is about."""
    return {
        "exported_at": _moment(query.now),
        "since": f"{query.period.first_day}",
        "until": f"{query.period.last_day}",
        "time_zone": str(report_zone()),
        "filters": query.filters,
    }


def usage_values(usage: Usage, currencies: Iterable[str]) -> dict[str, Value]:
    """Return hours, costs by currency and numbers of runs."""
    average = usage.average_run
    return {
        "running_hours": _hours(usage.running),
        "stopped_hours": _hours(usage.stopped),
        "unknown_hours": _hours(usage.unknown),
        "cost": _amounts(usage.cost, currencies),
        "stopped_cost": _amounts(usage.stopped_cost, currencies),
        "unpriced_hours": _hours(usage.unpriced),
        "unpriced_stopped_hours": _hours(usage.unpriced_stopped),
        "average_run_hours": None if average is None else _hours(average),
        "ended": {kind.value: usage.ended.get(kind.value, 0) for kind in Run.EndedBy},
    }


def run_values(line: RunLine, currencies: Iterable[str]) -> dict[str, Value]:
    """Return a run; hours and cost are those within the period."""
    run, cost = line.run, line.cost
    person = run.ended_by_person
    return {
        **_properties(run),
        "started_at": _moment(run.started_at),
        "start_known": run.started_known,
        "ended_at": _moment(run.ended_at),
        "end_known": run.ended_known or None,
        "had_auto_stop": run.has_end,
        "ended_by": run.ended_by or None,
        "ended_by_name": person.username if person else run.ended_by_name or None,
        "change": str(run.end_edit_id) if run.end_edit_id else None,
        "next_started_at": _moment(run.next_started_at),
        "running_hours": _hours(cost.seconds),
        "unknown_hours": _hours(cost.unknown_seconds),
        "cost": _amounts(cost.cost, currencies),
        "unpriced_hours": _hours(cost.cost.unpriced_seconds),
    }


def flat(values: Mapping[str, Value]) -> dict[str, str]:
    """Return the cells of a row; what has parts becomes several, as ``cost_EUR``."""
    cells = {}
    for name, value in values.items():
        if name == "tags" and isinstance(value, dict):
            pairs = (f"{key}={text}" for key, text in sorted(value.items()))
            cells[name] = ", ".join(pairs)
        elif isinstance(value, dict):
            cells |= {f"{name}_{key}": _cell(part) for key, part in value.items()}
        else:
            cells[name] = _cell(value)
    return cells


def _properties(run: Run) -> dict[str, Value]:
    allocation, instance = run.allocation, run.instance
    return {
        "cloud": allocation.cloud.name,
        "instance_id": instance.instance_id,
        "name": instance.name,
        "owner_name": allocation.owner_name,
        "owner_id": allocation.owner_id,
        "workspace_id": allocation.workspace_id,
        "flavor": allocation.flavor,
        "tags": allocation.tags,
    }


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _hours(seconds: float) -> float:
    return round(seconds / 3_600, 4)


def _amounts(money: Money, currencies: Iterable[str]) -> dict[str, float]:
    return {name: float(round(money.amount(name), 6)) for name in currencies}


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None


def run_columns(currencies: Sequence[str]) -> list[str]:
    """Return the heads of the cells of runs."""
    return [
        *("cloud", "instance_id", "name", "owner_name", "owner_id", "workspace_id"),
        *("flavor", "tags", "started_at", "start_known", "ended_at", "end_known"),
        *("had_auto_stop", "ended_by", "ended_by_name", "change", "next_started_at"),
        *("running_hours", "unknown_hours"),
        *(f"cost_{currency}" for currency in currencies),
        "unpriced_hours",
    ]
