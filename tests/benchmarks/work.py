"""Refresh, bytes and starts."""

import asyncio
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from dashboard.ops.managed_process import PROJECT, ManagedProcess
from dashboard.ops.ports import free_port
from tests.ops.processes import wait_until

from .load import Connection, Tally
from .measure import middle
from .pages import QuietPoller, get
from .place import Place


def refresh(place: Place, rounds: int) -> dict[str, Any]:
    """An unchanged fleet's refresh beside reading the same bytes."""
    found: dict[str, Any] = place.ask("refresh_and_parse", rounds=rounds)
    return {
        "refresh_s": middle(found["refresh"]),
        "pydantic_s": middle(found["pydantic"]),
        "ratio": middle(found["refresh"]) / middle(found["pydantic"]),
        "changed, and statements that write instances": found["writes"],
        "peak_mb": found["peak_mb"],
        "megabytes": found["bytes"] / 1e6,
    }


def sizes(place: Place) -> dict[str, Any]:
    """Bytes of a first visit without rows, and of what a quiet watcher is told.

    Heads included. A watcher's minute is the first one after something changed, and any
    of those once the page has slowed down; in each, one poll has to renew its
    poll_token.
    """
    encodings = {"Accept-Encoding": "gzip, deflate, br"}
    text = get(place, "/instances/?q=nothing-matches-this")[2].decode()
    files = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', text))
    visit = _received(place, ["/instances/?q=nothing-matches-this", *files], encodings)
    quiet = QuietPoller(place)
    answer = _received(place, [quiet.url], quiet.headers())
    renewal = _received(place, [quiet.url], place.headers(**{"HX-Request": "true"}))
    first, later = polls_a_minute()
    return {
        "first_visit_kb": visit / 1000,
        "files": len(files),
        "quiet_answer_bytes": answer,
        "first_quiet_minute_kb": ((first - 1) * answer + renewal) / 1000,
        "quiet_minute_kb": ((later - 1) * answer + renewal) / 1000,
    }


def _received(place: Place, paths: list[str], headers: dict[str, str]) -> int:
    async def ask() -> int:
        connection, tally = Connection(place.port), Tally()
        for path in paths:
            status, _, _ = await connection.get(path, place.headers() | headers, tally)
            assert status in {200, 204}, (path, status)
        connection.close()
        return tally.received

    return asyncio.run(ask())


def polls_a_minute() -> tuple[int, int]:
    """How often ``static/polling.js`` asks in the first quiet minute, and later."""
    script = (PROJECT / "static" / "polling.js").read_text()
    told = dict(re.findall(r"const (QUIET_POLLS|SLOWEST) = (\d+);", script))
    quiet_polls, slowest, usual = int(told["QUIET_POLLS"]), int(told["SLOWEST"]), 5
    passed, polls = 0.0, 0
    while passed < 60:
        slower = max(0, polls - quiet_polls) / quiet_polls
        passed += min(slowest, usual * (1 + slower))
        polls += 1
    return polls, 60 // slowest


def starts(rounds: int) -> dict[str, Any]:
    """Until the demo's first page; and the import of the web process."""
    folder = Path(tempfile.mkdtemp(prefix="curfew-bench-"))
    port = free_port()
    began = time.perf_counter()
    demo = ManagedProcess(
        name="demo",
        command=[
            *(sys.executable, "manage.py", "demo", "--port", str(port)),
            *("--data-dir", str(folder / "demo")),
        ],
        log_path=folder / "demo.log",
        pid_path=folder / "demo.pid",
        env={},
    )
    demo.start()

    def answers() -> bool:
        try:
            url = f"http://127.0.0.1:{port}/accounts/login/"
            return httpx.get(url, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, seconds=60)
        first_page = time.perf_counter() - began
    finally:
        demo.stop()
        shutil.rmtree(folder, ignore_errors=True)
    environment = {
        "CURFEW_SECRET_KEY": "only-for-benchmarks-" * 3,
        "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",
        "CURFEW_DATABASE_URL": "sqlite:///:memory:",
    }
    command = [sys.executable, "-c", "import dashboard.wsgi"]
    settings = {"cwd": PROJECT, "env": os.environ | environment, "check": True}
    times, cpu = [], []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        subprocess.run(command, **settings)
        times.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    command[1:1] = ["-X", "importtime"]
    told = subprocess.run(command, **settings, capture_output=True, text=True).stderr
    return {
        "demo_first_page_s": first_page,
        "import_s": middle(times),
        "import_cpu_s": middle(cpu),
        "slowest imports, ms": _slowest(told),
    }


def _slowest(told: str) -> dict[str, float]:
    """Packages by the time that their own modules took."""
    spent: dict[str, float] = {}
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", told):
        package = name.partition(".")[0]
        spent[package] = spent.get(package, 0) + int(own) / 1000
    return dict(sorted(spent.items(), key=lambda one: -one[1])[:12])
