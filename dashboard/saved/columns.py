"""The columns of an export. Each has its line in ``docs/export.md``."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

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
    "cloud": lambda one: one.cloud.name,
    "instance_id": lambda one: one.instance_id,
    "name": lambda one: one.name,
    "description": lambda one: one.description,
    "status": lambda one: one.status,
    "status_since": lambda one: _moment(one.status_since),
    "missing_since": lambda one: _moment(one.missing_since),
    "owner_name": lambda one: one.owner_name,
    "owner_id": lambda one: one.owner_id,
    "workspace_id": lambda one: one.workspace_id,
    "flavor": lambda one: one.flavor,
    "flavor_type": lambda one: one.flavor_type,
    "run_started_at": lambda one: _moment(one.run_started_at),
    "stops_at": lambda one: _moment(one.stops_at),
    "auto_stop": lambda one: one.auto_stop_enable,
    "next_run_hours": _hours,
    "created_at": lambda one: _moment(one.created_at),
    "updated_at": lambda one: _moment(one.updated_at),
}

NEEDLESS = ("document", "problems", "search_text", "content_hash")
"""Columns of the mirror that no export shows and that would be most of the reading."""


def values(instance: Instance) -> dict[str, Any]:
    """One instance, by column."""
    return {name: read(instance) for name, read in COLUMNS.items()}
