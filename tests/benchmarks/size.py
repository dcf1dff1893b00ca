"""100,000 instances in 20 clouds: what each work costs, and how that grows.

::

    uv run --group dev python -m tests.benchmarks --only size

One cloud is emulated and read by the refresh itself. The other clouds are copies of its
rows, with ids, names and owners of their own, made by one statement. So a fleet of
100,000 has 20 clouds of 5,000.

This module measures in a process of its own for each database and size, and prints
JSON. Each work runs in a fork of that process, which has cached nothing. Its figures:
CPU of that process and of its connection to PostgreSQL, seconds, statements, and by how
much its memory grew at most. ``first`` is the first request, ``again`` the same once
more, and ``changed`` the first one after some instance has changed.
"""

import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from dashboard.ops.broker import EmbeddedBroker
from dashboard.ops.managed_process import PROJECT, ManagedProcess
from dashboard.ops.ports import free_port
from tests import migrated
from tests.ops.processes import wait_until
from tests.servers import PostgresServer

from .measure import cpu_seconds_ever

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000), (200, 1_000)
CLOUDS = 20
CLOUD = "demo"
"""The one that is emulated."""

ONCE = {"list as CSV", "list as JSON"}
"""Works that are not asked for again and again."""

COPIES = [f"cloud-{number:02}" for number in range(2, CLOUDS + 1)]

OWNER = "anna.schmidt"

ENOUGH_SECONDS = 0.3
"""A work that has taken so much CPU is not repeated: its figure is exact enough."""

PART = 10
"""A bulk change has the tenth part of the fleet: 10,000 of 100,000."""


def fleet(database: str, *, instances: int, rounds: int) -> dict[str, Any]:
    """Return what the works cost with so many instances on ``SQLite`` or PostgreSQL."""
    with ExitStack() as stack:
        enter = stack.enter_context
        folder = Path(enter(tempfile.TemporaryDirectory(prefix="curfew-bench-")))
        url = f"sqlite:///{folder}/curfew.sqlite3"
        if database == "PostgreSQL":
            # All CPU of the server counts for the request that is measured.
            alone = {"autovacuum": "off", "max_parallel_workers_per_gather": "0"}
            # Nothing ends because others use the machine: CPU is what counts.
            patient = "?options=-c%20statement_timeout%3D0&connect_timeout=120"
            url = enter(PostgresServer(alone, is_migrated=True)).url + patient
        broker = enter(EmbeddedBroker(port=free_port(), data_dir=folder / "redis"))
        clouds = folder / "clouds.yaml"
        (folder / "secure.yaml").write_text("{}\n")
        emulator = ManagedProcess(
            name="emulator",
            command=[
                *(sys.executable, "-m", "dashboard.emulator", "--name", CLOUD),
                *("--fleet", str(instances // CLOUDS), "--clouds-file", str(clouds)),
            ],
            log_path=folder / "emulator.log",
            pid_path=folder / "emulator.pid",
            env={},
        )
        emulator.start()
        stack.callback(emulator.stop)
        wait_until(lambda: clouds.exists() and clouds.stat().st_size > 0)
        _configure_copies(clouds)
        environment = {
            "CURFEW_SECRET_KEY": "only-for-benchmarks-" * 3,
            "CURFEW_DATABASE_URL": url,
            "CURFEW_REDIS_URL": broker.url,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "OS_CLIENT_CONFIG_FILE": str(clouds),
            "OS_CLIENT_SECURE_FILE": str(folder / "secure.yaml"),
            "PYTHONWARNINGS": "ignore",
        }
        ended = subprocess.run(
            [sys.executable, "-m", __name__, str(instances), str(rounds)],
            cwd=PROJECT,
            env=os.environ | environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _configure_copies(file: Path) -> None:
    """Have the copied clouds configured, too: none of them counts as removed."""
    content = yaml.safe_load(file.read_text())
    for name in COPIES:
        content["clouds"][name] = content["clouds"][CLOUD]
    file.write_text(yaml.safe_dump(content))


def fill() -> dict[str, Any]:
    """Read the emulated cloud, copy it, and write two policies.

    Returns:
        What the refreshes cost.
    """
    from django.db import connection

    from dashboard.instances import refresh
    from dashboard.policies.models import Rule

    refresh.ensure_clouds()
    found = _refreshes()
    _copy_cloud()
    for kind, name, more in (
        (Rule.Kind.AUTO_STOP, "Auto-stop", {}),
        (Rule.Kind.MAX_HOURS, "8 h", {"max_seconds": 8 * 3_600}),
    ):
        Rule.objects.create(name=name, kind=kind, reason="Cost.", **more)
    with connection.cursor() as cursor:
        # What PostgreSQL does by itself in the hour after a fleet was read first.
        is_postgres = connection.vendor == "postgresql"
        cursor.execute("VACUUM ANALYZE" if is_postgres else "ANALYZE")
    return found


def _refreshes() -> dict[str, Any]:
    """Refresh the emulated cloud: the first time, and unchanged."""
    from dashboard.instances import refresh, upstream
    from dashboard.instances.models import Cloud, Instance

    requests = 0
    http = upstream.client_for(CLOUD)._connection._http
    send = http.send

    def count(*args: Any, **how: Any) -> Any:
        nonlocal requests
        requests += 1
        return send(*args, **how)

    http.send = count  # type: ignore[method-assign]
    found = {}
    for name in ("first", "again", "unchanged"):
        Cloud.objects.update(refresh_lease_until=None)
        requests = 0
        found[f"refresh, {name}"] = _once(lambda: refresh.refresh_cloud(CLOUD))
        found[f"refresh, {name}"]["requests"] = requests
    http.send = send  # type: ignore[method-assign]
    cloud = Cloud.objects.get(name=CLOUD)
    assert not cloud.problem, cloud.problem
    number = Instance.objects.count()
    for work in found.values():
        work["instances"] = number
    del found["refresh, again"]  # it reads a second time what has changed meanwhile
    return found


def _copy_cloud() -> None:
    from django.apps import apps
    from django.db import connection, transaction
    from django.utils import timezone

    from dashboard.instances.models import Cloud, FleetVersion, Instance

    other = "'-' || cast(c.id as varchar(9))"
    values = {
        "instance_id": f"i.instance_id || {other}",
        "name": f"i.name || {other}",
        # Every second cloud has people of its own.
        "owner_name": f"i.owner_name || CASE c.id % 2 WHEN 0 THEN {other} ELSE '' END",
        "search_text": "i.search_text || c.name",
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_insert(Instance, values, "JOIN instances_cloud c ON c.id <> 0"))
        copied = "JOIN instances_cloud c ON c.id <> i.cloud_id"
        digest = "substr(i.digest, 1, 50) || cast(c.id as varchar(9))"
        allocation = apps.get_model("costs", "Allocation")
        cursor.execute(_insert(allocation, {"digest": digest}, copied))
        run = apps.get_model("costs", "Run")
        # With an index, or SQLite compares each allocation with all others.
        cursor.execute(
            "CREATE TEMPORARY TABLE stem AS SELECT id, cloud_id, substr(digest, 1, 50) "
            "AS digest FROM costs_allocation"
        )
        cursor.execute("CREATE INDEX stem_by_digest ON stem (digest)")
        cursor.execute("ANALYZE")
        joined = (
            "JOIN costs_allocation a0 ON a0.id = i.allocation_id "
            "JOIN stem a ON a.digest = substr(a0.digest, 1, 50) AND a.id <> a0.id "
            "JOIN instances_instance n0 ON n0.id = i.instance_id "
            "JOIN instances_instance n ON n.cloud_id = a.cloud_id AND n.instance_id = "
            "n0.instance_id || '-' || cast(a.cloud_id as varchar(9))"
        )
        keys = {"allocation_id": "a.id", "instance_id": "n.id"}
        cursor.execute(_insert(run, keys, joined, cloud=None))
        FleetVersion.stamp()
    # Nothing about the fleet is in trouble.
    now = timezone.now()
    Cloud.objects.update(refreshed_at=now, read_at=now, attempted_at=now, has_tags=True)


def _insert(
    model: Any, values: dict[str, str], joined: str, cloud: str | None = "c.id"
) -> str:
    table, fields = model._meta.db_table, model._meta.concrete_fields
    columns = [
        field.column
        for field in fields
        if not (field.primary_key or getattr(field, "generated", False))
    ]
    if cloud:
        values = {"cloud_id": cloud} | values
    chosen = ", ".join(values.get(name, f"i.{name}") for name in columns)
    joined = joined.replace("c.id <> 0", "c.id <> i.cloud_id")
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608
        f"SELECT {chosen} FROM {table} i {joined}"
    )


def works(client: Any, scientist: Any) -> dict[str, Callable[[], Any]]:
    """Everything that is measured as it is asked for again and again."""
    from dashboard.celery import app

    def page(path: str) -> Callable[[], None]:
        return lambda: _ask(client, path)

    app.loader.import_default_modules()
    per_page = "/instances/?per_page=100"
    pages = {
        "list": per_page,
        "list, page 40": f"{per_page}&page=40",
        "list, last page": f"{per_page}&page=999999",
        "list, by owner": f"{per_page}&sort=owner",
        "list of an owner": f"{per_page}&owner={OWNER}",
        "list of running": f"{per_page}&status=RUNNING",
        "list, auto-stop off": f"{per_page}&autostop=off",
        "list of a cloud": f"{per_page}&cloud={CLOUD}",
        "list of a tag": f"{per_page}&tag=team",
        "list by price": f"{per_page}&sort=price",
        "search, many": f"{per_page}&q=train",
        "search, nothing": f"{per_page}&q=nothing-matches-this",
        "palette": "/instances/palette?q=train",
        "due, timeline": "/due/",
        "due, by flavor": "/due/?group=flavor",
        "violations": "/policies/compliance/?whose=all",
        "clouds": "/instances/clouds/",
        "audit": "/audit/",
        "costs": "/costs/",
        "savings": "/costs/savings/",
        "a new handover": "/handover/new/",
        "metrics": "/metrics",
        "list as CSV": "/instances/export.csv",
        "list as JSON": "/instances/export.json",
    }
    tasks = {
        "sweep": "edits.sweep_due_edits",
        "policies": "edits.enforce_rules",
        "schedules": "edits.run_schedules",
        "overrides": "edits.keep_instances",
        "reminders": "reminders.remind",
        "budgets": "costs.check_budgets",
        "runs": "costs.reconcile_runs",
        "usage": "costs.roll_up",
        "due clouds": "instances.refresh_due_clouds",
        "checks": "system.run_checks",
    }
    asked = {name: page(path) for name, path in pages.items()}
    asked["home"] = lambda: _ask(scientist, "/")
    return asked | {
        f"task: {name}": app.tasks[task].run for name, task in tasks.items()
    }


def _ask(client: Any, path: str, data: dict[str, str] | None = None) -> Any:
    response = client.post(path, data) if data is not None else client.get(path)
    assert response.status_code in {200, 303}, (path, response.status_code)
    size = 0
    if response.streaming:
        for chunk in response.streaming_content:
            size += len(chunk)
    response.close()
    return response


def _in_a_fork(measure: Callable[[], Any]) -> Any:
    """Run it in a process of its own, so that nothing is cached, and memory is ours."""
    from django.db import connections

    connections.close_all()
    gc.collect()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as out:
                json.dump(measure(), out)
            code = 0
        except BaseException:
            logging.getLogger().disabled = False
            import traceback

            traceback.print_exc()
        finally:
            connections.close_all()
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as told:
        text = told.read()
    os.waitpid(child, 0)
    assert text, "the fork has failed"
    return json.loads(text)


def _memory_kb(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0])


def _cpu() -> float:
    """CPU of this process and of PostgreSQL, processes that have ended included."""
    from django.db import connection

    used = time.process_time()
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        backend = Path(f"/proc/{connection.connection.info.backend_pid}/stat")
        server = backend.read_text().rpartition(") ")[2].split()[1]  # its parent
        used += cpu_seconds_ever(int(server))
    return used


def _once(work: Callable[[], Any]) -> dict[str, float]:
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory, from now on
    before, used, began = _memory_kb("VmRSS"), _cpu(), time.perf_counter()
    work()
    return {
        "seconds": time.perf_counter() - began,
        "cpu": _cpu() - used,
        "mb": max(0, _memory_kb("VmHWM") - before) / 1024,
    }


def _measured(work: Callable[[], Any], rounds: int) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    found: dict[str, Any] = {"first": _once(work)}
    if not rounds:
        return found
    for name in ("again", "changed"):
        costs: list[dict[str, float]] = []
        while len(costs) < rounds and sum(c["cpu"] for c in costs) < ENOUGH_SECONDS:
            if name == "changed":
                _change()
            costs.append(_once(work))
        found[name] = {key: median(cost[key] for cost in costs) for key in costs[0]}
    _change()
    with CaptureQueriesContext(connection) as queries:
        work()
    found["statements"] = len(queries)
    found["slowest"] = [
        f"{query['time']} {query['sql'][:3_000]}"
        for query in sorted(queries.captured_queries, key=lambda q: -float(q["time"]))
    ][:2]
    return found


def _change() -> None:
    from django.db import transaction

    from dashboard.instances.models import FleetVersion, Instance

    with transaction.atomic():
        FleetVersion.stamp(Instance.objects.filter(pk=1))


def measure(instances: int, rounds: int) -> dict[str, Any]:
    """Fill the database of the settings, and measure in it."""
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    from django.test import Client

    from dashboard.accounts.models import User
    from dashboard.instances.models import Instance
    from dashboard.web import process_cache

    migrated.migrate()
    operator = User.objects.create_superuser("operator", role="operator")
    scientist = User.objects.create_user("anna.schmidt", role="scientist")
    scientist.cloud_users.create(identifier=OWNER)
    clients = []
    for user in (operator, scientist):
        client = Client(HTTP_HOST="localhost", headers={"accept-encoding": "gzip"})
        client.force_login(user)
        clients.append(client)
    client = clients[0]
    # What each work imports is no part of it.
    for work in works(*clients).values():
        work()
    process_cache.clear_all()
    found: dict[str, Any] = _in_a_fork(fill)
    number = Instance.objects.count()
    for name, work in works(*clients).items():
        times = 0 if name in ONCE else rounds
        found[name] = _told(name, _in_a_fork(lambda: _measured(work, times)))  # noqa: B023
    found |= _in_a_fork(lambda: _bulk(client, number // PART))
    after = ("list", "metrics", "due, timeline", "task: sweep")
    every = works(*clients) | {"edits": lambda: _ask(client, "/edits/")}
    for name in (*after, "edits"):
        what = f"{name}, with open edits"
        found[what] = _told(what, _in_a_fork(lambda: _measured(every[name], rounds)))  # noqa: B023
    unread = "task: reminders, nothing read for an hour"
    found[unread] = _told(unread, _in_a_fork(lambda: _measured(_remind_later, rounds)))
    found["instances"] = number
    found["bytes"] = _sizes()
    return found


def _remind_later() -> None:
    """Write the reminders that an hour without any refresh would make due."""
    from datetime import timedelta

    from django.utils import timezone

    from dashboard.reminders import planning

    planning.plan(timezone.now() + timedelta(hours=1))


def _told(name: str, cost: dict[str, Any]) -> dict[str, Any]:
    if "first" in cost:
        text = "  ".join(
            f"{when} {cost[when]['cpu']:.3f}"
            for when in ("first", "again", "changed")
            if when in cost
        )
        sys.stderr.write(f"    {name:32} {text} s CPU, {cost['first']['mb']:.0f} MB\n")
    return cost


def _bulk(client: Any, number: int) -> dict[str, Any]:
    """Select a part of the fleet, preview a change of it, confirm it."""
    from dashboard.edits.batches import MAX_BATCH_SIZE, preview_of
    from dashboard.edits.models import EditBatch
    from dashboard.instances.models import Instance

    number = min(number, MAX_BATCH_SIZE)
    pks = list(
        Instance.objects.filter(status__in=["RUNNING", "STOPPED"])
        .filter(generation="demanager")
        .order_by("pk")
        .values_list("pk", flat=True)[:number]
    )
    picked = {"picked": ",".join(map(str, pks))}
    found: dict[str, Any] = {}

    def draft() -> EditBatch:
        return EditBatch.objects.order_by("-created_at")[0]

    def step(name: str, path: str, data: dict[str, str] | None = None) -> None:
        what = f"bulk: {name}"
        found[what] = _once(lambda: _ask(client, path, data))
        found[what]["edits"] = len(pks)
        told = found[what]
        sys.stderr.write(
            f"    {what:32} {told['cpu']:.3f} s CPU, {told['mb']:.0f} MB, "
            f"{len(pks)} instances\n"
        )

    from django.conf import settings

    # A selection of pages is shorter; one of all that match has no list.
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10**7
    step("select", "/bulk/", picked)
    path = draft().get_absolute_url()
    step("choose", path)
    step("plan", path, {"action": "hours", "auto_stop_hours": "7"})
    step("preview", path)
    planned = draft()
    form = {"preview": preview_of(planned), "number": str(len(planned.plan))}
    step("confirm", f"{path}confirm/", form)
    step("batch", f"/batches/{planned.pk}/")
    found["bulk: edits"] = planned.edits.count()
    return found


def _sizes() -> dict[str, Any]:
    """Bytes of the tables that grow with the fleet, indexes included, by table."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT relname, pg_total_relation_size(oid), reltuples::bigint "
                "FROM pg_class WHERE relkind = 'r' AND relnamespace = "
                "'public'::regnamespace ORDER BY 2 DESC LIMIT 12"
            )
            return {name: [size, rows] for name, size, rows in cursor.fetchall()}
        cursor.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        )
        return {"database": [cursor.fetchone()[0], 0]}


def growing(fleets: dict[int, dict[str, Any]]) -> Iterable[str]:
    """Return the names of what was measured at every size."""
    smallest = fleets[min(fleets)]
    return [
        name
        for name, cost in smallest.items()
        if isinstance(cost, dict)
        and ("cpu" in cost or "first" in cost)
        and all(name in other for other in fleets.values())
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(*map(int, sys.argv[1:]))))
