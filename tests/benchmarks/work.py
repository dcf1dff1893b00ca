"""Refresh, delivery, watchers, bytes and starts."""

import asyncio
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from dashboard.ops.child import PROJECT, Child
from tests.ops.processes import free_port, wait_until

from .load import Connection, Tally
from .measure import middle
from .pages import QuietPoller, get, poller
from .place import Place

LATENCY_SECONDS = 0.05
CONNECTIONS = 4


def refresh(place: Place, rounds: int) -> dict[str, Any]:
    """An unchanged fleet's refresh beside reading the same bytes."""
    found: dict[str, Any] = place.ask("refresh_and_parse", rounds=rounds)
    return {
        "refresh_s": middle(found["refresh"]),
        "pydantic_s": middle(found["pydantic"]),
        "ratio": middle(found["refresh"]) / middle(found["pydantic"]),
        "statements that write instances": found["writes"],
        "peak_mb": found["peak_mb"],
        "megabytes": found["bytes"] / 1e6,
    }


def bulk(place: Place, number: int) -> dict[str, Any]:
    """Many edits, by the service and the workers, beside a loop of the same PUTs."""
    chosen = place.ask("some_instances", number=number)
    fault = {"kind": "delay", "latency_seconds": LATENCY_SECONDS}
    place.cloud.post("/_emulator/faults", json=fault).raise_for_status()
    began = time.perf_counter()
    submitted = place.ask("submit", pks=[one["pk"] for one in chosen], mark="bulk")
    wait_until(lambda: place.ask("open_edits") == 0, seconds=240)
    delivered = time.perf_counter() - began
    # Afterwards: what a stranger has changed would be a conflict, and not be sent.
    loops = {
        "put_loop_s": asyncio.run(_loop(place, chosen, reads=False)),
        "get_put_loop_s": asyncio.run(_loop(place, chosen, reads=True)),
    }
    place.cloud.delete("/_emulator/faults").raise_for_status()
    return {
        "edits": len(chosen),
        "submit_s": submitted["seconds"],
        "delivered_s": delivered,
        **loops,
        "ratio to PUTs": delivered / loops["put_loop_s"],
        "ratio to GETs and PUTs": delivered / loops["get_put_loop_s"],
        "states": place.ask("states"),
    }


async def _loop(place: Place, chosen: list[dict[str, Any]], *, reads: bool) -> float:
    """What a script with asyncio and httpx takes for the same changes."""
    limits = httpx.Limits(max_connections=CONNECTIONS)
    text = (place.folder / "clouds.yaml").read_text()
    told = dict(re.findall(r"^\s+(\w+): [\"']?([^\"'\n]+)", text, re.MULTILINE))
    identity = {
        "methods": ["password"],
        "password": {
            "user": {
                "name": told["username"],
                "password": told["password"],
                "domain": {"name": told["user_domain_name"]},
            }
        },
    }
    scope = {"project": {"id": told["project_id"]}}
    async with httpx.AsyncClient(
        base_url=place.cloud_url, limits=limits, trust_env=False, timeout=30
    ) as client:
        signed = await client.post(
            "/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
        )
        client.headers["X-Auth-Token"] = signed.headers["X-Subject-Token"]
        root = f"/v1/{told['project_id']}/demanager/instances"
        began = time.perf_counter()

        async def one(instance: dict[str, Any]) -> None:
            path = f"{root}/{instance['id']}"
            if reads:
                (await client.get(path)).raise_for_status()
            body = {"description": f"loop {reads} {instance['pk']}"}
            (await client.put(path, json=body)).raise_for_status()

        await asyncio.gather(*(one(instance) for instance in chosen))
        return time.perf_counter() - began


def click_to_put(place: Place, clicks: int) -> dict[str, Any]:
    """From the form's POST to the arrival of the PUT."""
    waits = []
    with httpx.Client(
        base_url=f"http://127.0.0.1:{place.port}", headers=place.headers(1)
    ) as browser:
        for number, one in enumerate(place.ask("some_instances", number=clicks)):
            page = browser.get(f"{one['url']}edit/").text
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
            tokens = ("csrfmiddlewaretoken", "seen")
            form = {name: fields[name] for name in tokens if name in fields}
            form |= {"description": f"click {number}", "auto_stop_hours": "8"}
            form["auto_stop_enable"] = "on"
            before = len(place.log("update"))
            sent_ms = time.time() * 1000
            cookies = browser.cookies
            cookie = f"{place.headers(1)['Cookie']}; csrftoken={cookies['csrftoken']}"
            answer = browser.post(
                f"{one['url']}edit/", data=form, headers={"Cookie": cookie}
            )
            assert answer.status_code == 303, answer.status_code
            wait_until(lambda n=before: len(place.log("update")) > n, seconds=20)
            waits.append(place.log("update")[before]["wall_ms"] - sent_ms)
            time.sleep(0.3)
    return {"median_ms": middle(waits), "worst_ms": max(waits), "clicks": len(waits)}


def watchers(
    place: Place, *, number: int, seconds: float, edits: int
) -> dict[str, Any]:
    """Many open pages, while edits and refreshes go on."""
    alone = _upstream_calls(place, min(30.0, seconds / 4))
    chosen = [one["pk"] for one in place.ask("some_instances", number=edits)]
    stop = threading.Event()

    def edit() -> None:
        batch = max(1, round(edits / seconds))
        for first in range(0, len(chosen), batch):
            if stop.wait(1):
                return
            place.ask("submit", pks=chosen[first : first + batch], mark="watched")

    editor = threading.Thread(target=edit)
    before = len(place.log("list"))
    editor.start()
    polls, pages = asyncio.run(_watch(place, number, seconds))
    stop.set()
    editor.join()
    lists = len(place.log("list")) - before
    return {
        "watchers": number,
        "seconds": seconds,
        "polls": len(polls.seconds),
        "statuses": polls.statuses,
        "errors": polls.errors + pages.errors,
        "poll_p50_ms": polls.quantile(0.5) * 1000,
        "poll_p99_ms": polls.quantile(0.99) * 1000,
        "page_worst_ms": max(pages.seconds, default=0) * 1000,
        "listings a minute without watchers": alone,
        "listings a minute with watchers": lists / seconds * 60,
        "edits": place.ask("states"),
    }


def _upstream_calls(place: Place, seconds: float) -> float:
    before = len(place.log("list"))
    time.sleep(seconds)
    return (len(place.log("list")) - before) / seconds * 60


async def _watch(place: Place, number: int, seconds: float) -> tuple[Tally, Tally]:
    polls, pages = Tally(), Tally()
    page = await Connection(place.port).get("/instances/", place.headers(), Tally())
    first = poller(page[2])
    ends = time.monotonic() + seconds

    async def watch(_: int) -> None:
        connection, (url, grant) = Connection(place.port), first
        await asyncio.sleep(random.uniform(0, 5))  # noqa: S311  (no secret)
        while time.monotonic() < ends:
            headers = {"Curfew-Grant": grant, "HX-Request": "true"}
            status, heads, body = await connection.get(
                url, place.headers(**headers), polls
            )
            if status == 200:
                url, grant = poller(body)
            elif renewed := re.search(
                r'"grant": "([^"]+)"', heads.get("hx-trigger", "")
            ):
                grant = renewed[1]
            await asyncio.sleep(random.uniform(4.5, 5.5))  # noqa: S311
        connection.close()

    async def visit() -> None:
        connection = Connection(place.port)
        while time.monotonic() < ends:
            await connection.get("/instances/", place.headers(1), pages)
            await asyncio.sleep(1)
        connection.close()

    await asyncio.gather(visit(), *(watch(n) for n in range(number)))
    return polls, pages


def sizes(place: Place) -> dict[str, Any]:
    """Bytes of a first visit without rows, and of a quiet watcher's minute."""
    page = get(
        place, "/instances/?q=nothing-matches-this", **{"Accept-Encoding": "gzip"}
    )
    text = get(place, "/instances/?q=nothing-matches-this")[2].decode()
    total = len(page[2])
    files = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', text))
    for path in files:
        total += len(get(place, path, **{"Accept-Encoding": "br"})[2])
    quiet, tally = QuietPoller(place), Tally()

    headers = quiet.headers()

    async def minute() -> None:
        connection = Connection(place.port)
        for _ in range(12):
            await connection.get(quiet.url, headers, tally)
        connection.close()

    asyncio.run(minute())
    return {
        "first_visit_kb": total / 1000,
        "files": len(files),
        "quiet_minute_kb": tally.received / 1000,
    }


def starts() -> dict[str, Any]:
    """Until the demo's first page; and the import of the web process."""
    folder = Path(tempfile.mkdtemp(prefix="curfew-bench-"))
    port = free_port()
    began = time.perf_counter()
    demo = Child(
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
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "import dashboard.wsgi"],
            cwd=PROJECT,
            env=os.environ | environment,
            check=True,
        )
        times.append(time.perf_counter() - began)
    return {"demo_first_page_s": first_page, "import_s": middle(times)}
