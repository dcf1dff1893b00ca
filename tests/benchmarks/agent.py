"""Our hand in a place's database: the orders that can be given there."""

import logging
import resource
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.contrib.auth import SESSION_KEY  # noqa: E402 (needs the set-up)
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from dashboard.accounts.models import User  # noqa: E402
from dashboard.edits import merge, services  # noqa: E402
from dashboard.edits.models import Attempt, Edit  # noqa: E402
from dashboard.instances import refresh, upstream  # noqa: E402
from dashboard.instances.models import Cloud, FleetVersion, Instance  # noqa: E402
from dashboard.modelarts import schemas  # noqa: E402
from dashboard.web import process_cache  # noqa: E402
from tests.agents import obey  # noqa: E402

PEOPLE = 4


def prepare() -> dict[str, Any]:
    """A database, a mirrored fleet, static files, and people who are signed in."""
    call_command("migrate", verbosity=0)
    refresh.ensure_clouds()
    refresh.refresh_cloud("demo")
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
    FleetVersion.stamp(Instance.objects.filter(pk__in=pks))


def some_instances(number: int) -> list[dict[str, Any]]:
    """Instances that can be edited."""
    found = Instance.objects.filter(status__in=["RUNNING", "STOPPED"]).order_by("pk")
    return [
        {"pk": one.pk, "id": one.instance_id, "url": one.get_absolute_url()}
        for one in found.select_related("cloud")[:number]
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
    original = client._http.send
    bodies: list[bytes] = []

    def keep(*args: Any, **how: Any) -> Any:
        response = original(*args, **how)
        response.read()
        bodies.append(response.content)
        return response

    client._http.send = keep  # type: ignore[method-assign]
    refresh.refresh_cloud("demo")
    client._http.send = original  # type: ignore[method-assign]
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
            listing = schemas.InstanceList.model_validate_json(body)
            for record in listing.instances or []:
                schemas.Instance.model_validate(record)
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


def release() -> None:
    """Have the refresh taken over from whoever held it."""
    Cloud.objects.update(refresh_lease_until=None)


ORDERS: dict[str, Callable[..., Any]] = {
    order.__name__: order
    for order in (
        *(prepare, stamp, some_instances, look, vacuum, refresh_and_parse),
        *(submit, last_turn, open_edits, states, release),
    )
}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    obey(ORDERS, afterwards=lambda: None)
