"""Locks are taken in one order: queue, cloud, instance, fleet."""

import pytest

from .stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.timeout(900)]


@pytest.mark.parametrize("pair", ["refresh_and_claim", "refresh_and_record"])
def test_no_deadlock(pair: str, stack: Stack) -> None:
    if stack.postgres is None:
        pytest.skip("SQLite has one lock.")
    assert stack.ask(pair, instance=stack.take_instance()) == []
