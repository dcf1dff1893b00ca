"""A wallboard for the tests of its screens and of its link."""

import pytest

from dashboard.accounts.models import User
from dashboard.handover import wallboard_services
from dashboard.handover.models import WallLink
from dashboard.livepoll import state


@pytest.fixture
def _no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the version from the database, not from what other tests left in Redis."""
    monkeypatch.setattr(state.cache, "read", lambda: None)


@pytest.fixture
def link(operator: User) -> WallLink:
    return wallboard_services.make(
        actor=operator, name="Control room", zone="Europe/Berlin"
    )
