"""A schedule that stops everything at 19:00 in Berlin, and what it stops."""

from collections.abc import Iterator
from datetime import time, timedelta
from unittest.mock import Mock

import pytest
import time_machine

from dashboard.edits import dispatch
from dashboard.instances.models import Instance
from dashboard.schedules.models import Schedule
from tests.edits.schedules import EVENING, at, make_running, make_schedule


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(EVENING, tick=False) as traveller:
        yield traveller


@pytest.fixture
def evening(db: None, clock: time_machine.Traveller) -> Schedule:
    """Stops everything at 19:00 in Berlin, and is on."""
    return make_schedule()


@pytest.fixture
def running(evening: Schedule) -> Instance:
    """One that has run since the afternoon."""
    return make_running()


@pytest.fixture
def morning(db: None, clock: time_machine.Traveller) -> Schedule:
    """Starts at 8:00 what it stops at 19:00."""
    clock.move_to(at(7, 59) + timedelta(days=1))
    return make_schedule(start=time(8), starts=True)
