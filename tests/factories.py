"""Rows for tests, believable by default."""

import itertools
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from dashboard.costs import allocations
from dashboard.costs.models import Price, Run
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.generations import Generation

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


def make_notebook(**fields: Any) -> Instance:
    """An instance of the new generation, running for an hour, that stops in two hours.

    ``stops_in`` is as for ``make_instance``. With ``idle_seconds`` it has an idle
    lease, which has no fixed end. The lease changed last when the run started.
    """
    number = next(_numbers)
    now = datetime.now(UTC)
    if fields.get("idle_seconds") is not None:
        fields = {"stops_in": None, "lease_type": "idle"} | fields
        fields.setdefault("idle_stop_at", now + timedelta(minutes=30))
        fields.setdefault("run_started_at", now - timedelta(hours=1))
    changed_at = fields.get("run_started_at") or now - timedelta(hours=1)
    defaults: dict[str, Any] = {
        "generation": Generation.NOTEBOOKS.value,
        "instance_id": str(uuid.UUID(int=number, version=4)),
        "name": f"lab-{number:04d}",
        "lease_type": "timing",
        "lease_updated_ms": round(changed_at.timestamp() * 1000),
        "auto_stop_duration": None,
        "auto_stop_prompt": None,
        "tags": {"team": "vision"},
    }
    return make_instance(**(defaults | fields))


def make_run(**fields: Any) -> Run:
    """A run of two hours that auto-stop ended an hour ago.

    Args:
        fields: Of ``Run``; those that it does not have are of the instance, which is
            made if none is given. ``hours`` is a short way to say ``ended_at``;
            ``ended_at=None`` is an open run. Without ``allocation``, it is that of the
            instance. The run before learns when this one began.
    """
    now = datetime.now(UTC)
    hours = fields.pop("hours", 2)
    columns = {field.name for field in Run._meta.fields}
    run = {name: fields.pop(name) for name in columns & set(fields)}
    if run.get("ended_at", now) is None:
        run.setdefault("started_at", now - timedelta(hours=hours))
    run.setdefault("started_at", now - timedelta(hours=hours + 1))
    run.setdefault("ended_at", run["started_at"] + timedelta(hours=hours))
    is_open = run["ended_at"] is None
    run.setdefault("started_known", Run.Known.OBSERVED)
    run.setdefault("has_end", True)
    if not is_open:
        run.setdefault("ended_known", Run.Known.OBSERVED)
        run.setdefault("ended_by", Run.EndedBy.AUTO_STOP)
        run.setdefault("end_status", "STOPPED")
    if "instance" not in run:
        fields.setdefault("status", "RUNNING" if is_open else "STOPPED")
        fields.setdefault("first_seen_at", run["started_at"])
        run["instance"] = make_instance(**fields)
    instance = run["instance"]
    if "allocation" not in run:
        run["allocation_id"] = allocations.of([instance])[instance.pk]
    before = Run.objects.filter(
        instance=instance, ended_at__lte=run["started_at"], next_started_at=None
    )
    before.update(next_started_at=run["started_at"])
    return Run.objects.create(**run)


def make_price(running: str = "2.10", **fields: Any) -> Price:
    """What an hour of a ``make_instance`` costs since 2020, in euros; 0.05 stopped."""
    defaults = {
        "flavor": "modelarts.vm.gpu.v100",
        "stopped": Decimal("0.05"),
        "currency": "EUR",
        "valid_from": date(2020, 1, 1),
    }
    return Price.objects.create(running=Decimal(running), **(defaults | fields))
