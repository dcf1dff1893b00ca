"""Costs as the schemas of responses expect them."""

from datetime import datetime
from typing import Any

from dashboard.costs.budgets import Standing
from dashboard.costs.models import Gap, Price, Run
from dashboard.costs.money import Money, amount_text
from dashboard.costs.periods import Period, report_zone
from dashboard.costs.savings import Avoided, Saved
from dashboard.costs.usage import Bucket, Line, RunCost, Usage


def hours(seconds: float) -> float:
    return round(seconds / 3_600, 4)


def amounts(money: Money) -> dict[str, str]:
    return {name: amount_text(value) for name, value in money.amounts.items()}


def period(period: Period, now: datetime) -> dict[str, Any]:
    return {
        "since": period.first_day,
        "until": period.last_day,
        "time_zone": str(report_zone()),
        "as_of": now,
    }


def usage(usage: Usage) -> dict[str, Any]:
    average = usage.average_run
    return {
        "running_hours": hours(usage.running),
        "stopped_hours": hours(usage.stopped),
        "unknown_hours": hours(usage.unknown),
        "cost": amounts(usage.cost),
        "stopped_cost": amounts(usage.stopped_cost),
        "unpriced_hours": hours(usage.unpriced),
        "unpriced_stopped_hours": hours(usage.unpriced_stopped),
        "average_run_hours": None if average is None else hours(average),
        "ended": {str(kind): usage.ended.get(kind, 0) for kind in Run.EndedBy},
    }


def line(line: Line) -> dict[str, Any]:
    named = {"key": line.key, "label": line.label, "share": round(line.share, 6)}
    return named | usage(line.usage)


def bucket(bucket: Bucket) -> dict[str, Any]:
    days = {"first_day": bucket.first_day, "last_day": bucket.last_day}
    return days | usage(bucket.usage)


def gap(gap: Gap) -> dict[str, Any]:
    return {"cloud": gap.cloud.name, "since": gap.since, "until": gap.until}


def run(run: Run, cost: RunCost) -> dict[str, Any]:
    return reference(run) | {
        "running_hours": hours(cost.seconds),
        "unknown_hours": hours(cost.unknown_seconds),
        "cost": amounts(cost.cost),
        "unpriced_hours": hours(cost.cost.unpriced_seconds),
    }


def reference(run: Run) -> dict[str, Any]:
    allocation, person = run.allocation, run.ended_by_person
    return {
        "cloud": allocation.cloud.name,
        "instance_id": run.instance.instance_id,
        "name": run.instance.name,
        "owner": {"id": allocation.owner_id, "name": allocation.owner_name},
        "workspace_id": allocation.workspace_id,
        "flavor": allocation.flavor,
        "tags": allocation.tags,
        "started_at": run.started_at,
        "start_known": run.started_known,
        "ended_at": run.ended_at,
        "end_known": run.ended_known or None,
        "had_auto_stop": run.has_end,
        "ended_by": run.ended_by or None,
        "ended_by_name": run.ended_by_name or (person and person.username),
        "edit": run.end_edit_id,
        "next_started_at": run.next_started_at,
    }


def saved(saved: Saved) -> dict[str, Any]:
    return {
        "stops": saved.number,
        "hours": hours(saved.seconds),
        "cost": amounts(saved.money),
        "unpriced_hours": hours(saved.money.unpriced_seconds),
        "hours_without_stopped_price": hours(saved.without_stopped_price),
        "unknown_stops": saved.unknown,
    }


def avoided(avoided: Avoided) -> dict[str, Any]:
    is_known = avoided.until is not None
    unpriced = avoided.money.unpriced_seconds
    return reference(avoided.run) | {
        "until": avoided.until,
        "because": avoided.because,
        "hours": hours(avoided.seconds) if is_known else None,
        "cost": amounts(avoided.money),
        "unpriced_hours": hours(unpriced) if is_known else None,
    }


def price(price: Price) -> dict[str, Any]:
    return {
        "id": price.pk,
        "cloud": price.cloud,
        "flavor": price.flavor,
        "running": amount_text(price.running),
        "stopped": None if price.stopped is None else amount_text(price.stopped),
        "currency": price.currency,
        "valid_from": price.valid_from,
        "source": price.source,
        "created_by": price.created_by.get_username() if price.created_by else None,
        "created_at": price.created_at,
    }


def budget(standing: Standing) -> dict[str, Any]:
    budget, forecast = standing.budget, standing.forecast
    return {
        "id": budget.pk,
        "name": budget.name,
        "kind": budget.kind,
        "value": budget.team.name if budget.team else budget.value,
        "amount": amount_text(budget.amount),
        "currency": budget.currency,
        "month": standing.month,
        "spent": amount_text(standing.spent),
        "percent": standing.percent,
        "threshold": standing.threshold,
        "forecast": None if forecast is None else amount_text(forecast),
        "other_currencies": {
            name: amount_text(value) for name, value in standing.others.items()
        },
        "unpriced_hours": hours(standing.unpriced_seconds),
        "unknown_hours": hours(standing.unknown_seconds),
        "url": budget.get_absolute_url(),
    }
