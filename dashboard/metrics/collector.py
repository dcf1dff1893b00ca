"""The metrics of ``/metrics``, read from the database and Redis on request.

Counters in memory would be useless: there are several web processes, and workers do the
work.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import accumulate

import redis
from django.db import DatabaseError
from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dashboard.edits.delivery import heartbeat
from dashboard.edits.delivery.circuit_breaker import OPENS_AT
from dashboard.edits.models import WAITS_FOR_STOP, Edit
from dashboard.instances import run_state, upstream_metrics
from dashboard.instances.filters import AUTO_STOP_OFF
from dashboard.instances.models import Cloud, Instance

from . import cost_metrics, queues

DAY = timedelta(days=1)

_COUNTED = {
    "due": "Running instances that stop within 15 minutes, or are stopping.",
    "overdue": "Running instances past their stop by more than a stop takes.",
    "late_stops": "Running or stopping instances that should have stopped long ago.",
    "without_end": "Running instances that nothing will stop.",
    "auto_stop_off": "Running instances with auto-stop off, which counts from their "
    "next start.",
    "unreadable": "Instances with members that could not be read.",
}
"""Instances of each cloud that are counted, and the help text of their metric."""


class CurfewCollector(Collector):
    """Reads database and broker; a failure of one only sets its ``_up`` metric to 0."""

    def collect(self) -> Iterator[Metric]:
        yield from _part("curfew_database_up", "The database answers.", _of_database)
        yield from _part("curfew_broker_up", "The broker answers.", _of_redis)


def _part(
    name: str, text: str, read: Callable[[], Iterable[Metric]]
) -> Iterator[Metric]:
    metrics: list[Metric] = []
    try:
        metrics = list(read())
    except (DatabaseError, redis.RedisError):
        yield GaugeMetricFamily(name, text, value=0)
    else:
        yield GaugeMetricFamily(name, text, value=1)
    yield from metrics


def _of_database() -> Iterator[Metric]:
    yield from _fleet()
    yield from _clouds()
    yield from _edits()
    yield from cost_metrics.metrics(timezone.now())


def _fleet() -> Iterator[Metric]:
    """Count instances with one statement, since each reads all rows."""
    now = timezone.now()
    conditions = {
        "due": run_state.ends_within_quarter(now),
        "overdue": run_state.overdue(now),
        "late_stops": run_state.late_stop(now),
        "without_end": run_state.WITHOUT_END,
        "auto_stop_off": run_state.RUNNING & AUTO_STOP_OFF,
        "unreadable": ~Q(problems=[]),
    }
    counts = {
        name: Count("pk", filter=condition) for name, condition in conditions.items()
    }
    groups = ("cloud__name", "generation", "status")
    here = Instance.objects.filter(run_state.PRESENT)
    rows = here.values_list(*groups).annotate(Count("pk"), **counts)
    instances = GaugeMetricFamily(
        "curfew_instances",
        "Instances by cloud, generation of the API, and status.",
        labels=["cloud", "generation", "status"],
    )
    by_cloud: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    for cloud, generation, status, number, *numbers in rows.order_by(*groups):
        instances.add_metric([cloud, generation, status], number)
        for name, matching in zip(counts, numbers, strict=True):
            by_cloud[name][cloud] += matching
    yield instances
    for name, text in _COUNTED.items():
        family = GaugeMetricFamily(f"curfew_instances_{name}", text, labels=["cloud"])
        for cloud, number in by_cloud[name].items():
            if number:
                family.add_metric([cloud], number)
        yield family


def _clouds() -> Iterator[Metric]:
    clouds = Cloud.objects.filter(retired_at=None)
    configured = [cloud for cloud in clouds if not cloud.unconfigured_since]
    now = timezone.now()
    yield _gauge_by_cloud(
        "curfew_mirror_age_seconds",
        "Age of our copy of a cloud's instances.",
        {
            cloud: (now - cloud.refreshed_at).total_seconds()
            for cloud in configured
            if cloud.refreshed_at is not None
        },
    )
    yield _gauge_by_cloud(
        "curfew_mirror_problem",
        "1 while refreshes fail.",
        {cloud: bool(cloud.problem) for cloud in configured},
    )
    yield _gauge_by_cloud(
        "curfew_mirror_incomplete",
        "1 while a listing is only partly read or does not add up.",
        {cloud: bool(cloud.incomplete) for cloud in configured},
    )
    yield _gauge_by_cloud(
        "curfew_cloud_removed",
        "1 while the configuration lacks a cloud whose instances are still kept.",
        {cloud: bool(cloud.unconfigured_since) for cloud in clouds},
    )
    yield _gauge_by_cloud(
        "curfew_circuit_open",
        "1 while edits of a cloud wait.",
        {cloud: cloud.failures >= OPENS_AT for cloud in configured},
    )
    yield _gauge_by_cloud(
        "curfew_cloud_skew_seconds",
        "How far a cloud's clock is ahead of ours.",
        {cloud: cloud.skew_ms / 1000 for cloud in configured},
    )


def _gauge_by_cloud(
    name: str, text: str, values: Mapping[Cloud, float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["cloud"])
    for cloud, value in values.items():
        family.add_metric([cloud.name], value)
    return family


def _edits() -> Iterator[Metric]:
    now = timezone.now()
    open_edits = Edit.objects.filter(state__in=Edit.OPEN)
    recent = Edit.objects.filter(created_at__gt=now - DAY)
    for name, text, states, rows in (
        (
            "curfew_edits_open",
            "Edits without an outcome yet, by state.",
            sorted(Edit.OPEN),
            open_edits,
        ),
        (
            "curfew_edits_last_day",
            "Edits accepted in the last 24 hours, by current state.",
            Edit.State.values,
            recent,
        ),
    ):
        counts = {
            state: Count("pk", filter=Q(state=state)) for state in map(str, states)
        }
        family = GaugeMetricFamily(name, text, labels=["state"])
        for state, number in rows.aggregate(**counts).items():
            family.add_metric([state], number)
        yield family
    # One that waits for the stop of its instance may wait for weeks.
    due = open_edits.exclude(WAITS_FOR_STOP).exclude(not_before__gt=now)
    begin = Coalesce("not_before", "created_at")
    oldest = due.aggregate(oldest=Min(begin))["oldest"]
    yield GaugeMetricFamily(
        "curfew_oldest_open_edit_seconds",
        "Age of the oldest due edit without an outcome that waits for no stop; else 0.",
        value=(now - oldest).total_seconds() if oldest else 0,
    )


def _of_redis() -> Iterator[Metric]:
    yield from _queues()
    age = heartbeat.sweep_age_seconds()
    family = GaugeMetricFamily(
        "curfew_sweep_age_seconds", "Seconds since the last search for due edits."
    )
    if age is not None:
        family.add_metric([], age)
    yield family
    yield from _traffic()


def _queues() -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "curfew_queue_messages", "Waiting messages, by queue.", labels=["queue"]
    )
    found = queues.read()
    for queue, number in found.waiting.items():
        family.add_metric([queue], number)
    yield family
    yield GaugeMetricFamily(
        "curfew_queue_unacknowledged",
        "Messages that workers process.",
        value=found.unacknowledged,
    )


def _traffic() -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "curfew_upstream_calls",
        "Calls to a cloud, by generation of the API, operation and outcome.",
        labels=["cloud", "generation", "operation", "outcome"],
    )
    latency = HistogramMetricFamily(
        "curfew_upstream_seconds",
        "How long calls to a cloud took.",
        labels=["cloud", "generation", "operation"],
    )
    ends = [*map(str, upstream_metrics.BUCKETS), "+Inf"]
    try:
        names = list(Cloud.objects.values_list("name", flat=True))
    except DatabaseError:
        return  # curfew_database_up reports it
    for cloud, counted in upstream_metrics.read(names).items():
        for (operation, outcome), number in sorted(counted.outcomes.items()):
            calls.add_metric([cloud, *operation, outcome], number)
        for operation, buckets in sorted(counted.buckets.items()):
            latency.add_metric(
                [cloud, *operation],
                list(zip(ends, accumulate(buckets), strict=True)),
                counted.seconds.get(operation, 0),
            )
    yield from (calls, latency)
