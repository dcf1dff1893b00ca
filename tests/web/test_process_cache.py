"""The cache of a process."""

import pytest

from dashboard.web.process_cache import ProcessCache, clear_all


@pytest.fixture
def clock() -> list[float]:
    """The time, to be moved by hand."""
    return [1_000.0]


@pytest.fixture
def cache(clock: list[float]) -> ProcessCache:
    return ProcessCache(max_size=2, seconds=5, timer=lambda: clock[0])


def test_a_cached_value_is_not_computed_again(cache: ProcessCache) -> None:
    assert cache.get_or_compute("a", lambda: 1) == 1
    assert cache.get_or_compute("a", lambda: 2) == 1
    assert cache.get("b") is None


def test_a_value_that_is_too_old_is_computed_again(
    cache: ProcessCache, clock: list[float]
) -> None:
    cache.put("a", 1)
    clock[0] += 4.9
    assert cache.get("a") == 1
    clock[0] += 0.2
    # Though it was used meanwhile.
    assert cache.get("a") is None
    assert cache.get_or_compute("a", lambda: 2) == 2


def test_the_least_recently_used_value_makes_room(cache: ProcessCache) -> None:
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_a_value_that_is_written_again_is_the_most_recent(cache: ProcessCache) -> None:
    for key in "aba":
        cache.put(key, 1)
    cache.put("c", 1)
    assert [cache.get(key) for key in "abc"] == [1, None, 1]


def test_a_falsy_value_is_cached_as_well(cache: ProcessCache) -> None:
    assert cache.get_or_compute("a", lambda: 0) == 0
    assert cache.get_or_compute("a", lambda: 1) == 0


def test_all_caches_can_be_cleared(cache: ProcessCache) -> None:
    cache.put("a", 1)
    clear_all()
    assert cache.get("a") is None
