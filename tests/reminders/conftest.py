"""Recipients and their settings."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from pydantic import SecretStr

from dashboard.accounts.models import User
from dashboard.reminders.models import Channel, Preferences, Reminder
from dashboard.reminders.services import save_channel

SLACK = "https://hooks.slack.com/services/T1234567/B1234567/abcdefghijklmnopqrstuvwx"


@pytest.fixture
def with_mail(settings: Any) -> None:
    """Configure a mail server."""
    settings.CURFEW = django_settings.CURFEW.model_copy(
        update={"mail_url": SecretStr("smtp://mail.example.org:587")}
    )


def prefer(user: User, **settings: Any) -> Preferences:
    """Replace the preferences of a person."""
    return Preferences.objects.update_or_create(user=user, defaults=settings)[0]


@pytest.fixture
def by_mail(with_mail: None, scientist: User) -> Preferences:
    """anna.schmidt is notified by mail and in the page."""
    scientist.email = "anna@example.org"
    scientist.save()
    return prefer(scientist, by_mail=True)


@pytest.fixture
def channel(admin: User) -> Channel:
    """A channel for all notifications."""
    channel = Channel(name="Night shift", scope="all")
    return save_channel(channel=channel, actor=admin, address=SLACK)


def created(**filters: Any) -> list[tuple[str, str, int | None, str]]:
    """Medium, kind, lead time and state of the reminders, oldest first."""
    reminders = Reminder.objects.filter(**filters).order_by("pk")
    return list(reminders.values_list("medium", "kind", "lead_minutes", "state"))
