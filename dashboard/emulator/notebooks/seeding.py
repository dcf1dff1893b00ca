"""Random notebooks.

Notebook n depends only on the seed and n, so a larger fleet begins with the smaller
one. Times are relative to the start of the clock.
"""

import random
import uuid
from dataclasses import replace

from dashboard.emulator.people import PEOPLE, POOLS, USERS, WORKSPACES
from dashboard.emulator.seeding import DESCRIPTIONS, KINDS, TOPICS
from dashboard.emulator.showcase import DAY, HOUR, MINUTE

from .catalog import FLAVORS, NotebookFlavor, images_for
from .lease import Lease
from .lifecycle import GONE
from .notebook import Notebook, Volume
from .showcase import SHOWCASE, NotebookSketch

_NEXT = {
    "INIT": "CREATING",
    "CREATING": "RUNNING",
    "STARTING": "RUNNING",
    "STOPPING": "STOPPED",
    "SNAPSHOTTING": "RUNNING",
    "DELETING": GONE,
}
_STEP_MS = 10_000

_STATUS_WEIGHTS = {
    "RUNNING": 50,
    "STOPPED": 38,
    "STARTING": 2,
    "STOPPING": 2,
    "CREATING": 1,
    "SNAPSHOTTING": 1,
    "CREATE_FAILED": 1,
    "START_FAILED": 1.5,
    "ERROR": 0.5,
    "FROZEN": 1,
}
_DURATIONS = (HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR, 72 * HOUR)
_FAIL_REASONS = (None, "No resources available.", "Failed to mount the storage.")
_TEAMS = ("vision", "language", "forecasting", "pricing")


def seed_notebooks(count: int, seed: int, now_ms: int) -> list[Notebook]:
    """Create notebooks; the first are the showcase."""
    return [_notebook(index, seed, now_ms) for index in range(count)]


def _notebook(index: int, seed: int, now_ms: int) -> Notebook:
    rng = random.Random(f"{seed}/notebook/{index}")  # noqa: S311 - not a secret
    sketch = SHOWCASE[index] if index < len(SHOWCASE) else _invented(index, rng)
    flavor = FLAVORS[sketch.flavor]
    created_ms = now_ms - (5 * DAY + rng.randrange(200 * DAY)) * 1000
    notebook = Notebook(
        id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        name=sketch.name,
        owner=USERS[sketch.owner],
        flavor=flavor,
        image=rng.choice(images_for(flavor)),
        created_ms=created_ms,
        updated_ms=now_ms - rng.randrange(4 * DAY) * 1000,
        # The lease is a little older than the notebook, as in the samples.
        lease=Lease(
            created_ms - 2,
            now_ms - 12 * HOUR * 1000,
            sketch.lease_seconds * 1000,
            sketch.auto_stop,
            "IDLE" if sketch.idle else "TIMING",
        ),
        description=sketch.description,
        workspace=WORKSPACES[sketch.workspace],
        pool=None if sketch.pool is None else POOLS[sketch.pool],
        volume=_volume(sketch, flavor),
        fail_reason=sketch.fail_reason,
        doomed=sketch.doomed,
        tags=dict(sketch.tags),
        allowed_ips=("192.0.2.10",) if sketch.has_ssh else None,
        key_pair_names=("team-key",) if sketch.has_ssh else (),
        buckets=sketch.buckets,
    )
    _set_going(notebook, sketch, now_ms)
    return notebook


def _set_going(notebook: Notebook, sketch: NotebookSketch, now_ms: int) -> None:
    """Set the notebook's status, and plan its next ones."""
    status = notebook.status = sketch.status
    notebook.entered_ms = notebook.updated_ms
    plan: list[tuple[int, str]] = []
    if notebook.is_active:
        _set_running(notebook, sketch, now_ms)
    if status == "RUNNING":
        ends_ms = now_ms + sketch.ends_in_seconds * 1000
        if sketch.auto_stop and sketch.busy_for_seconds is not None:
            plan = [(ends_ms, "STOPPING"), (ends_ms + _STEP_MS, "STOPPED")]
    at_ms = now_ms + sketch.lasts_seconds * 1000
    while status in _NEXT:
        status = _NEXT[status]
        plan.append((at_ms, status))
        at_ms += _STEP_MS
    if sketch.status in _NEXT and sketch.status != "SNAPSHOTTING":
        notebook.entered_ms = notebook.updated_ms = now_ms - 20_000
        notebook.lease = notebook.lease.rebased(now_ms - 20_000)
    if sketch.status in {"INIT", "CREATING"}:
        notebook.created_ms = now_ms - 20_000
        notebook.lease = replace(
            notebook.lease,
            created_ms=now_ms - 20_002,
            updated_ms=now_ms - 20_002,
        )
    notebook.plan = tuple(plan)


def _set_running(notebook: Notebook, sketch: NotebookSketch, now_ms: int) -> None:
    """Set the run and its lease such that it ends when the sketch says."""
    period_ms = sketch.lease_seconds * 1000
    ends_ms = now_ms + sketch.ends_in_seconds * 1000
    updated_ms = ends_ms - period_ms
    started_ms = updated_ms
    if sketch.ran_seconds:
        started_ms = now_ms - sketch.ran_seconds * 1000
    if sketch.idle:
        # Its last heartbeat was one period before the end.
        notebook.busy_until_ms = (
            None if sketch.busy_for_seconds is None else max(updated_ms, started_ms)
        )
        updated_ms = started_ms
    if not sketch.auto_stop:
        updated_ms = started_ms
    notebook.run_started_ms = started_ms
    notebook.entered_ms = notebook.updated_ms = started_ms
    notebook.lease = notebook.lease.rebased(updated_ms)


def _volume(sketch: NotebookSketch, flavor: NotebookFlavor) -> Volume:
    if sketch.disk_gb and "EVS" in flavor.storages:
        return Volume("EVS", "MANAGED", sketch.disk_gb)
    return Volume("EFS", "MANAGED", 50)


def _invented(index: int, rng: random.Random) -> NotebookSketch:
    weights = list(_STATUS_WEIGHTS.values())
    [status] = rng.choices(list(_STATUS_WEIGHTS), weights)
    duration = rng.choice(_DURATIONS)
    idle = rng.random() < 0.12
    sketch = NotebookSketch(
        name=f"{rng.choice(TOPICS)}-{rng.choice(KINDS)}-nb-{index}",
        owner=rng.choice(PEOPLE).name,
        flavor=rng.choice(list(FLAVORS)),
        status=status,
        description=rng.choice(DESCRIPTIONS),
        lease_seconds=duration,
        auto_stop=rng.random() < 0.85,
        idle=idle,
        ends_in_seconds=rng.randint(1, duration),
        lasts_seconds=rng.randint(30, 15 * MINUTE),
        workspace=rng.choice((0, 0, 0, 1, 2, 3)),
        pool=rng.choice((None, None, None, None, 0, 1)),
        disk_gb=rng.choice((0, 5, 50, 100)),
        tags={"team": rng.choice(_TEAMS)} if rng.random() < 0.4 else {},
        buckets=rng.choice(((), (), (), ("team-data",))),
        has_ssh=rng.random() < 0.1,
    )
    if not sketch.auto_stop:
        sketch = replace(sketch, ran_seconds=rng.randint(MINUTE, 3 * DAY))
    if status.endswith("_FAILED"):
        sketch = replace(sketch, fail_reason=rng.choice(_FAIL_REASONS))
    return sketch
