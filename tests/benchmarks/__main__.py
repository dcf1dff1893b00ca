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

from dashboard.ops.managed_process import PROJECT

from . import (
    costs,
    delivery,
    pages,
    search,
    site as sites,
    size as sizes,
    table,
    watch,
    work,
)
from .place import Place

COLLECT = """
import django
django.setup()
from dashboard.ops import static_files
static_files.collect()
"""

WATCHED_RATE = 30
"""Calls to the cloud in a second: a thousand edits in two minutes, three calls each."""


RATES = (10, 50, 500)
"""Requests a second."""


class Run:
    """What was measured, by subject, and how much to measure."""

    def __init__(self, *, quick: bool, watch_seconds: float) -> None:
        self.quick = quick
        self.watch_seconds = watch_seconds
        self.rounds = 1 if quick else 5
        self.seconds = 0.1 if quick else 0.6
        self.clicks = 3 if quick else 20
        self.bulk = 20 if quick else 1_000
        self.sizes = (300,) if quick else (100, 1_000, 10_000)
        self.found: dict[str, Any] = {}
        self.began = time.perf_counter()

    def fleets(self) -> None:
        """All that grows, or not, with the fleet."""
        for size in self.sizes:
            largest = size == self.sizes[-1]
            with Place(size) as place:
                found: dict[str, Any] = pages.polls(place, self.seconds, self.rounds)
                found["lists"] = pages.lists(
                    place,
                    self.seconds,
                    min(self.rounds, 3),
                    every=largest and not self.quick,
                )
                found["pages"] = pages.single_pages(place, self.seconds, self.rounds)
                found["wide"] = pages.wide_pages(place, self.seconds, self.rounds)
                found["bytes"] = work.sizes(place)
                found["moves"] = watch.moves(place)
                if largest:
                    found["busy"] = watch.busy(
                        place,
                        seconds=1.2 if self.quick else 10,
                        rounds=1 if self.quick else 2,
                    )
                    self.found["plans, SQLite"] = pages.plans(
                        place, every=not self.quick
                    )
                found["refresh"] = work.refresh(place, 3)
                place.start_workers(processes=2)
                found["click"] = delivery.click_to_put(place, 3 if self.quick else 12)
            self.found[f"fleet of {size}"] = found
            self._told(f"fleet of {size}")

    def edits(self) -> None:
        """Submission and delivery."""
        size = 300 if self.quick else 10_000
        with Place(size, postgres=True) as place:
            place.ask("vacuum")
            self.found["plans, PostgreSQL"] = pages.plans(place, every=not self.quick)
            place.start_workers(processes=delivery.CONNECTIONS)
            self.found["click"] = delivery.click_to_put(place, self.clicks)
            clicks = delivery.click_to_patch(place, self.clicks)
            self.found["extend"] = clicks
            self._told("click")
            self.found["bulk"] = delivery.bulk(place, self.bulk)

    def rates(self) -> None:
        """Delivery of a bulk change, at the rates of three clouds."""
        number = self.bulk
        for rate in RATES:
            with Place(2 * number, notebooks=0, postgres=True, rate=rate) as place:
                place.ask("vacuum")
                place.start_workers(processes=delivery.CONNECTIONS)
                measured = delivery.at_rate(place, rate, number)
            self.found[f"bulk at {rate}"] = measured
            self._told(f"bulk at {rate}")

    def watchers(self) -> None:
        """Many open pages."""
        fleet = 300 if self.quick else 1_500
        with Place(fleet, postgres=True, rate=WATCHED_RATE) as place:
            place.start_workers(processes=2)
            self.found["crowd"] = watch.crowd(
                place,
                number=50 if self.quick else 2_000,
                seconds=min(60.0, self.watch_seconds),
            )
            self.found["watchers"] = watch.watchers(
                place,
                number=50 if self.quick else 500,
                seconds=self.watch_seconds,
                edits=self.bulk,
            )

    def costs(self) -> None:
        """A year of costs, or fewer days, on both databases."""
        for database in ("SQLite", "PostgreSQL"):
            found = costs.year(
                database,
                instances=self.sizes[-1],
                days=costs.QUICK_DAYS if self.quick else costs.DAYS,
                rounds=self.rounds,
            )
            for plan in found["plans"]:
                sys.stderr.write(f"  {database}: " + "\n    ".join(plan) + "\n")
            self.found[f"year of costs, {database}"] = found
            self._told(f"year of costs, {database}")

    def search(self) -> None:
        """For parts of words, on both databases."""
        for database in ("SQLite", "PostgreSQL"):
            self.found[f"search, {database}"] = search.search(
                database,
                instances=2_000 if self.quick else 100_000,
                rounds=self.rounds,
            )
            self._told(f"search, {database}")

    def size(self) -> None:
        """Fleets in twenty clouds, on both databases."""
        for database in ("PostgreSQL", "SQLite"):
            for instances in sizes.QUICK_SIZES if self.quick else sizes.SIZES:
                name = f"size of {instances}, {database}"
                self.found[name] = sizes.fleet(
                    database, instances=instances, rounds=min(self.rounds, 3)
                )
                self._told(name)

    def site(self) -> None:
        """One whole site with twenty clouds."""
        self.found["site"] = sites.site(
            instances=400 if self.quick else 100_000,
            watchers=20 if self.quick else 200,
            seconds=10 if self.quick else 300,
            edits=20 if self.quick else 1_000,
            refresh_seconds=5 if self.quick else 120,
        )

    def starts(self) -> None:
        """Of the demo and the web process."""
        self.found["start"] = work.starts(1 if self.quick else 3)

    def _told(self, what: str) -> None:
        sys.stderr.write(
            f"  {what}: done after {time.perf_counter() - self.began:.0f} s\n"
        )


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--quick", action="store_true", help="small fleets, rough")
    parser.add_argument(
        "--only",
        action="append",
        help="fleets, edits, rates, watchers, costs, search, size, site, starts",
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
        "rates": run.rates,
        "watchers": run.watchers,
        "costs": run.costs,
        "search": run.search,
        "size": run.size,
        "site": run.site,
        "starts": run.starts,
    }
    for name in options.only or parts:
        began = time.perf_counter()
        parts[name]()
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
        # After each: what is measured is not lost when a later part fails.
        lines = table.lines(run.found)
        everything = run.found | {"table": [line._asdict() for line in lines]}
        options.json.write_text(json.dumps(everything, indent=1))
    width = max(len(line.what) for line in lines)
    for line in lines:
        result = {True: "met", False: "NOT MET", None: ""}[line.met]
        sys.stdout.write(
            f"{line.what:{width}}  {line.shown:44} {line.target:18} {result}\n"
        )
    return 0


def _collect_static() -> None:
    environment = {
        "CURFEW_SECRET_KEY": "only-for-benchmarks-" * 3,
        "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
    }
    command = [sys.executable, "-c", COLLECT]
    subprocess.run(command, cwd=PROJECT, env=os.environ | environment, check=True)


if __name__ == "__main__":
    raise SystemExit(main())
