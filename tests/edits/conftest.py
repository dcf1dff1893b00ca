"""What delivery and the pages of edits are tested with."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import tasks
from dashboard.edits.models import Edit
from dashboard.edits.services import submit_edit
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance

HTMX = {"HX-Request": "true"}


@pytest.fixture
def as_operator(client: Client, operator: User) -> Client:
    """An operator's browser."""
    client.force_login(operator)
    return client


@pytest.fixture
def edit(instance: Instance, operator: User, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """An operator's new description, waiting."""
    monkeypatch.setattr(tasks, "enqueue", lambda pk: None)
    return submit_edit(
        instance=instance,
        actor=operator,
        patch={"description": "Third try"},
        base={"description": instance.description},
    )


@pytest.fixture
def running(cloud: Emulator) -> Instance:
    """An instance of the mirror that runs toward its auto stop."""
    found = Instance.objects.filter(
        status="RUNNING", stops_at__gt=timezone.now() + timedelta(minutes=10)
    )
    return found.order_by("pk")[0]


@pytest.fixture
def stopped(cloud: Emulator) -> Instance:
    """An instance of the mirror that could be started."""
    for instance in Instance.objects.filter(status="STOPPED").order_by("pk"):
        there = cloud.fleet.get(instance.instance_id)
        if not there.frozen and not there.doomed and not there.flavor.sold_out:
            return instance
    raise AssertionError("the fleet has no instance that could be started")


def settle(edit: Edit, state: str, **changes: Any) -> None:
    """Bring an edit to its end behind everybody's back."""
    Edit.objects.filter(pk=edit.pk).update(
        state=state, finished_at=edit.created_at, **changes
    )


def hidden(html: str, name: str) -> str:
    """Value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, f"no hidden field {name}"
    return found[1]
