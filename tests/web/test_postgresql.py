"""Nobody waits for a database that is known to be away, but for one at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from dashboard.web.postgresql import base
from dashboard.web.postgresql.base import (
    PAUSE_SECONDS,
    CircuitBreaker,
    KnownOutageError,
)


class Clock:
    """In place of the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(base, "time", clock)
    return clock


@pytest.fixture
def outage(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker()


def fail(outage: CircuitBreaker) -> None:
    with pytest.raises(PoolTimeout), outage.connecting():
        raise PoolTimeout("no connection")


@contextmanager
def waiting_thread(outage: CircuitBreaker) -> Iterator[threading.Event]:
    """Another thread inside; it comes out well once the event is set."""
    inside, answered = threading.Event(), threading.Event()

    def wait() -> None:
        with outage.connecting():
            inside.set()
            assert answered.wait(10)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        assert inside.wait(10)
        yield answered
    finally:
        answered.set()
        thread.join()


def test_at_first_all_wait(outage: CircuitBreaker) -> None:
    with waiting_thread(outage), waiting_thread(outage), outage.connecting():
        pass


@pytest.mark.parametrize("times", [1, 2])
def test_then_one_at_a_time(outage: CircuitBreaker, clock: Clock, times: int) -> None:
    for _ in range(times):
        fail(outage)
        clock.now += PAUSE_SECONDS
    with (
        waiting_thread(outage),
        pytest.raises(KnownOutageError),
        outage.connecting(),
    ):
        pass


def test_a_thread_that_timed_out_fails_at_once_on_its_next_attempt(
    outage: CircuitBreaker, clock: Clock
) -> None:
    fail(outage)
    clock.now += 0.9 * PAUSE_SECONDS
    with pytest.raises(KnownOutageError), outage.connecting():
        pass


def test_it_ends_with_the_first_connection(
    outage: CircuitBreaker, clock: Clock
) -> None:
    fail(outage)
    clock.now += PAUSE_SECONDS
    with waiting_thread(outage) as answered:
        answered.set()
    with waiting_thread(outage), outage.connecting():
        pass


def test_what_else_goes_wrong_says_nothing_of_it(outage: CircuitBreaker) -> None:
    with pytest.raises(psycopg.ProgrammingError), outage.connecting():
        raise psycopg.ProgrammingError("a fault of ours")
    with waiting_thread(outage), outage.connecting():
        pass
