"""A draft of a handover, and the link of a wallboard."""

import pytest

from dashboard.accounts.models import User
from dashboard.handover import wallboard_services
from dashboard.handover.models import Handover, WallLink
from dashboard.instances.models import Cloud
from dashboard.livepoll import state

from .handovers import make_draft


@pytest.fixture
def _no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the version from the database, not from what other tests left in Redis."""
    monkeypatch.setattr(state.cache, "read", lambda: None)


@pytest.fixture
def link(operator: User) -> WallLink:
    return wallboard_services.make(
        actor=operator, name="Control room", zone="Europe/Berlin"
    )


@pytest.fixture
def draft(operator: User, cloud_row: Cloud) -> Handover:
    """The operator's draft of a shift, in a site with one cloud."""
    return make_draft(operator)
