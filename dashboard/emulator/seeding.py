"""Random fleets.

Instance n depends only on the seed and n, so a larger fleet begins with the smaller
one. Times are relative to the start of the clock.
"""

import random
import uuid
from dataclasses import replace
from typing import Any

from .catalog import FLAVORS, Flavor, profiles_for
from .creation import evs
from .instance import AutoStop, Failure, Instance, Queue
from .people import PEOPLE, POOLS, USERS, WORKSPACES
from .repository import Repository
from .showcase import DAY, HOUR, MINUTE, SHOWCASE, Sketch

#: The status that follows automatically.
_NEXT = {
    "CREATE_QUEUING": "CREATING",
    "CREATING": "RUNNING",
    "START_QUEUING": "STARTING",
    "READY_TO_START": "STARTING",
    "STARTING": "RUNNING",
    "RESTARTING": "RUNNING",
    "STOPPING": "STOPPED",
    "RESIZING": "STOPPED",
}
_STEP_MS = 10_000

_STATUS_WEIGHTS = {
    "RUNNING": 48,
    "STOPPED": 38,
    "STARTING": 2,
    "STOPPING": 2,
    "CREATING": 1,
    "CREATE_QUEUING": 1,
    "START_QUEUING": 1,
    "READY_TO_START": 0.5,
    "RESTARTING": 1,
    "RESIZING": 0.5,
    "CREATE_FAILED": 1.5,
    "START_FAILED": 1.5,
    "RESIZE_FAILED": 0.5,
    "UNAVAILABLE": 0.5,
    "DELETED": 1,
}

_FAILURES = (
    Failure("ModelArts.6200", "No resources available."),
    Failure("ModelArts.6320", "Failed to access OBS.", (("bucket", "team-data"),)),
    Failure("ModelArts.6360", "Resources are insufficient to start the instance."),
    Failure("ModelArts.6528", "The EVS disk type is sold out."),
)

TOPICS = (
    "churn",
    "demand",
    "ocr",
    "speech",
    "defects",
    "routing",
    "pricing",
    "fraud",
    "embeddings",
    "weather",
    "turbine",
    "segmentation",
    "translation",
    "anomaly",
    "recsys",
    "radar",
)
KINDS = ("train", "eval", "lab", "baseline", "ablation", "debug", "prep", "demo")
_WILD_NAMES = ("Übung-Bäume", "テスト用ノート", "模型训练", "façade-détection")

DESCRIPTIONS = (
    "",
    "",
    "Exploration, may be stopped at any time",
    "Paper deadline on Friday, please let it run",
    "Weekly evaluation of the production model",
    "Data preparation for the next training",
    "Vergleich der Modelle für die Messe, bitte nicht löschen",
    "与上海团队共享",
    "Hyper-parameter search",
    "Debugging a memory leak in the loader",
)

_DURATIONS = (HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR, 5_400, 5_000)


def seed_fleet(count: int, seed: int, now_ms: int) -> list[Instance]:
    """Create a fleet; the first instances are the showcase."""
    return [_instance(index, seed, now_ms) for index in range(count)]


def _instance(index: int, seed: int, now_ms: int) -> Instance:
    rng = random.Random(f"{seed}/{index}")  # noqa: S311 - a fleet, not a secret
    sketch = SHOWCASE[index] if index < len(SHOWCASE) else _invented(index, rng)
    flavor = FLAVORS[sketch.flavor]
    created_ms = now_ms - (4 * DAY + rng.randrange(200 * DAY)) * 1000
    quiet_ms = now_ms - 4 * DAY * 1000
    instance = Instance(
        id=f"DE-{uuid.UUID(int=rng.getrandbits(128), version=4)}",
        name=sketch.name,
        owner=USERS[sketch.owner],
        flavor=flavor,
        profile=rng.choice(profiles_for(flavor)),
        created_ms=created_ms,
        updated_ms=rng.randrange(created_ms, quiet_ms),
        description=sketch.description,
        workspace=WORKSPACES[sketch.workspace],
        pool=None if sketch.pool is None else POOLS[sketch.pool],
        storage=_storage(sketch, flavor, rng),
        auto_stop=AutoStop(sketch.auto_stop, sketch.duration_seconds, sketch.prompt),
        failure=sketch.failure,
        doomed=sketch.doomed,
        frozen=sketch.frozen,
        repository=_repository(sketch),
        has_credential=sketch.has_credential,
    )
    _set_going(instance, sketch, now_ms)
    return instance


def _set_going(instance: Instance, sketch: Sketch, now_ms: int) -> None:
    """Set the instance's status and plan its next ones."""
    status = instance.status = sketch.status
    if status == "RUNNING":
        if instance.auto_stop.enable:
            stops_at_ms = now_ms + sketch.stops_in_seconds * 1000
            instance.stops_at_ms = stops_at_ms
            instance.run_started_ms = stops_at_ms - sketch.duration_seconds * 1000
            instance.plan = (
                (stops_at_ms, "STOPPING"),
                (stops_at_ms + _STEP_MS, "STOPPED"),
            )
        else:
            instance.run_started_ms = now_ms - sketch.ran_seconds * 1000
        return
    at_ms = now_ms + sketch.lasts_seconds * 1000
    plan: list[tuple[int, str]] = []
    while status in _NEXT:
        status = _NEXT[status]
        plan.append((at_ms, status))
        at_ms += _STEP_MS
    instance.plan = tuple(plan)
    if sketch.status.endswith("_QUEUING"):
        waited_ms = 9 * MINUTE * 1000
        instance.queue = Queue(now_ms - waited_ms, plan[0][0], rank=6)


def _storage(sketch: Sketch, flavor: Flavor, rng: random.Random) -> dict[str, Any]:
    if sketch.disk_gb and "evs" in flavor.storage:
        return evs(sketch.disk_gb)
    kind = rng.choice(("obs", flavor.storage[-1]))
    if kind == "evs":
        return evs(rng.choice((5, 50, 100)))
    return {"location": {"path": f"/team-data/{sketch.owner}/work/"}, "type": kind}


def _repository(sketch: Sketch) -> Repository | None:
    if not sketch.repository:
        return None
    return Repository(sketch.repository, "main", sketch.owner)


def _invented(index: int, rng: random.Random) -> Sketch:
    weights = list(_STATUS_WEIGHTS.values())
    [status] = rng.choices(list(_STATUS_WEIGHTS), weights)
    duration = rng.choice(_DURATIONS)
    if rng.random() < 0.1:
        duration = rng.randint(HOUR, DAY)
    name = f"{rng.choice(TOPICS)}-{rng.choice(KINDS)}-{index}"
    if rng.random() < 0.02:
        name = f"{rng.choice(_WILD_NAMES)}-{index}"
    flavors = list(FLAVORS)
    if status.endswith("_QUEUING"):
        flavors = [f.name for f in FLAVORS.values() if f.free and f.sold_out]
    sketch = Sketch(
        name=name,
        owner=rng.choice(PEOPLE).name,
        flavor=rng.choice(flavors),
        status=status,
        description=rng.choice(DESCRIPTIONS),
        duration_seconds=duration,
        auto_stop=rng.random() < 0.85,
        prompt=rng.random() < 0.8,
        stops_in_seconds=rng.randint(1, duration),
        ran_seconds=rng.randint(MINUTE, 3 * DAY),
        lasts_seconds=rng.randint(30, 15 * MINUTE),
        workspace=rng.choice((0, 0, 0, 1, 2, 3)),
        pool=rng.choice((None, None, None, None, 0, 1)),
        disk_gb=rng.choice((0, 0, 5, 20, 100)),
        repository=rng.choice(("", "", "", "experiments")),
        has_credential=rng.random() < 0.05,
    )
    if status.endswith("_FAILED"):
        sketch = replace(sketch, failure=rng.choice(_FAILURES))
    return sketch
