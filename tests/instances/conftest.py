"""Somebody who looks at the list."""

import pytest
from django.test import Client

from dashboard.accounts.models import User
from dashboard.instances.models import Cloud

from .polls import Poll, ask


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """A person who looks at the list."""
    client.force_login(viewer)
    return client


@pytest.fixture
def poll() -> Poll:
    """``ask``."""
    return ask
