"""Which clouds form the fleet, and how fast they are asked."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from dashboard.emulator import Emulator
from dashboard.instances import upstream, upstream_metrics
from dashboard.modelarts.errors import (
    AuthenticationError,
    ConfigurationError,
    ThrottledError,
)
from dashboard.web.redis_clients import shared_redis


@pytest.fixture
def two_clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = tmp_path / "clouds.yaml"
    described.write_text("clouds:\n  one: {auth: {}}\n  two: {auth: {}}\n")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(described))
    monkeypatch.delenv("OS_CLOUD", raising=False)


@pytest.mark.usefixtures("two_clouds")
def test_every_cloud_of_the_file_unless_chosen(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert upstream.cloud_names() == ["one", "two"]
    monkeypatch.setenv("OS_CLOUD", "two")
    assert upstream.cloud_names() == ["two"]
    settings.CURFEW = settings.CURFEW.model_copy(update={"clouds": ["one"]})
    assert upstream.cloud_names() == ["one"]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[float]:
    """How long each request was held back, without the waiting."""
    settings.CURFEW = settings.CURFEW.model_copy(update={"upstream_rate": 10})
    monkeypatch.setattr(upstream, "BURST", 5)
    monkeypatch.setattr(upstream, "SPARE_TURNS", 2)
    upstream.shared_redis().delete("curfew:rate:some")
    pauses: list[float] = []
    monkeypatch.setattr(upstream.time, "sleep", pauses.append)
    return pauses


def test_a_burst_passes_then_requests_queue(waits: list[float]) -> None:
    for _ in range(upstream.BURST + 3):
        upstream._wait_for_turn("some")
    assert len(waits) == 3, "the burst does not wait"
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(0.3, abs=0.1)


@contextmanager
def thread_of(series: upstream.CallSeries) -> Iterator[ThreadPoolExecutor]:
    with series, ThreadPoolExecutor(1, initializer=series.join) as threads:
        yield threads


def test_a_series_is_no_faster_than_single_requests(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "BOOKED_SECONDS", 1)
    one, other = upstream.CallSeries("some"), upstream.CallSeries("some")
    times = sorted(
        max(0, series.take_turn()) + time.monotonic()
        for _ in range(10)
        for series in (one, other, one)
    )
    for first in range(len(times)):
        for last in range(first, len(times)):
            possible = (times[last] - times[first]) * 10 + upstream.BURST
            assert last - first + 1 <= possible + 0.5


def test_a_turn_that_a_series_does_not_take_in_time_is_lost(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "BOOKED_SECONDS", 1)
    series = upstream.CallSeries("some")
    assert series.take_turn() <= 0
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 0.75)
    # Ten were booked at once, of which two are still to come.
    late = [series.take_turn() for _ in range(4)]
    assert [wait > 0 for wait in late] == [False, False, True, True]


def test_a_thread_of_a_series_waits_for_its_turns(waits: list[float]) -> None:
    with thread_of(upstream.CallSeries("some")) as threads:
        for _ in range(upstream.BURST + 3):
            threads.submit(upstream._wait_for_turn, "some").result()
    assert len(waits) == 3


def test_the_calls_of_a_series_are_counted(
    empty_cloud: Emulator, settings: Any
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"upstream_rate": 1_000})
    shared_redis().delete("curfew:traffic:demo")
    api = upstream.client_for("demo").demanager
    with thread_of(upstream.CallSeries("demo")) as threads:
        for _ in range(30):
            threads.submit(list, api.list_instances()).result()
    counted = upstream_metrics.read(["demo"])["demo"]
    listing = upstream_metrics.Operation("demanager", "list")
    assert counted.outcomes == {(listing, "ok"): 30}
    assert sum(counted.buckets[listing]) == 30
    assert counted.seconds[listing] > 0


def test_no_one_waits_forever(waits: list[float]) -> None:
    def crowd() -> None:
        for _ in range(200):
            upstream._wait_for_turn("some")

    with pytest.raises(ThrottledError):
        crowd()
    assert max(waits) <= upstream.MAX_WAIT_SECONDS


def test_a_cloud_is_free_while_hardly_anybody_asks(waits: list[float]) -> None:
    assert upstream.is_free("some")
    for _ in range(upstream.SPARE_TURNS + 1):
        upstream._wait_for_turn("some")
    assert not upstream.is_free("some")
    assert not any(waits), "nobody had to wait"


def test_without_redis_it_goes_slowly_rather_than_not(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = redis.Redis(port=1, socket_connect_timeout=0.1)
    monkeypatch.setattr(upstream, "shared_redis", lambda: nowhere)
    upstream._wait_for_turn("some")
    assert waits == [0.1]
    assert not upstream.is_free("some")


def test_corrected_credentials_count_without_a_restart(
    empty_cloud: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "clouds.yaml"
    right = path.read_text()
    path.write_text(right.replace("fake-password-of-", "wrong-password-of-"))
    with pytest.raises(AuthenticationError):
        next(upstream.client_for("demo").demanager.list_instances())
    path.write_text(right)
    assert (
        next(upstream.client_for("demo").demanager.list_instances()).total_count == 40
    )
    assert upstream.client_for("demo") is upstream.client_for("demo")


def test_a_broken_file_is_reported_and_the_next_good_one_is_read(
    empty_cloud: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "clouds.yaml"
    right = path.read_text()
    before = upstream.client_for("demo")
    path.write_text(right + "\t")
    with pytest.raises(ConfigurationError, match=r"clouds\.yaml cannot be read: line"):
        upstream.client_for("demo")
    with pytest.raises(ConfigurationError, match=r"clouds\.yaml cannot be read: line"):
        upstream.cloud_names()
    path.write_text(right)
    assert upstream.client_for("demo") is not before
    assert (
        next(upstream.client_for("demo").demanager.list_instances()).total_count == 40
    )
