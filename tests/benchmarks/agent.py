"""Our hand in a place's database: the orders that can be given there."""

import json
import logging
import resource
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.contrib.auth import SESSION_KEY  # noqa: E402 (needs the set-up)
from django.db import connection, transaction  # noqa: E402
from django.db.models import QuerySet  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from dashboard.accounts.models import User  # noqa: E402
from dashboard.edits import merge, services  # noqa: E402
from dashboard.edits.models import Attempt, Edit  # noqa: E402
from dashboard.instances import refresh, upstream  # noqa: E402
from dashboard.instances.models import Cloud, FleetVersion, Instance  # noqa: E402
from dashboard.modelarts import notebook_schemas, schemas  # noqa: E402
from dashboard.modelarts.generations import Generation  # noqa: E402
from dashboard.policies.models import Rule  # noqa: E402
from dashboard.web import process_cache  # noqa: E402
from tests import migrated  # noqa: E402
from tests.agents import obey  # noqa: E402

PEOPLE = 4


def prepare(*, is_read: bool) -> dict[str, Any]:
    """A database, a mirrored fleet, static files, and people who are signed in.

    Args:
        is_read: Whether the fleet is in it.
    """
    migrated.migrate()
    refresh.ensure_clouds()
    # On a busy machine one task reads a part, and pages show no rows until the end.
    while is_read and (unread := Cloud.objects.filter(refreshed_at=None).first()):
        Cloud.objects.update(refresh_lease_until=None)
        refresh.refresh_cloud(unread.name)
    Rule.objects.create(name="Auto-stop", kind=Rule.Kind.AUTO_STOP, reason="Cost.")
    hours = {"max_seconds": 8 * 3_600}
    Rule.objects.create(name="8 h", kind=Rule.Kind.MAX_HOURS, reason="Cost.", **hours)
    sessions = []
    for number in range(PEOPLE):
        user = User.objects.create_superuser(
            f"bench{number}", role="operator", password="only for benchmarks"
        )
        client = Client()
        client.force_login(user)
        assert SESSION_KEY in client.session
        sessions.append(client.cookies["sessionid"].value)
    return {"sessions": sessions}


def stamp(pks: list[int]) -> None:
    """Have rows look changed."""
    with transaction.atomic():
        FleetVersion.stamp(Instance.objects.filter(pk__in=pks))


def change_elsewhere(shown: list[int], *, listed: bool = False) -> None:
    """Change an instance that is on none of the pages, as a refresh would.

    Args:
        listed: Change the owner, by which lists filter; else the description.
    """
    with transaction.atomic():
        others = Instance.objects.exclude(pk__in=shown).order_by("version", "pk")
        one = Instance.objects.filter(pk=others.values_list("pk", flat=True)[0])
        name = "owner_id" if listed else "description"
        one.update(**{name: f"changed at {time.time():.0f}"})
        FleetVersion.stamp(one, only_shown=not listed)


def move_an_end() -> None:
    """Have one run end an hour later, as a refresh would."""
    runs = Instance.objects.filter(run_ends_at__gt=timezone.now())
    with transaction.atomic():
        one = runs.select_for_update().order_by("version", "pk")[:1].get()
        one.stops_at += timedelta(hours=1)
        one.save(update_fields=["stops_at"])
        FleetVersion.stamp(Instance.objects.filter(pk=one.pk))


def some_instances(number: int) -> list[dict[str, Any]]:
    """Instances that can be edited."""
    found = Instance.objects.filter(
        status__in=["RUNNING", "STOPPED"], generation=Generation.DEMANAGER
    )
    return _named(found, number)


def some_notebooks(number: int) -> list[dict[str, Any]]:
    """Notebooks whose run can be extended by hours."""
    soon = timezone.now() + timedelta(hours=10)
    found = Instance.objects.filter(
        generation=Generation.NOTEBOOKS, lease_type="timing", run_ends_at__lt=soon
    )
    return _named(found.filter(run_ends_at__gt=timezone.now()), number)


def _named(rows: QuerySet[Instance], number: int) -> list[dict[str, Any]]:
    return [
        {"pk": one.pk, "id": one.instance_id, "url": one.get_absolute_url()}
        for one in rows.select_related("cloud").order_by("pk")[:number]
    ]


def look(path: str, session: str) -> dict[str, Any]:
    """Number of queries of a page, and the plans of those that read instances.

    Once as the first to ask since something changed, and once more after that.
    """
    client = Client(HTTP_HOST="localhost")
    client.cookies["sessionid"] = session
    client.get(path)
    process_cache.clear_all()
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    with CaptureQueriesContext(connection) as again:
        client.get(path)
    plans = []
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    for query in queries.captured_queries:
        sql = query["sql"]
        if "instances_instance" in sql and sql.startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(explain + sql.replace("%", "%%"))
                lines = [str(row[-1]).strip() for row in cursor.fetchall()]
            plans.append((_kind(sql), lines))
    return {"queries": len(queries), "again": len(again), "plans": plans}


def _kind(sql: str) -> str:
    if sql.startswith("SELECT DISTINCT"):
        return f"choices of {sql.split('"')[3]}"
    if "COUNT(*)" in sql:
        return "count of the filter" if " WHERE " in sql else "count of all"
    return "edits" if sql.startswith('SELECT "edits_edit"') else "rows"


def vacuum() -> None:
    """What PostgreSQL does by itself in the hour after a fleet was read first."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def refresh_and_parse(rounds: int) -> dict[str, Any]:
    """CPU of refreshing an unchanged fleet, beside reading the same bytes alone."""
    client = upstream.client_for("demo")
    http = client._connection._http
    original = http.send
    bodies: list[bytes] = []

    def keep(*args: Any, **how: Any) -> Any:
        response = original(*args, **how)
        response.read()
        bodies.append(response.content)
        return response

    http.send = keep  # type: ignore[method-assign]
    refresh.refresh_cloud("demo")
    http.send = original  # type: ignore[method-assign]
    found: dict[str, Any] = {"refresh": [], "pydantic": [], "writes": []}
    for _ in range(rounds):
        with CaptureQueriesContext(connection) as queries:
            began = time.process_time()
            outcome = refresh.refresh_cloud("demo")
            found["refresh"].append(time.process_time() - began)
        assert outcome
        written = [
            query["sql"]
            for query in queries.captured_queries
            if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))
            and '"instances_instance"' in query["sql"]
        ]
        # The emulated notebooks live on: what starts or stops meanwhile is written.
        found["writes"].append([outcome.changed, len(written)])
        began = time.process_time()
        for body in bodies:
            answer = json.loads(body)
            for record in answer.get("instances", ()):
                schemas.Instance.model_validate(record)
            for record in answer.get("data", ()):
                notebook_schemas.Notebook.model_validate(record)
        found["pydantic"].append(time.process_time() - began)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found["bytes"] = sum(map(len, bodies))
    return found


def submit(pks: list[int], mark: str) -> dict[str, Any]:
    """One edit for each instance, by the service that the pages use."""
    actor = User.objects.get(username="bench0")
    began = time.perf_counter()
    for pk in pks:
        instance = Instance.objects.select_related("cloud").get(pk=pk)
        patch = {"description": f"{mark} {pk}"}
        services.submit_edit(
            instance=instance,
            actor=actor,
            patch=patch,
            base=merge.expected_values(instance),
        )
    return {"seconds": time.perf_counter() - began}


def last_turn() -> list[float]:
    """When the last edit was made, its attempt began, and its call was about to go.

    Unix **ms**, by the database's clock.
    """
    attempt = Attempt.objects.exclude(sent_at=None).latest("pk")
    moments = (attempt.edits.latest("seq").created_at, attempt.started_at)
    return [at.timestamp() * 1e3 for at in (*moments, attempt.sent_at) if at]


def open_edits() -> int:
    """Edits whose fate is undecided."""
    return Edit.objects.filter(state__in=Edit.OPEN).count()


def states() -> dict[str, int]:
    """How many edits there are of each state."""
    found: dict[str, int] = {}
    for state in Edit.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def mirror_ages() -> list[float | None]:
    """Seconds since each cloud was read; None for one that never was."""
    now = timezone.now()
    read = Cloud.objects.order_by("pk").values_list("refreshed_at", flat=True)
    return [(now - at).total_seconds() if at else None for at in read]


def release() -> None:
    """Take the refresh over from the process that held it."""
    Cloud.objects.update(refresh_lease_until=None)


ORDERS: dict[str, Callable[..., Any]] = {
    order.__name__: order
    for order in (
        *(
            prepare,
            stamp,
            change_elsewhere,
            move_an_end,
            some_instances,
            some_notebooks,
            look,
            vacuum,
            refresh_and_parse,
        ),
        *(submit, last_turn, open_edits, states, mirror_ages, release),
    )
}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    obey(ORDERS, afterwards=lambda: None)
