"""A year of costs of 10,000 instances: report by owner, weekly trend, savings.

::

    uv run --group dev python -m tests.benchmarks --only costs

It fills a database with a year of stored days and weeks, as ``rollup`` leaves them,
10,000 instances, and the runs of the last month, of which today's and yesterday's are
not stored. With ``--quick`` it fills fewer days of 300 instances, and says so. This
module measures in a process of its own, for the settings of one database, and prints
JSON. The baseline is one sum over all rows of the year.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from tests import migrated

from .place import measure_on

DAYS, QUICK_DAYS, RUN_DAYS = 365, 70, 30
INSTANCES_OF_AN_ALLOCATION = 4
OWNERS, FLAVORS, CLOUDS = 300, 12, 2
PRICE_CHANGES = 3
"""On different days of the year, in the middle of a week."""


def year(database: str, *, instances: int, days: int, rounds: int) -> dict[str, Any]:
    """Return what the reports of a year take on ``SQLite`` or ``PostgreSQL``."""
    return measure_on(database, __name__, [instances, days, rounds])


class Year:
    """The year, or fewer days, that ends now, in the database of the settings."""

    def __init__(self, instances: int, days: int) -> None:
        from django.utils import timezone

        self.now = timezone.now()
        self.today = self.now.date()
        self.days = [self.today - timedelta(days=ago) for ago in range(days, -1, -1)]
        self._instances = instances
        self._number = instances // INSTANCES_OF_AN_ALLOCATION
        self._random = random.Random(1)  # noqa: S311 (repeatable on purpose)

    def fill(self) -> None:
        from django.db import connection, transaction

        migrated.migrate()
        with transaction.atomic():
            self._allocations()
            self._prices()
            with connection.cursor() as cursor:
                self._sums(cursor)
                self._runs(cursor)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def _allocations(self) -> None:
        from dashboard.costs.models import Allocation, RollUp
        from dashboard.instances.models import Cloud, Instance

        clouds = [
            Cloud.objects.create(name=f"cloud-{number}", read_at=self.now)
            for number in range(CLOUDS)
        ]
        stored = (self.now - timedelta(hours=16)).date()
        for cloud in clouds:
            RollUp.objects.create(
                cloud=cloud, done_until=stored, time_zone="UTC", most_hours=16
            )
        chance = self._random
        rows = Allocation.objects.bulk_create(
            Allocation(
                cloud=chance.choice(clouds),
                generation="notebooks",
                owner_id=f"{owner:032}",
                owner_name=f"owner.{owner}",
                flavor=f"modelarts.vm.gpu.{chance.randrange(FLAVORS)}",
                flavor_type="GPU",
                workspace_id=str(chance.randrange(20)),
                tags={"team": f"team-{owner % 9}", "stage": str(number % 4)},
                digest=f"{number:064}",
            )
            for number in range(self._number)
            for owner in [chance.randrange(OWNERS)]
        )
        Instance.objects.bulk_create(
            Instance(
                cloud=row.cloud,
                instance_id=f"{number:036}",
                name=f"notebook-{number}",
                status="STOPPED",
                owner_name=row.owner_name,
                flavor=row.flavor,
                first_seen_at=self.now - timedelta(days=400),
                content_hash="",
            )
            for number in range(self._instances)
            for row in [rows[number % self._number]]
        )

    def _prices(self) -> None:
        from dashboard.costs.models import Price

        for flavor in range(FLAVORS):
            for change in range(PRICE_CHANGES + 1):
                day = date(2020, 1, 1)
                if change:
                    day = self.days[change * len(self.days) // (PRICE_CHANGES + 1)]
                Price.objects.create(
                    cloud="*",
                    flavor=f"modelarts.vm.gpu.{flavor}",
                    running=Decimal(flavor + change + 1),
                    stopped=Decimal("0.05"),
                    currency="EUR",
                    valid_from=day,
                )

    def _sums(self, cursor: Any) -> None:
        """Store the days and weeks; numbers that differ will do."""
        from dashboard.costs.sums import COLUMNS

        cursor.execute("CREATE TABLE bench_day (day date, monday date, number integer)")
        cursor.executemany(
            "INSERT INTO bench_day VALUES (%s, %s, %s)",
            [
                (day.isoformat(), (day - timedelta(days=day.weekday())).isoformat(), at)
                for at, day in enumerate(self.days[:-2])
            ],
        )
        values = {
            "running": "(a.id * 7919 + d.number * 104729) %% 90000",
            "stopped": "(a.id * 104729 + d.number * 7919) %% 250000",
            "ended_seconds": "(a.id * 7919 + d.number * 104729) %% 90000",
            "ended_auto_stop": "(a.id + d.number) %% 5",
            "avoided_auto_stop": "(a.id * 31 + d.number) %% 60000",
        }
        columns = ", ".join(COLUMNS)
        usual = "(a.id + d.number) %% 2"
        row = ", ".join(values.get(name, usual) for name in COLUMNS)
        cursor.execute(
            f"INSERT INTO costs_usageday (day, allocation_id, {columns}) "  # noqa: S608
            f"SELECT d.day, a.id, {row} FROM bench_day d, costs_allocation a "
            "ORDER BY d.day, a.id",
            [],
        )
        total = ", ".join(f"SUM(u.{name})" for name in COLUMNS)
        cursor.execute(
            f"INSERT INTO costs_usageweek (day, allocation_id, {columns}) "  # noqa: S608
            f"SELECT d.monday, u.allocation_id, {total} FROM costs_usageday u "
            "JOIN bench_day d ON d.day = u.day GROUP BY d.monday, u.allocation_id "
            "ORDER BY d.monday, u.allocation_id"
        )

    def _runs(self, cursor: Any) -> None:
        """One run of each instance a day, from an hour on that depends on it."""
        cursor.execute(
            "CREATE TABLE bench_run (hour integer, "
            "since {0}, until {0}, next {0})".format(_moment_type())
        )
        midnights = [
            datetime(day.year, day.month, day.day, tzinfo=UTC)
            for day in self.days[-RUN_DAYS:]
        ]
        rows = []
        for hour in range(14):
            for at, midnight in enumerate(midnights):
                since = midnight + timedelta(hours=hour)
                if since > self.now:
                    continue
                until = since + timedelta(hours=8)
                later = since + timedelta(days=1)
                is_last = at == len(midnights) - 1 or later > self.now
                rows.append(
                    (
                        hour,
                        str(since)[:19],
                        None if until > self.now else str(until)[:19],
                        None if is_last else str(later)[:19],
                    )
                )
        cursor.executemany("INSERT INTO bench_run VALUES (%s, %s, %s, %s)", rows)
        cursor.execute(
            "INSERT INTO costs_run (instance_id, allocation_id, started_at, ended_at, "
            "next_started_at, started_known, ended_known, ended_by, reason, "
            "ended_by_name, end_status, has_end) "
            "SELECT i.id, a.id, r.since, r.until, r.next, 'observed', "
            "CASE WHEN r.until IS NULL THEN '' ELSE 'observed' END, "
            "CASE WHEN r.until IS NULL THEN '' ELSE 'auto_stop' END, '', '', "
            "CASE WHEN r.until IS NULL THEN '' ELSE 'STOPPED' END, i.id %% 10 <> 0 "
            "FROM bench_run r JOIN instances_instance i ON i.id %% 14 = r.hour "
            "JOIN costs_allocation a ON a.id = 1 + i.id %% %s",
            [self._number],
        )


def _moment_type() -> str:
    from django.db import connection

    return "timestamptz" if connection.vendor == "postgresql" else "text"


def measure(instances: int, days: int, rounds: int) -> dict[str, Any]:
    """Fill the database of the settings, and measure in it."""
    import django

    django.setup()
    from django.db import connection
    from django.db.models import Sum
    from django.test.utils import CaptureQueriesContext

    from dashboard.costs import periods, savings, usage
    from dashboard.costs.models import Run, UsageDay, UsageWeek

    filled = Year(instances, days)
    filled.fill()
    now, everything = filled.now, usage.Scope()
    period = periods.custom(filled.days[0], filled.today)

    def reading(scope: usage.Scope = everything) -> usage.Reading:
        return usage.Reading(period, scope, now)

    def all_of_it() -> Any:
        shared = reading()
        usage.report(shared, "owner")
        usage.trend(shared, "week")
        savings.savings(shared)

    works: dict[str, Callable[[], Any]] = {
        "baseline": lambda: UsageDay.objects.aggregate(Sum("running")),
        "report": lambda: usage.report(reading(), "owner"),
        "trend": lambda: usage.trend(reading(), "week"),
        "savings": lambda: savings.savings(reading()),
        "all": all_of_it,
        "one owner": lambda: usage.report(
            reading(usage.Scope(owner="owner.7")), "flavor"
        ),
        "month by day": lambda: usage.trend(
            usage.Reading(
                periods.custom(filled.days[-30], filled.today), everything, now
            )
        ),
        "longest": lambda: usage.longest_without_auto_stop(period, everything, now),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            before, used = time.perf_counter(), time.process_time()
            work()
            seconds[name].append(time.perf_counter() - before)
            cpu[name].append(time.process_time() - used)
    with CaptureQueriesContext(connection) as queries:
        all_of_it()
    return {
        "seconds": {name: median(each) for name, each in seconds.items()},
        "fastest": {name: min(each) for name, each in seconds.items()},
        "cpu_seconds": {name: median(each) for name, each in cpu.items()},
        "rows": {
            model.__name__: model._default_manager.count()
            for model in (Run, UsageDay, UsageWeek)
        },
        "days": days,
        "queries": len(queries),
        "plans": _plans(queries.captured_queries),
    }


def _plans(queries: list[dict[str, str]]) -> list[list[str]]:
    from django.db import connection

    explain = "EXPLAIN " + ("QUERY PLAN " if connection.vendor == "sqlite" else "")
    plans = []
    for query in queries:
        sql = query["sql"]
        if sql.startswith("SELECT") and "costs_" in sql:
            with connection.cursor() as cursor:
                cursor.execute(explain + sql.replace("%", "%%"))
                lines = [str(row[-1]).rstrip() for row in cursor.fetchall()]
            table = sql.partition(" FROM ")[2].partition(" ")[0].strip('"')
            plans.append([table, f"{float(query['time']):.3f} s", *lines])
    return plans


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(*map(int, sys.argv[1:]))))
