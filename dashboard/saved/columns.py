"""The columns of an export. Each has its line in ``docs/export.md``."""

from collections.abc import Callable
from datetime import UTC, datetime

from dashboard.instances.models import Instance

Value = str | int | float | bool | None


def _moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="seconds")


def _hours(instance: Instance) -> float | None:
    seconds = instance.auto_stop_duration
    return None if seconds is None else round(seconds / 3600, 4)


COLUMNS: dict[str, Callable[[Instance], Value]] = {
    "cloud": lambda instance: instance.cloud.name,
    "instance_id": lambda instance: instance.instance_id,
    "name": lambda instance: instance.name,
    "description": lambda instance: instance.description,
    "status": lambda instance: instance.status,
    "status_since": lambda instance: _moment(instance.status_since),
    "missing_since": lambda instance: _moment(instance.missing_since),
    "owner_name": lambda instance: instance.owner_name,
    "owner_id": lambda instance: instance.owner_id,
    "workspace_id": lambda instance: instance.workspace_id,
    "flavor": lambda instance: instance.flavor,
    "flavor_type": lambda instance: instance.flavor_type,
    "run_started_at": lambda instance: _moment(instance.run_started_at),
    "stops_at": lambda instance: _moment(instance.stops_at),
    "auto_stop": lambda instance: instance.auto_stop_enable,
    "next_run_hours": _hours,
    "created_at": lambda instance: _moment(instance.created_at),
    "updated_at": lambda instance: _moment(instance.updated_at),
}

NEEDLESS = ("document", "problems", "search_text", "content_hash")
"""Large columns of an instance that no export contains."""


def values(instance: Instance) -> dict[str, Value]:
    return {name: read(instance) for name, read in COLUMNS.items()}
