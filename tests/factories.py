"""Rows for tests, believable by default."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.instances.models import Cloud, Instance

_numbers = itertools.count(1)


def make_cloud(name: str = "demo", **fields: Any) -> Cloud:
    """A cloud whose mirror is fresh."""
    fields.setdefault("refreshed_at", datetime.now(UTC))
    return Cloud.objects.get_or_create(name=name, defaults=fields)[0]


def make_instance(**fields: Any) -> Instance:
    """A running notebook of anna.schmidt's that stops in two hours; next run: 8 h.

    ``stops_in`` (seconds from now) is a short way to say ``stops_at``.
    """
    number = next(_numbers)
    now = datetime.now(UTC)
    status = fields.setdefault("status", "RUNNING")
    stops_in = fields.pop("stops_in", 7200 if status == "RUNNING" else None)
    if stops_in is not None:
        fields.setdefault("stops_at", now + timedelta(seconds=stops_in))
        fields.setdefault(
            "stop_timestamp_ms", round(fields["stops_at"].timestamp() * 1000)
        )
        fields.setdefault("run_started_at", now - timedelta(hours=1))
    defaults: dict[str, Any] = {
        "instance_id": f"DE-00000000-0000-4000-8000-{number:012d}",
        "name": f"notebook-{number:04d}",
        "description": "Churn model, second try",
        "owner_id": "a" * 32,
        "owner_name": "anna.schmidt",
        "flavor": "modelarts.vm.gpu.v100",
        "flavor_type": "GPU",
        "workspace_id": "0",
        "auto_stop_enable": True,
        "auto_stop_duration": 8 * 3600,
        "auto_stop_prompt": True,
        "first_seen_at": now,
        "created_at": now - timedelta(days=3),
        "updated_at": now - timedelta(days=1),
        "content_hash": f"{number:064d}",
        "document": {},
    }
    values = defaults | fields
    values.setdefault("cloud", None)
    if values["cloud"] is None:
        values["cloud"] = make_cloud()
    if "search_text" not in values:
        values["search_text"] = "\n".join(
            str(values[key])
            for key in ("name", "description", "owner_name", "instance_id")
        ).casefold()
    return Instance.objects.create(**values)
