"""The columns of an export, each described in ``docs/export.md``."""

from collections.abc import Callable
from datetime import UTC, datetime

from dashboard.costs.estimates import price_now
from dashboard.costs.money import amount_text
from dashboard.instances.models import Instance

Value = str | int | float | bool | dict[str, str] | None


def _moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="seconds")


def _hours(seconds: int | None) -> float | None:
    return None if seconds is None else round(seconds / 3600, 4)


def _price_per_hour(instance: Instance) -> str | None:
    price = price_now(instance)
    return None if price is None else amount_text(price.running)


def _currency(instance: Instance) -> str | None:
    price = price_now(instance)
    return None if price is None else price.currency


COLUMNS: dict[str, Callable[[Instance], Value]] = {
    "cloud": lambda instance: instance.cloud.name,
    "instance_id": lambda instance: instance.instance_id,
    "generation": lambda instance: instance.generation,
    "name": lambda instance: instance.name,
    "description": lambda instance: instance.description,
    "tags": lambda instance: instance.tags,
    "status": lambda instance: instance.status,
    "status_since": lambda instance: _moment(instance.status_since),
    "missing_since": lambda instance: _moment(instance.missing_since),
    "owner_name": lambda instance: instance.owner_name,
    "owner_id": lambda instance: instance.owner_id,
    "workspace_id": lambda instance: instance.workspace_id,
    "flavor": lambda instance: instance.flavor,
    "flavor_type": lambda instance: instance.flavor_type,
    "price_per_hour": _price_per_hour,
    "currency": _currency,
    "run_started_at": lambda instance: _moment(instance.run_started_at),
    "stops_at": lambda instance: _moment(instance.stops_at),
    "lease_type": lambda instance: instance.lease_type,
    "idle_hours": lambda instance: _hours(instance.idle_seconds),
    "idle_stop_at": lambda instance: _moment(instance.idle_stop_at),
    "auto_stop": lambda instance: instance.auto_stop_enable,
    "next_run_hours": lambda instance: _hours(instance.auto_stop_duration),
    "created_at": lambda instance: _moment(instance.created_at),
    "updated_at": lambda instance: _moment(instance.updated_at),
}

DEFERRED = ("document", "problems", "search_text", "content_hash")
"""Large columns of an instance that no export contains."""


def values(instance: Instance) -> dict[str, Value]:
    return {name: read(instance) for name, read in COLUMNS.items()}
