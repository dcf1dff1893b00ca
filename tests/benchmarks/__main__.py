"""The one command: ``uv run --group dev python -m tests.benchmarks``.

Prints a table, and all figures as JSON into ``var/benchmarks.json``.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dashboard.ops.child import PROJECT

from . import pages, work
from .measure import Cost, exponent
from .place import Place


class Run:
    """What was measured, by subject, and how much to measure."""

    def __init__(self, *, quick: bool, watch_seconds: float) -> None:
        self.quick = quick
        self.watch_seconds = watch_seconds
        self.rounds = 3 if quick else 5
        self.seconds = 0.3 if quick else 0.8
        self.sizes = (100, 1_000) if quick else (100, 1_000, 10_000)
        self.found: dict[str, Any] = {}

    def fleets(self) -> None:
        """All that grows, or not, with the fleet."""
        for size in self.sizes:
            largest = size == self.sizes[-1]
            with Place(size) as place:
                found: dict[str, Any] = pages.polls(place, self.seconds, self.rounds)
                found["lists"] = pages.lists(
                    place, self.seconds, self.rounds, every=largest and not self.quick
                )
                found["pages"] = pages.single_pages(place, self.seconds, self.rounds)
                if largest:
                    self.found["plans, SQLite"] = pages.plans(place)
                    self.found["bytes"] = work.sizes(place)
                found["refresh"] = work.refresh(place, 2)
            self.found[f"fleet of {size}"] = found

    def edits(self) -> None:
        """Submission and delivery."""
        with Place(300 if self.quick else 2_000, postgres=True) as place:
            self.found["plans, PostgreSQL"] = pages.plans(place)
            place.start_workers(processes=work.CONNECTIONS)
            self.found["click"] = work.click_to_put(place, 8 if self.quick else 20)
            self.found["bulk"] = work.bulk(place, 100 if self.quick else 1_000)

    def watchers(self) -> None:
        """Many open pages."""
        with Place(1_000, postgres=True, rate=10) as place:
            place.start_workers()
            self.found["watchers"] = work.watchers(
                place,
                number=100 if self.quick else 500,
                seconds=self.watch_seconds,
                edits=100 if self.quick else 1_000,
            )

    def starts(self) -> None:
        """Of the demo and the web process."""
        self.found["start"] = work.starts()


def rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The table: what, measured, to reach."""
    table = []
    fleets = {
        int(name.split()[-1]): value
        for name, value in found.items()
        if name.startswith("fleet of")
    }
    for size, fleet in fleets.items():
        table += list(_fleet_rows(size, fleet))
    if len(fleets) > 1:
        table += list(_growth(fleets))
    for name in ("bytes", "click", "bulk", "watchers", "start"):
        for what, value in found.get(name, {}).items():
            shown = f"{value:.3g}" if isinstance(value, float) else str(value)
            table.append((f"{name}: {what}", shown, _GOALS.get(f"{name}: {what}", "")))
    for name in ("plans, SQLite", "plans, PostgreSQL"):
        for query, seen in found.get(name, {}).items():
            scans = "; ".join(sorted(set(seen["scans"]))) or "no scan"
            table.append(
                (f"{name}: {query}", f"{seen['queries']} queries, {scans}", "")
            )
    return table


_GOALS = {
    "bytes: first_visit_kb": "<= 60",
    "bytes: quiet_minute_kb": "<= 3",
    "click: median_ms": "< 150",
    "bulk: submit_s": "<= 2",
    "bulk: ratio to PUTs": "<= 1.5",
    "watchers: errors": "0",
    "watchers: poll_p99_ms": "< 250",
    "watchers: page_worst_ms": "< 1000",
    "start: demo_first_page_s": "< 20",
}


def _fleet_rows(size: int, fleet: dict[str, Any]) -> Any:
    quiet, plain = fleet["quiet poll"], fleet["plain view"]
    bare, admin = fleet["bare constant"], fleet["lists"]["admin"]
    at = f"{size:6}:"
    yield (
        f"{at} quiet poll / plain view, rate",
        f"{quiet.rate / plain.rate:.1f}",
        ">= 5",
    )
    yield f"{at} quiet poll / bare, rate", f"{quiet.rate / bare.rate:.2f}", ">= 0.15"
    for name, cost in fleet.items():
        if isinstance(cost, Cost):
            goal = "<= 2 ms" if name == "poll, 5 rows changed" else ""
            yield f"{at} {name}", f"{cost.cpu_ms:.3f} ms, {cost.rate:.0f}/s", goal
    for name, cost in fleet["lists"].items():
        share = f"{cost.cpu_ms:.2f} ms, 1/{admin.cpu_ms / cost.cpu_ms:.1f} of admin"
        yield f"{at} list {name}", share, "" if name == "admin" else "<= 1/6"
    for name, (cost, queries) in fleet["pages"].items():
        shown = f"{cost.cpu_ms:.2f} ms, {queries} queries"
        yield f"{at} {name} page", shown, "<= 15 ms, <= 8 queries"
    refresh = fleet["refresh"]
    shown = f"{refresh['ratio']:.2f}, peak {refresh['peak_mb']:.0f} MB"
    yield f"{at} refresh / pydantic", shown, "<= 2.5"


def _growth(fleets: dict[int, Any]) -> Any:
    for name in ("quiet poll", "poll, 5 rows changed"):
        costs = {size: fleet[name].cpu_ms for size, fleet in fleets.items()}
        yield f"growth: {name}", f"n^{exponent(costs):.2f}", "n^0"
    for name in next(iter(fleets.values()))["lists"]:
        costs = {size: fleet["lists"][name].cpu_ms for size, fleet in fleets.items()}
        yield f"growth: list {name}", f"n^{exponent(costs):.2f}", "n^0"
    costs = {size: fleet["refresh"]["refresh_s"] for size, fleet in fleets.items()}
    yield "growth: refresh", f"n^{exponent(costs):.2f}", "n^1"


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--quick", action="store_true", help="under two minutes, rough")
    parser.add_argument(
        "--only", action="append", help="fleets, edits, watchers, starts"
    )
    parser.add_argument(
        "--watch-seconds", type=float, help="length of the watchers' load"
    )
    default = PROJECT / "var" / "benchmarks.json"
    parser.add_argument("--json", type=Path, default=default, help="%(default)s")
    options = parser.parse_args()
    seconds = options.watch_seconds or (15 if options.quick else 120)
    run = Run(quick=options.quick, watch_seconds=seconds)
    _collect_static()
    parts: dict[str, Callable[[], None]] = {
        "fleets": run.fleets,
        "edits": run.edits,
        "watchers": run.watchers,
        "starts": run.starts,
    }
    for name in options.only or parts:
        began = time.perf_counter()
        parts[name]()
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
    options.json.write_text(json.dumps(run.found, indent=1))
    table = rows(run.found)
    width = max(len(what) for what, _, _ in table)
    for what, shown, goal in table:
        sys.stdout.write(f"{what:{width}}  {shown:40}  {goal}\n")
    return 0


def _collect_static() -> None:
    environment = {
        "CURFEW_SECRET_KEY": "only-for-benchmarks-" * 3,
        "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
    }
    command = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"]
    subprocess.run(command, cwd=PROJECT, env=os.environ | environment, check=True)


if __name__ == "__main__":
    raise SystemExit(main())
