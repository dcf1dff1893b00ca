"""Who wants to hear, and what there is to tell."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from pydantic import SecretStr

from dashboard.accounts.models import User
from dashboard.reminders.models import Channel, Preferences
from dashboard.reminders.services import save_channel

SLACK = "https://hooks.slack.com/services/T1234567/B1234567/abcdefghijklmnopqrstuvwx"


@pytest.fixture
def with_mail(settings: Any) -> None:
    """There is a mail server."""
    settings.CURFEW = django_settings.CURFEW.model_copy(
        update={"mail_url": SecretStr("smtp://mail.example.org:587")}
    )


def prefer(user: User, **wants: Any) -> Preferences:
    """What a person wants, in place of what they wanted."""
    return Preferences.objects.update_or_create(user=user, defaults=wants)[0]


@pytest.fixture
def by_mail(with_mail: None, scientist: User) -> Preferences:
    """anna.schmidt is told by mail, and in the page."""
    scientist.email = "anna@example.org"
    scientist.save()
    return prefer(scientist, by_mail=True)


@pytest.fixture
def channel(admin: User) -> Channel:
    """A team's channel, told of everything."""
    channel = Channel(name="Night shift", scope="all")
    return save_channel(channel=channel, actor=admin, address=SLACK)
