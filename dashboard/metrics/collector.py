"""Values of ``/metrics``, read from the database and Redis on request.

The web server keeps no counters in memory: its processes come and go, and others do the
work.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import accumulate

import redis
from celery import current_app
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Min, Q, QuerySet
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
from dashboard.edits.models import Edit
from dashboard.instances import run_state, upstream_metrics
from dashboard.instances.filters import AUTO_STOP_OFF
from dashboard.instances.models import Cloud, Instance

DAY = timedelta(days=1)
REDIS_SECONDS = 0.5

Metrics = Iterable[Metric]


class CurfewCollector(Collector):
    """Read database and broker; one that fails only sets its ``_up`` metric to 0."""

    def collect(self) -> Iterator[Metric]:
        yield from _part("curfew_database_up", "The database answers.", _of_database)
        yield from _part("curfew_broker_up", "The broker answers.", _of_redis)


def _part(name: str, text: str, read: Callable[[], Metrics]) -> Iterator[Metric]:
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


def _fleet() -> Iterator[Metric]:
    here = Instance.objects.filter(run_state.PRESENT)
    now = timezone.now()
    yield _by(
        "curfew_instances",
        "Instances by cloud and status.",
        here,
        ["cloud__name", "status"],
    )
    for name, text, rows in (
        (
            "curfew_instances_due",
            "Running instances that stop within 15 minutes, or are stopping.",
            here.filter(run_state.soon(now)),
        ),
        (
            "curfew_instances_overdue",
            "Running instances past their stop by more than a stop takes.",
            here.filter(run_state.overdue(now)),
        ),
        (
            "curfew_instances_without_end",
            "Running instances that nothing will stop.",
            here.filter(run_state.WITHOUT_END),
        ),
        (
            "curfew_instances_auto_stop_off",
            "Running instances with auto-stop off, which counts from their next start.",
            here.filter(run_state.RUNNING, AUTO_STOP_OFF),
        ),
        (
            "curfew_instances_unreadable",
            "Instances of which something could not be read.",
            here.exclude(problems=[]),
        ),
    ):
        yield _by(name, text, rows, ["cloud__name"])


def _by(
    name: str, text: str, rows: "QuerySet[Instance]", fields: list[str]
) -> GaugeMetricFamily:
    labels = [field.removesuffix("__name") for field in fields]
    family = GaugeMetricFamily(name, text, labels=labels)
    for *values, number in (
        rows.values_list(*fields).annotate(Count("pk")).order_by(*fields)
    ):
        family.add_metric([str(value) for value in values], number)
    return family


def _clouds() -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "curfew_mirror_age_seconds",
        "Age of our copy of a cloud's instances.",
        labels=["cloud"],
    )
    problem = GaugeMetricFamily(
        "curfew_mirror_problem", "1 while refreshes fail.", labels=["cloud"]
    )
    incomplete = GaugeMetricFamily(
        "curfew_mirror_incomplete",
        "1 while a listing is only partly read or does not add up.",
        labels=["cloud"],
    )
    removed = GaugeMetricFamily(
        "curfew_cloud_removed",
        "1 while the configuration lacks a cloud whose instances are still kept.",
        labels=["cloud"],
    )
    circuit = GaugeMetricFamily(
        "curfew_circuit_open", "1 while edits of a cloud wait.", labels=["cloud"]
    )
    skew = GaugeMetricFamily(
        "curfew_cloud_skew_seconds",
        "How far a cloud's clock is ahead of ours.",
        labels=["cloud"],
    )
    now = timezone.now()
    for cloud in Cloud.objects.filter(retired_at=None):
        removed.add_metric([cloud.name], bool(cloud.unconfigured_since))
        if cloud.unconfigured_since:
            continue
        if cloud.refreshed_at is not None:
            seconds = (now - cloud.refreshed_at).total_seconds()
            age.add_metric([cloud.name], seconds)
        problem.add_metric([cloud.name], bool(cloud.problem))
        incomplete.add_metric([cloud.name], bool(cloud.incomplete))
        circuit.add_metric([cloud.name], cloud.failures >= OPENS_AT)
        skew.add_metric([cloud.name], cloud.skew_ms / 1000)
    yield from (age, problem, incomplete, removed, circuit, skew)


def _edits() -> Iterator[Metric]:
    now = timezone.now()
    open_edits = Edit.objects.filter(state__in=Edit.OPEN)
    recent = Edit.objects.filter(created_at__gt=now - DAY)
    for name, text, states, rows in (
        (
            "curfew_edits_open",
            "Edits whose fate is undecided, by state.",
            sorted(Edit.OPEN),
            open_edits,
        ),
        (
            "curfew_edits_last_day",
            "Edits accepted in the last 24 hours, by present state.",
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
    oldest = open_edits.aggregate(oldest=Min("created_at"))["oldest"]
    yield GaugeMetricFamily(
        "curfew_oldest_open_edit_seconds",
        "Age of the oldest edit whose fate is undecided; 0 where there is none.",
        value=(now - oldest).total_seconds() if oldest else 0,
    )


def _of_redis() -> Iterator[Metric]:
    yield from _queues()
    age = heartbeat.sweep_age_seconds()
    family = GaugeMetricFamily(
        "curfew_sweep_age_seconds", "Seconds since due edits were last looked for."
    )
    if age is not None:
        family.add_metric([], age)
    yield family
    yield from _traffic()


def _queues() -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "curfew_queue_messages", "Messages that wait, by queue.", labels=["queue"]
    )
    prefix = current_app.conf.broker_transport_options["global_keyprefix"]
    with redis.Redis.from_url(
        settings.BROKER_URL,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
    ) as client:
        for queue in sorted(current_app.conf.task_queues):
            family.add_metric([queue], client.llen(f"{prefix}{queue}"))
        unacked = client.hlen(f"{prefix}unacked")
    yield family
    yield GaugeMetricFamily(
        "curfew_queue_unacknowledged", "Messages that workers hold.", value=unacked
    )


def _traffic() -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "curfew_upstream_calls",
        "Calls to a cloud, by operation and outcome.",
        labels=["cloud", "operation", "outcome"],
    )
    latency = HistogramMetricFamily(
        "curfew_upstream_seconds",
        "How long calls to a cloud took.",
        labels=["cloud", "operation"],
    )
    ends = [*map(str, upstream_metrics.BUCKETS), "+Inf"]
    try:
        names = list(Cloud.objects.values_list("name", flat=True))
    except DatabaseError:
        return  # curfew_database_up reports it
    for cloud, counted in upstream_metrics.read(names).items():
        for (operation, outcome), number in sorted(counted.outcomes.items()):
            calls.add_metric([cloud, operation, outcome], number)
        for operation, buckets in sorted(counted.buckets.items()):
            latency.add_metric(
                [cloud, operation],
                list(zip(ends, accumulate(buckets), strict=True)),
                counted.seconds.get(operation, 0),
            )
    yield from (calls, latency)
