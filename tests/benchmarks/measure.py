"""Ratios that hold on a noisy machine: rounds in turns, medians, CPU and rate."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Cost(NamedTuple):
    """Of one request.

    Attributes:
        cpu_ms: CPU of the server's processes.
        rate: Answers in a second.
    """

    cpu_ms: float
    rate: float


def in_turns(works: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, Cost]:
    """Do everything once, and again; the medians."""
    found: dict[str, list[Cost]] = {name: [] for name in works}
    for work in works.values():
        work()  # warm
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(work())
    return {
        name: Cost(median(c.cpu_ms for c in costs), median(c.rate for c in costs))
        for name, costs in found.items()
    }


def cpu_seconds(pid: int) -> float:
    """CPU that a process and its living descendants have used, to the nanosecond.

    By thread: the clock of whole processes ticks a hundred times a second, too coarsely
    for a few requests.
    """
    used = 0
    for one in [pid, *descendants(pid)]:
        for path in Path(f"/proc/{one}/task").glob("*/schedstat"):
            try:
                used += int(path.read_text().split()[0])
            except (OSError, IndexError):
                continue
    return used / 1e9


def cpu_seconds_ever(pid: int) -> float:
    """The same with the descendants that have ended, whose clock is coarse."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return cpu_seconds(pid) + sum(map(int, parts[13:15])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Memory of a process and its living descendants; a shared page counts once."""
    kb = 0
    for one in [pid, *descendants(pid)]:
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        kb += int(rollup.partition("\nPss:")[2].split()[0])
    return kb / 1024


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def exponent(costs: Mapping[int, float]) -> float:
    """How a cost grows with the fleet: 0 not at all, 1 in step with it.

    The slope of a straight line through the logarithms.
    """
    points = [
        (math.log(size), math.log(max(cost, 1e-9))) for size, cost in costs.items()
    ]
    if len(points) < 2:
        return math.nan
    x, y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    spread = sum((px - x) ** 2 for px, _ in points)
    return sum((px - x) * (py - y) for px, py in points) / spread


def middle(values: Sequence[float]) -> float:
    """The median."""
    return float(median(values))
