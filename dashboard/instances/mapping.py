"""From the cloud's document to a row of the mirror: pure functions, no queries."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.modelarts import schemas
from dashboard.modelarts.results import FURTHEST_APART_MS
from dashboard.modelarts.schemas import InstanceStatus

from .models import Instance

MOST_NAME, MOST_TEXT = (512, 1_000), (255, 500)
"""Characters, and bytes of UTF-8, of a name and of other indexed texts: PostgreSQL
refuses an index entry above 2,704 bytes, and lower case may be half as long again."""

STOP_PATH = "spec.auto_stop.stop_timestamp"
SAME_RUN_MS = 5_000
"""A stop moment that moved by less belongs to the same run."""


def moment(ms: int | None) -> datetime | None:
    """An upstream time, Unix **ms**, as an aware datetime; None when out of range."""
    if ms is None:
        return None
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def cut(text: str | None, most: int, most_bytes: int) -> str:
    """The begin of a text that a column and its indexes can hold; empty for None."""
    return (text or "")[:most].encode()[:most_bytes].decode(errors="ignore")


def columns(
    wire: schemas.Instance, *, skew_ms: int, known: Instance | None, now: datetime
) -> dict[str, Any]:
    """Everything of a row that follows from the cloud's document.

    Args:
        wire: The document as parsed.
        skew_ms: The upstream's clock minus ours, milliseconds.
        known: The row so far. A document without ``spec`` (the newest edition's
            answers) says nothing about auto stop, so the known values stay.
        now: By our clock.

    Returns:
        Values by field name, ``content_hash`` among them.
    """
    document = wire.document()
    spec = wire.spec
    if spec is None and known is not None and "spec" in known.document:
        document["spec"] = known.document["spec"]
        spec = schemas.NotebookSpec.model_validate(document["spec"])
    auto_stop = (spec and spec.auto_stop) or schemas.AutoStop()
    status = wire.status or "UNKNOWN"
    running = status == InstanceStatus.RUNNING
    told_ms = auto_stop.stop_timestamp if running else None
    now_ms = round(now.timestamp() * 1e3) + skew_ms
    contradicts = told_ms is not None and (
        _contradicts_document(told_ms, wire, auto_stop, now_ms)
        or _contradicts_run(moment(told_ms - skew_ms), known)
    )
    stop_timestamp_ms = None if contradicts else told_ms
    profile, flavor = wire.profile, wire.flavor_details
    owner = wire.user or schemas.User()
    workspace = wire.workspace or schemas.Workspace()
    values: dict[str, Any] = {
        "name": cut(wire.name or wire.id, *MOST_NAME),
        "description": wire.description or "",
        "status": status[:64],
        "owner_id": cut(owner.id, *MOST_TEXT),
        "owner_name": cut(owner.name, *MOST_TEXT),
        "flavor": cut(wire.flavor or (flavor.name if flavor else None), *MOST_TEXT),
        "flavor_type": (
            (flavor and flavor.type) or (profile and profile.flavor_type) or ""
        ).upper()[:32],
        "workspace_id": cut(workspace.id, *MOST_TEXT),
        "auto_stop_enable": auto_stop.enable,
        "auto_stop_duration": auto_stop.duration,
        "auto_stop_prompt": auto_stop.prompt,
        "stop_timestamp_ms": stop_timestamp_ms,
        "stops_at": moment(stop_timestamp_ms and stop_timestamp_ms - skew_ms),
        "created_at": moment(wire.creation_timestamp),
        "updated_at": moment(wire.latest_update_timestamp),
        "document": document,
        "problems": wire.problems + [STOP_PATH] * contradicts,
    }
    values["search_text"] = "\n".join(
        (values["name"], values["description"], owner.name or "", wire.id)
    ).casefold()
    values["content_hash"] = _hash(values)
    return values


def _hash(values: dict[str, Any]) -> str:
    queue = values["document"].get("queuing_info") or {}
    if "end_timestamp" in queue:
        # Sinks with every answer, while the moment it counts down to stays.
        queue = {key: held for key, held in queue.items() if key != "remain_time"}
        document = values["document"] | {"queuing_info": queue}
        values = values | {"document": document}
    content = json.dumps(values, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def _contradicts_document(
    stop_ms: int, wire: schemas.Instance, auto_stop: schemas.AutoStop, now_ms: int
) -> bool:
    """Whether the rest of its document says that a running instance stops otherwise.

    Args:
        stop_ms: By the upstream's clock, as ``now_ms``.
        wire: The document.
        auto_stop: The part of it, or that of an earlier one.
        now_ms: When it was received.
    """
    if wire.creation_timestamp is not None and stop_ms <= wire.creation_timestamp:
        return True
    if auto_stop.enable is False and stop_ms <= now_ms:
        # It was to stop and still runs, since nothing stops it any more.
        return True
    left = auto_stop.remain_time or 0
    return left > 0 and abs(stop_ms - left * 1_000 - now_ms) > FURTHEST_APART_MS


def _contradicts_run(stops_at: datetime | None, known: Instance | None) -> bool:
    """Whether the stop lies before the run that is known to be under way."""
    if stops_at is None or known is None:
        return False
    was_running = known.status == InstanceStatus.RUNNING
    began_at = known.run_started_at if was_running else known.status_since
    return began_at is not None and stops_at <= began_at


def follow_run(row: Instance, *, before: Instance | None, now: datetime) -> None:
    """Set ``run_started_at`` of a row that has its new columns.

    The cloud does not say when a run began; ``stop_timestamp`` is that moment plus the
    duration granted then (worked out from the samples).
    """
    if row.status != InstanceStatus.RUNNING:
        return
    went_on = (
        before is not None
        and before.status == InstanceStatus.RUNNING
        and before.run_started_at is not None
        and _same_stop(before.stop_timestamp_ms, row.stop_timestamp_ms)
    )
    if went_on and before is not None:
        row.run_started_at = before.run_started_at
        return
    seen_starting = before is not None and before.status != InstanceStatus.RUNNING
    if row.stops_at and row.auto_stop_duration:
        start = row.stops_at - timedelta(seconds=row.auto_stop_duration)
        row.run_started_at = min(max(start, row.created_at or start), now)
    else:
        row.run_started_at = now if seen_starting else None


def is_new_run(before: Instance, row: Instance) -> bool:
    """Whether the run seen now is another than the one seen before.

    Both were running, so its end was missed. A stop moment that only moved, while the
    run's beginning stayed, is the same run granted more or less.

    Args:
        before: The row as stored.
        row: The row with its new columns, after ``follow_run``.
    """
    if {before.status, row.status} != {InstanceStatus.RUNNING}:
        return False
    if before.run_started_at is None or row.run_started_at is None:
        return False
    later = row.run_started_at - before.run_started_at
    return not _same_stop(before.stop_timestamp_ms, row.stop_timestamp_ms) and (
        later > timedelta(milliseconds=SAME_RUN_MS)
    )


def _same_stop(one: int | None, other: int | None) -> bool:
    # A stop moment that appears or vanishes within a run is auto stop being switched.
    return one is None or other is None or abs(one - other) <= SAME_RUN_MS
