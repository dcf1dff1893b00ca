"""What a process remembers."""

import time

import pytest

from dashboard.web.shelf import Shelf, forget_all


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be moved by hand."""
    moment = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    return moment


def test_what_is_known_is_not_worked_out_again(clock: list[float]) -> None:
    shelf: Shelf[int] = Shelf(most=2, seconds=5)
    assert shelf.recall("a", lambda: 1) == 1
    assert shelf.recall("a", lambda: 2) == 1
    assert shelf.get("b") is None


def test_what_is_too_old_is_worked_out_again(clock: list[float]) -> None:
    shelf: Shelf[int] = Shelf(most=2, seconds=5)
    shelf.put("a", 1)
    clock[0] += 4.9
    assert shelf.get("a") == 1
    clock[0] += 0.2
    # Though it was used meanwhile.
    assert shelf.get("a") is None
    assert shelf.recall("a", lambda: 2) == 2


def test_what_was_used_least_makes_room(clock: list[float]) -> None:
    shelf: Shelf[int] = Shelf(most=2, seconds=5)
    shelf.put("a", 1)
    shelf.put("b", 2)
    assert shelf.get("a") == 1
    shelf.put("c", 3)
    assert [shelf.get(key) for key in "abc"] == [1, None, 3]


def test_a_thing_that_is_nothing_is_known_as_well() -> None:
    shelf: Shelf[int] = Shelf(most=2, seconds=5)
    assert shelf.recall("a", lambda: 0) == 0
    assert shelf.recall("a", lambda: 1) == 0


def test_all_can_be_forgotten() -> None:
    shelf: Shelf[int] = Shelf(most=2, seconds=5)
    shelf.put("a", 1)
    forget_all()
    assert shelf.get("a") is None
