"""A Monday morning after a week in which something ran."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from pydantic import SecretStr

from dashboard.accounts.models import User
from dashboard.costs.models import Price
from tests.factories import make_run

# In Berlin, where it is winter: 8:00 is 7:00 UTC.
MONDAY = datetime(2026, 11, 30, 7, tzinfo=UTC)
WEEK = date(2026, 11, 23)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(MONDAY, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _berlin(settings: Any) -> None:
    """There is a mail server, and reports have the days of Berlin."""
    settings.CURFEW = django_settings.CURFEW.model_copy(
        update={
            "mail_url": SecretStr("smtp://mail.example.org:587"),
            "report_time_zone": "Europe/Berlin",
        }
    )


@pytest.fixture
def anna(scientist: User) -> User:
    """Has a mail address and owns what the factories make."""
    scientist.email = "anna@example.org"
    scientist.time_zone = "Europe/Berlin"
    scientist.save()
    return scientist


def make_price(**fields: Any) -> Price:
    """An hour of anything costs 2 EUR, while stopped nothing."""
    values: dict[str, Any] = {"flavor": "*", "running": 2, "stopped": 0}
    values |= {"currency": "EUR", "valid_from": date(2026, 1, 1)}
    return Price.objects.create(**values | fields)


def ran(day: int, hour: float = 9, hours: float = 2, **fields: Any) -> Any:
    """A run of the week: days count from Monday, hours in UTC."""
    midnight = datetime.combine(WEEK, datetime.min.time(), UTC)
    started_at = midnight + day * DAY + hour * HOUR
    return make_run(started_at=started_at, hours=hours, **fields)
