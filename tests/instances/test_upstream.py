"""Which clouds form the fleet, and how fast they are asked."""

from pathlib import Path
from typing import Any

import pytest
import redis

from dashboard.emulator import Emulator
from dashboard.instances import upstream
from dashboard.modelarts.errors import (
    AuthenticationError,
    ConfigurationError,
    ThrottledError,
)


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
    assert waits[: upstream.BURST] == pytest.approx([0] * upstream.BURST, abs=0.05)
    assert waits[upstream.BURST :] == sorted(waits[upstream.BURST :])
    assert waits[-1] == pytest.approx(0.3, abs=0.1)


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
