"""Stop times that contradict their document, or what is known of the run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from dashboard.emulator import Emulator, Fault
from dashboard.instances import mapping
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import ensure_clouds, refresh_cloud
from dashboard.modelarts.generations import Generation
from dashboard.web.templatetags.pages import moment_text

STOP = mapping.STOP_PATHS[Generation.DEMANAGER]


def ms_from_now(**span: float) -> int:
    return round((timezone.now() + timedelta(**span)).timestamp() * 1_000)


@pytest.fixture
def victim(empty_cloud: Emulator) -> str:
    running = [
        instance
        for instance in empty_cloud.fleet.instances()
        if instance.status == "RUNNING"
    ]
    return sorted(instance.id for instance in running if instance.stops_at_ms)[0]


def read(cloud: Emulator, victim: str, **auto_stop: Any) -> Instance:
    cloud.faults.clear()
    patch = {"spec": {"auto_stop": auto_stop}}
    cloud.faults.add(Fault("patch", route="list", instance_id=victim, patch=patch))
    ensure_clouds()
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert not outcome.problem
    return Instance.objects.get(instance_id=victim)


@pytest.mark.parametrize(
    "auto_stop",
    [
        {"enable": False, "stop_timestamp": {"days": -1}, "remain_time": None},
        {"stop_timestamp": {"days": -1000}, "remain_time": None},
        {"stop_timestamp": {"hours": 30}},
    ],
    ids=["off", "before-it-was-created", "not-what-is-left"],
)
def test_a_stop_that_contradicts_its_document_is_not_believed(
    empty_cloud: Emulator, victim: str, auto_stop: dict[str, Any]
) -> None:
    stop_ms = ms_from_now(**auto_stop["stop_timestamp"])
    row = read(empty_cloud, victim, **auto_stop | {"stop_timestamp": stop_ms})
    assert (row.stops_at, row.stop_timestamp_ms) == (None, None)
    assert STOP in row.problems


def test_seconds_for_milliseconds_are_not_believed(
    empty_cloud: Emulator, victim: str
) -> None:
    seconds = ms_from_now(hours=2) // 1_000
    row = read(empty_cloud, victim, stop_timestamp=seconds)
    assert row.stops_at is None
    assert STOP in row.problems


def test_a_stop_before_the_run_that_is_known_is_not_believed(
    cloud: Emulator,
) -> None:
    row = Instance.objects.filter(stops_at__gt=timezone.now()).order_by("pk")[0]
    before = (row.run_started_at, row.status)
    stop_ms = ms_from_now(days=-1)
    row = read(cloud, row.instance_id, stop_timestamp=stop_ms, remain_time=None)
    assert row.stops_at is None
    assert (row.run_started_at, row.status) == before


def test_a_stop_that_is_switched_off_counts_until_it_has_passed(
    empty_cloud: Emulator, victim: str
) -> None:
    """A new setting counts from the next start: this run keeps its end."""
    stop_ms = ms_from_now(minutes=30)
    setting = {"enable": False, "stop_timestamp": stop_ms, "remain_time": None}
    row = read(empty_cloud, victim, **setting)
    assert row.stop_timestamp_ms == stop_ms
    # Its clock and ours, which is corrected by what it tells.
    empty_cloud.clock.advance(31 * 60)
    refresh_cloud("demo")
    row.refresh_from_db()
    assert row.stop_timestamp_ms is None


def test_one_impossible_stop_does_not_move_the_clouds_clock(
    empty_cloud: Emulator,
) -> None:
    patch = {"spec": {"auto_stop": {"stop_timestamp": ms_from_now(days=40)}}}
    empty_cloud.faults.add(Fault("patch", route="list", patch=patch))
    ensure_clouds()
    refresh_cloud("demo")
    assert abs(Cloud.objects.get().skew_ms) < 5_000


def test_an_ordinary_stop_is_believed(cloud: Emulator) -> None:
    rows = Instance.objects.filter(status="RUNNING", auto_stop_enable=True)
    assert rows.exists()
    assert not [row for row in rows if STOP in row.problems]


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (datetime(2026, 11, 29, 22, 5, tzinfo=UTC), "Sun 22:05 UTC"),
        (datetime(2026, 11, 30, 3, 21, tzinfo=UTC), "Mon 30 Nov, 03:21 UTC"),
        (datetime(2026, 11, 25, 18, 52, tzinfo=UTC), "Wed 25 Nov, 18:52 UTC"),
        (datetime(1970, 1, 21, 18, 52, tzinfo=UTC), "21 Jan 1970, 18:52 UTC"),
    ],
)
def test_a_stop_on_another_day_is_shown_with_its_date(
    stop: datetime, text: str
) -> None:
    now = datetime(2026, 11, 29, 10, tzinfo=UTC)
    with time_machine.travel(now, tick=False), timezone.override("UTC"):
        assert moment_text(stop, "stop") == text
