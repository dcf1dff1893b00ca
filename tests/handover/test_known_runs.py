"""Runs that are known in their version are not read again, and nobody notices."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import User
from dashboard.handover import selectors
from dashboard.handover.filters import DueQuery
from dashboard.instances.models import FleetVersion, Instance
from dashboard.web import process_cache
from tests.factories import make_instance, make_notebook

pytestmark = pytest.mark.usefixtures("cloud_row", "_empty_cache", "_no_news")

NOON = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def shown_to(user: User) -> list[object]:
    """All that the page shows of runs, and when it changes next."""
    board = selectors.board(
        DueQuery(QueryDict("")), user=user, version=FleetVersion.current(), now=NOON
    )
    lanes = [
        (column.lane, column.total, [row.instance.pk for row in column.rows])
        for column in board.columns
    ]
    late = [stop.row.instance.pk for stop in board.late.stops]
    return [lanes, late, board.timeline.layout, board.changes_at_ms]


def change(instance: Instance, **values: Any) -> None:
    """As a refresh would."""
    with transaction.atomic():
        rows = Instance.objects.filter(pk=instance.pk)
        rows.update(**values)
        FleetVersion.stamp(rows)


def remove(instance: Instance) -> None:
    with transaction.atomic():
        Instance.objects.filter(pk=instance.pk).delete()
        FleetVersion.stamp()


CHANGES: dict[str, Callable[[Instance], None]] = {
    "a later end": lambda run: change(run, stops_at=NOON + 30 * HOUR),
    "an end that is past": lambda run: change(run, stops_at=NOON - HOUR),
    "no end": lambda run: change(run, stops_at=None),
    "an idle lease": lambda run: change(run, stops_at=None, lease_type="idle"),
    "another owner": lambda run: change(run, owner_name="li.wei"),
    "a stop": lambda run: change(run, status="STOPPED"),
    "a stop that hangs": lambda run: change(
        run, status="STOPPING", stop_requested_at=NOON - HOUR
    ),
    "a removal": remove,
    "a start": lambda run: change(Instance.objects.get(name="off"), status="RUNNING"),
}


@pytest.fixture
def runs() -> list[Instance]:
    """More than have a bar each."""
    with time_machine.travel(NOON, tick=False):
        make_instance(name="off", status="STOPPED")
        make_notebook(idle_seconds=3_600)
        make_instance(stops_in=None, auto_stop_enable=False)
        return [make_instance(stops_in=600 * number) for number in range(50)]


@pytest.mark.parametrize("few", [selectors.FEW, 0])
@pytest.mark.parametrize("what", CHANGES)
def test_a_change_shows_as_if_all_runs_were_read(
    viewer: User,
    runs: list[Instance],
    what: str,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selectors, "FEW", few)
    before = shown_to(viewer)
    CHANGES[what](runs[20])
    after = shown_to(viewer)
    assert after != before
    process_cache.clear_all()
    assert after == shown_to(viewer)


def test_only_runs_that_changed_are_read(viewer: User, runs: list[Instance]) -> None:
    shown_to(viewer)
    change(runs[20], stops_at=NOON + 30 * HOUR)
    with CaptureQueriesContext(connection) as queries:
        shown_to(viewer)
    reading = [
        query["sql"]
        for query in queries
        if query["sql"].endswith('"run_started_at" ASC, 1 ASC')
    ]
    keys, rest = reading
    assert '"owner_name"' not in keys
    assert f'"id" IN ({runs[20].pk})' in rest


def test_a_run_that_changes_between_the_queries_is_at_its_place(
    viewer: User, runs: list[Instance]
) -> None:
    shown_to(viewer)
    change(runs[20], owner_name="li.wei")

    def end_later(execute: Any, sql: str, *rest: Any) -> Any:
        if '"owner_name"' in sql and " IN (" in sql and '"run_started_at" ASC' in sql:
            rows = Instance.objects.filter(pk=runs[20].pk)
            rows.update(stops_at=NOON + 30 * HOUR, version=2**60)
        return execute(sql, *rest)

    with connection.execute_wrapper(end_later):
        shown = shown_to(viewer)
    process_cache.clear_all()
    assert shown == shown_to(viewer)
