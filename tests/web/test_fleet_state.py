"""FleetState for polls: believed when it makes sense, and never in the way."""

import pytest

from dashboard.livepoll import state
from dashboard.web.redis_clients import quick_redis

pytestmark = pytest.mark.usefixtures("_fresh_news")

KEYS = [state._VERSION, state._READ]
NONSENSE = [b"\x80{no json", b"", b"[1]", b'{"one": 2}', b"3.5"]


@pytest.fixture
def cache() -> state.FleetStateCache:
    return state.FleetStateCache()


def test_what_is_put_is_read(cache: state.FleetStateCache) -> None:
    state.put(7, {1: 60_000, 2: None})
    assert cache.read() == state.FleetState(7, {1: 60_000, 2: None})


def test_before_anything_is_put_the_database_is_queried(
    cache: state.FleetStateCache,
) -> None:
    assert cache.read() is None


def test_a_version_does_not_go_back(cache: state.FleetStateCache) -> None:
    state.put(7, {})
    state.put_version(6)
    news = cache.read()
    assert news is not None
    assert news.version == 7


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize("key", KEYS)
def test_nonsense_is_ignored_and_soon_overwritten(
    cache: state.FleetStateCache, key: str, nonsense: bytes
) -> None:
    state.put(7, {1: 60_000})
    quick_redis().set(key, nonsense)
    assert cache.read() is None
    state.put(7, {1: 60_000})
    assert cache.read() == state.FleetState(7, {1: 60_000})


@pytest.mark.parametrize("key", KEYS)
def test_so_is_what_is_of_another_type(
    cache: state.FleetStateCache, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_redis().rpush(key, "x")
    assert cache.read() is None
    monkeypatch.setattr(state._backoff, "until", float("-inf"))
    state.put(7, {1: 60_000})
    assert cache.read() == state.FleetState(7, {1: 60_000})


def test_a_person_whose_permissions_change_is_revoked(
    cache: state.FleetStateCache,
) -> None:
    state.put(7, {})
    state.revoke(4711)
    news = cache.read()
    assert news is not None
    assert news.revoked == {4711}
