"""A week of runs, and the day on which people look at it."""

from typing import Any

import pytest

from .pages import NOW, add_week


@pytest.fixture
def _now(time_machine: Any) -> None:
    """It is noon of 20 November 2026."""
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def _week(db: None, _now: None) -> None:
    """As of ``add_week``."""
    add_week()
