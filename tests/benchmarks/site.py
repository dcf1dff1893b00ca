"""One whole site: 100,000 instances in 20 clouds, its processes, and its people.

::

    uv run --group dev python -m tests.benchmarks --only site

The workers read the fleet themselves. Once each cloud has been read twice, people
follow ten lists, and a bulk change is confirmed.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import httpx

from tests.ops.processes import wait_until

from .delivery import submit
from .measure import cpu_seconds_ever, memory_mb
from .place import Place
from .watch import PAGES, watch

CLOUDS = 20
RATE = 10
"""Requests a second to each cloud: the default of ``CURFEW_UPSTREAM_RATE``."""

LISTS = (
    *PAGES,
    *("?cloud=demo", "?tag=team", "?q=train", "?autostop=off", "?sort=owner"),
)
EVERY_SECONDS = 5
"""Between two samples of memory and of the age of the mirror."""


def site(
    *, instances: int, watchers: int, seconds: float, edits: int, refresh_seconds: int
) -> dict[str, Any]:
    """Start a site, let it read its clouds, and load it.

    Args:
        instances: Of all clouds.
        watchers: People who follow the lists.
        seconds: Length of the load.
        edits: Size of the bulk change.
        refresh_seconds: ``CURFEW_REFRESH_SECONDS``.
    """
    with Place(
        instances,
        clouds=CLOUDS,
        postgres=True,
        rate=RATE,
        is_read=False,
        settings={"CURFEW_REFRESH_SECONDS": str(refresh_seconds)},
    ) as place:
        first_read, first_cpu = _read(place)
        _read_again(place, refresh_seconds)
        chosen = [row["pk"] for row in place.ask("some_instances", number=edits)]
        before = {part: _cpu(place, part) for part in place.pids}
        began = time.perf_counter()
        with _samples(place) as samples, _bulk_change(place, chosen, seconds) as change:
            polls, visits = asyncio.run(watch(place, watchers, seconds, LISTS))
        lasted = time.perf_counter() - began
        return {
            "instances": instances,
            "refresh_seconds": refresh_seconds,
            "watchers": watchers,
            "seconds": lasted,
            "edits": len(chosen),
            "first read, s": first_read,
            "first read, s CPU": first_cpu,
            "cores": {
                part: (_cpu(place, part) - used) / lasted
                for part, used in before.items()
            },
            "most memory, MB": {
                part: max(sample["memory"][part] for sample in samples)
                for part in place.pids
            },
            "age of the mirror, s": [
                median(sample["age"] for sample in samples),
                max(sample["age"] for sample in samples),
            ],
            "polls": len(polls.seconds),
            "polls, p50 and p99, ms": _quantiles(polls),
            "polls that had to come back": polls.later,
            "poll statuses": polls.statuses,
            "list, p50 and p99, ms": _quantiles(visits),
            "list statuses": visits.statuses,
            "bulk change": change,
            "error lines": _error_lines(place),
        }


def _read(place: Place) -> tuple[float, dict[str, float]]:
    """Let the workers read all clouds; return how long it took, and CPU by part."""
    before = {part: _cpu(place, part) for part in place.pids}
    began = time.perf_counter()
    place.start_workers(processes=2, queues=("edits", "refresh,default"))
    wait_until(lambda: None not in place.ask("mirror_ages"), seconds=1_200, every=1)
    seconds = time.perf_counter() - began
    return seconds, {
        part: _cpu(place, part) - before.get(part, 0) for part in place.pids
    }


def _read_again(place: Place, refresh_seconds: int) -> None:
    """Wait until all clouds have been read once more."""
    began = time.monotonic()
    wait_until(
        lambda: max(place.ask("mirror_ages")) < time.monotonic() - began,
        seconds=600 + 2 * refresh_seconds,
        every=1,
    )


@contextmanager
def _bulk_change(
    place: Place, pks: list[int], seconds: float
) -> Iterator[dict[str, Any]]:
    """Confirm a bulk change after a quarter of the time, and follow its delivery."""
    found: dict[str, Any] = {}

    def run() -> None:
        time.sleep(seconds / 4)
        try:
            previewed, confirmed = submit(place, pks)
        except httpx.TransportError as error:
            found["failed"] = repr(error)
            return
        found["selected and previewed, s"], found["confirmed, s"] = previewed, confirmed
        began = time.perf_counter()
        wait_until(lambda: place.ask("open_edits") == 0, seconds=600, every=1)
        found["delivered, s"] = time.perf_counter() - began

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found
    finally:
        thread.join()
        found["states"] = place.ask("states")


@contextmanager
def _samples(place: Place) -> Iterator[list[dict[str, Any]]]:
    """Memory of each part, and the age of the cloud that was read longest ago."""
    samples: list[dict[str, Any]] = []
    stop = threading.Event()

    def sample() -> None:
        while not samples or not stop.wait(EVERY_SECONDS):
            memory = {part: sum(map(memory_mb, p)) for part, p in place.pids.items()}
            age = max(place.ask("mirror_ages"))
            samples.append({"memory": memory, "age": age})

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def _cpu(place: Place, part: str) -> float:
    return sum(map(cpu_seconds_ever, place.pids[part]))


def _quantiles(tally: Any) -> list[float]:
    return [tally.quantile(share) * 1000 for share in (0.5, 0.99)]


def _error_lines(place: Place) -> list[str]:
    """Return what the processes logged as an error, the first lines of each."""
    return [
        f"{log.stem}: {line[:300]}"
        for log in sorted(place.folder.glob("*.log"))
        for line in [
            line
            for line in log.read_text(errors="replace").splitlines()
            if '"level": "error"' in line or "Traceback" in line
        ][:3]
    ]
