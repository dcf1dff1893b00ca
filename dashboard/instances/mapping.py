"""Maps the cloud's document to the columns of an instance. Pure functions."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.modelarts.generations import Generation
from dashboard.modelarts.instance_state import IDLE, InstanceState
from dashboard.modelarts.results import MAX_CLOCK_DIFFERENCE_MS, WireInstance
from dashboard.modelarts.statuses import InstanceStatus

from . import run_state
from .idle_time import known_idle_seconds
from .models import Instance

MAX_NAME_SIZE, MAX_TEXT_SIZE = (512, 560), (255, 500)
"""Characters, and bytes of UTF-8, of a name and of other indexed texts: PostgreSQL
refuses an index entry above 2,704 bytes. The entry of an owner and a name has both
twice, once in lower case, which may be half as long again."""

STOP_PATHS = {
    Generation.DEMANAGER: "spec.auto_stop.stop_timestamp",
    Generation.NOTEBOOKS: "lease.duration",
}
"""The members that tell the end of a run."""

SAME_RUN_MS = 5_000
"""A stop time that moves by less belongs to the same run."""

LAPSED_AFTER_MS = 300_000
"""A lease that changed this long after its end belongs to another run, since only a
running notebook's lease can be renewed, and the cloud takes a moment to stop one."""

CREATED_JUST_BEFORE_MS = 300_000
"""A run that began between the creation of a notebook and the last change of its lease
is known to within this time."""

CLOSELY_WATCHED = timedelta(minutes=2)
"""An instance that was read so recently has not been stopped and started since."""

_IN_A_RUN = frozenset({InstanceStatus.RUNNING, InstanceStatus.SNAPSHOTTING})
_MOMENTARY = ("error_code", "queuing_info", "fail_reason", "action_progress")
"""Members that no longer count when an answer lacks them."""


def moment(ms: int | None) -> datetime | None:
    """Convert Unix **ms** to an aware datetime; None if out of range."""
    if ms is None:
        return None
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def cut(text: str | None, most: int, most_bytes: int) -> str:
    """Cut a text to what a column and its indexes can store; empty for None."""
    return (text or "")[:most].encode()[:most_bytes].decode(errors="ignore")


def columns(
    wire: WireInstance, *, skew_ms: int, known: Instance | None, now: datetime
) -> dict[str, Any]:
    """Return the column values derived from the document, by name.

    Args:
        wire: The parsed document.
        skew_ms: The cloud's clock minus ours, **ms**.
        known: The row so far. What a partial answer lacks, such as an answer of the
            newest edition of the old API, is taken from it.
        now: By our clock.
    """
    document, state = wire.document(), wire.state()
    if state.is_partial and known is not None and known.generation == state.generation:
        kept = known.document.items()
        document = {k: v for k, v in kept if k not in _MOMENTARY} | document
        state = type(wire).model_validate(document).state()
    status = state.status or "UNKNOWN"
    stop_timestamp_ms = state.stop_timestamp_ms
    now_ms = round(now.timestamp() * 1e3) + skew_ms
    is_contradiction = stop_timestamp_ms is not None and (
        _contradicts_document(stop_timestamp_ms, state, now_ms)
        or _contradicts_run(moment(stop_timestamp_ms - skew_ms), known)
    )
    if is_contradiction:
        stop_timestamp_ms = None
    owner_id, owner_name = _owner(state, known)
    values: dict[str, Any] = {
        "generation": state.generation.value,
        "name": cut(state.name or wire.id, *MAX_NAME_SIZE),
        "description": state.description or "",
        "status": status[:64],
        "owner_id": cut(owner_id, *MAX_TEXT_SIZE),
        "owner_name": cut(owner_name, *MAX_TEXT_SIZE),
        "flavor": cut(state.flavor, *MAX_TEXT_SIZE),
        "flavor_type": state.flavor_type[:32],
        "workspace_id": cut(state.workspace_id, *MAX_TEXT_SIZE),
        "auto_stop_enable": state.auto_stop_enable,
        "auto_stop_duration": state.auto_stop_duration,
        "auto_stop_prompt": state.auto_stop_prompt,
        "stop_timestamp_ms": stop_timestamp_ms,
        "stops_at": _by_our_clock(stop_timestamp_ms, skew_ms),
        "lease_type": state.lease_type[:16],
        "lease_updated_ms": state.lease_updated_ms,
        "idle_seconds": _idle_seconds(wire, state, known, now_ms),
        "idle_stop_at": _by_our_clock(state.idle_stop_ms, skew_ms),
        "tags": _tags(state, known),
        "created_at": moment(state.created_ms),
        "updated_at": moment(state.updated_ms),
        "document": document,
        "problems": wire.problems + [STOP_PATHS[state.generation]] * is_contradiction,
    }
    values["search_text"] = "\n".join(
        (values["name"], values["description"], owner_name, wire.id)
    ).casefold()
    values["content_hash"] = _hash(values)
    return values


def _by_our_clock(ms: int | None, skew_ms: int) -> datetime | None:
    return None if ms is None else moment(ms - skew_ms)


def _idle_seconds(
    wire: WireInstance, state: InstanceState, known: Instance | None, now_ms: int
) -> int | None:
    """Return how long an idle lease lets the notebook be unused; None if unknown."""
    if (
        known is None
        or {known.lease_type, state.lease_type} != {IDLE}
        or known.lease_updated_ms != state.lease_updated_ms
    ):
        return known_idle_seconds(state, now_ms)
    if known.idle_seconds is not None or state.idle_stop_ms is None:
        return known.idle_seconds
    earlier = type(wire).model_validate({**known.document, "id": wire.id}).state()
    return known_idle_seconds(state, now_ms, earlier_end_ms=earlier.idle_stop_ms)


def _owner(state: InstanceState, known: Instance | None) -> tuple[str, str]:
    """Return ID and name; listings of notebooks may lack either."""
    if known is None or state.owner_name:
        return state.owner_id, state.owner_name
    if state.owner_id in ("", known.owner_id):
        return known.owner_id, known.owner_name
    return state.owner_id, ""


def _tags(state: InstanceState, known: Instance | None) -> dict[str, str]:
    # An answer about an instance without tags contains an empty list of them.
    if state.tags is not None:
        return state.tags
    return known.tags if known is not None else {}


def _hash(values: dict[str, Any]) -> str:
    queue = values["document"].get("queuing_info") or {}
    if "end_timestamp" in queue:
        # ``remain_time`` decreases with every response; ``end_timestamp`` stays.
        queue = {key: item for key, item in queue.items() if key != "remain_time"}
        document = values["document"] | {"queuing_info": queue}
        values = values | {"document": document}
    content = json.dumps(values, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def _contradicts_document(stop_ms: int, state: InstanceState, now_ms: int) -> bool:
    """Return whether the rest of the document contradicts the stop time.

    Args:
        stop_ms: By the cloud's clock, as ``now_ms``.
        state: Of a running instance.
        now_ms: When the document was received.
    """
    if state.created_ms is not None and stop_ms <= state.created_ms:
        return True
    if state.auto_stop_enable is False and stop_ms <= now_ms:
        # The time has passed and the instance still runs: nothing stops it.
        return True
    left = state.remain_time or 0
    return left > 0 and abs(stop_ms - left * 1_000 - now_ms) > MAX_CLOCK_DIFFERENCE_MS


def _contradicts_run(stops_at: datetime | None, known: Instance | None) -> bool:
    """Return whether the stop time is before the start of this run."""
    if stops_at is None or known is None:
        return False
    was_running = known.status in _IN_A_RUN
    began_at = known.run_started_at if was_running else known.status_since
    return began_at is not None and stops_at <= began_at


def set_run_start(
    row: Instance, *, before: Instance | None, skew_ms: int, now: datetime
) -> None:
    """Set ``run_started_at`` of a row whose other columns are new.

    The cloud does not report the start of a run. With the old API it is
    ``stop_timestamp`` minus the duration granted at the start, as the samples show. The
    lease of a notebook changes at the start, and also when it is renewed.
    """
    if row.status != InstanceStatus.RUNNING:
        return
    was_running = before is not None and before.status in _IN_A_RUN
    if (
        before is not None
        and was_running
        and before.run_started_at is not None
        and _is_same_run(before, row)
    ):
        row.run_started_at = before.run_started_at
    elif row.capabilities.has_lease:
        changed_at = _by_our_clock(row.lease_updated_ms, skew_ms)
        row.run_started_at = _start_by_lease(row, before, changed_at, now)
    elif row.stops_at and row.auto_stop_duration:
        start = row.stops_at - timedelta(seconds=row.auto_stop_duration)
        row.run_started_at = min(max(start, row.created_at or start), now)
    else:
        has_just_started = before is not None and not was_running
        row.run_started_at = now if has_just_started else None


def _start_by_lease(
    row: Instance, before: Instance | None, changed_at: datetime | None, now: datetime
) -> datetime | None:
    """Return the start of a notebook's run, None unless it is certain.

    The run began at the last change of its lease, or before if it was renewed since.

    Args:
        row: Running.
        before: The row as stored.
        changed_at: The last change of the lease, by our clock.
        now: When the row was read.
    """
    if before is not None and before.status not in _IN_A_RUN:
        stopped_at = before.status_since or before.first_seen_at
        return changed_at if changed_at and stopped_at < changed_at <= now else now
    if changed_at is None or row.created_at is None:
        return None
    changed_at = min(changed_at, now)
    if before is not None and not _is_same_run(before, row):
        return changed_at
    # Both by the cloud's clock.
    changed_ms = row.lease_updated_ms or 0
    since_creation = changed_ms - round(row.created_at.timestamp() * 1e3)
    return changed_at if since_creation <= CREATED_JUST_BEFORE_MS else None


def stop_requested_at(
    before: Instance, row: Instance, now: datetime
) -> datetime | None:
    """Return when the stop that is under way was requested; None if none is.

    Args:
        before: The row as stored.
        row: The row with its new columns, after ``set_run_start``.
        now: When it was read.
    """
    if row.status == InstanceStatus.STOPPING:
        return min(run_state.stop_due_at(before) or now, now)
    if row.status not in _IN_A_RUN or is_new_run(before, row):
        return None
    if before.status in _IN_A_RUN:
        return before.stop_requested_at
    if before.status == InstanceStatus.STOPPING:
        # The cloud gave the stop up, unless there was time for another start.
        read_at = before.looked_at
        is_watched = read_at is not None and now - read_at < CLOSELY_WATCHED
        return before.stop_requested_at if is_watched else None
    return None


def is_new_run(before: Instance, row: Instance) -> bool:
    """Return whether a stop and a new start happened between two reads.

    If only the stop time moves, it is the same run with another duration.

    Args:
        before: The row as stored.
        row: The row with its new columns, after ``set_run_start``.
    """
    if {before.status, row.status} != {InstanceStatus.RUNNING}:
        return False
    if row.run_started_at is None or _is_same_run(before, row):
        return False
    if before.run_started_at is None:
        return row.capabilities.has_lease
    later = row.run_started_at - before.run_started_at
    return later > timedelta(milliseconds=SAME_RUN_MS)


def _is_same_run(before: Instance, row: Instance) -> bool:
    """Return whether an instance that runs and ran before seems not to have stopped.

    Auto-stop that was turned on or off does not begin a run. Nor does a lease that was
    renewed before its end.
    """
    end_ms = before.stop_timestamp_ms
    if row.capabilities.has_lease:
        changed_ms = row.lease_updated_ms
        lapsed = end_ms and changed_ms and changed_ms - end_ms > LAPSED_AFTER_MS
        return not lapsed
    if end_ms is None or row.stop_timestamp_ms is None:
        return True
    return abs(end_ms - row.stop_timestamp_ms) <= SAME_RUN_MS
