"""Fixtures for delivery and the pages of edits."""

import re
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import dispatch
from dashboard.edits.models import Edit
from dashboard.edits.services import submit_edit
from dashboard.edits.snapshot import FormSnapshot
from dashboard.emulator import Emulator
from dashboard.instances.models import Cloud, Instance

from .deliveries import mirrored

NOTEBOOKS = pytest.mark.parametrize(
    "empty_cloud", [{"fleet": 8, "notebooks": 6}], indirect=True
)
"""Marks the tests whose cloud has notebooks, too."""

HTMX = {"HX-Request": "true"}


@pytest.fixture
def as_operator(client: Client, operator: User) -> Client:
    """An operator's browser."""
    client.force_login(operator)
    return client


@pytest.fixture
def edit(instance: Instance, operator: User, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """An operator's new description, waiting."""
    monkeypatch.setattr(dispatch, "enqueue", lambda *args, **options: None)
    return submit_edit(
        instance=instance,
        actor=operator,
        patch={"description": "Third try"},
        base={"description": instance.description},
    )


@pytest.fixture
def enqueue(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stands for the broker."""
    enqueue = Mock()
    monkeypatch.setattr(dispatch, "enqueue", enqueue)
    return enqueue


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


@pytest.fixture
def notebook(cloud: Emulator) -> Instance:
    """A notebook of the mirror that runs for two more hours; needs ``NOTEBOOKS``."""
    stored = next(one for one in cloud.notebooks.notebooks() if one.doomed is None)
    cloud.notebooks.force(stored.id, status="RUNNING", lease={"type": "TIMING"})
    cloud.notebooks.force(stored.id, stops_in_seconds=7_200)
    Cloud.objects.update(max_run_hours=72, allows_no_auto_stop=True, has_tags=True)
    return mirrored(cloud, stored.id)


def finish(edit: Edit, state: str, **changes: Any) -> None:
    """Bring an edit to its end behind everybody's back."""
    Edit.objects.filter(pk=edit.pk).update(
        state=state, finished_at=edit.created_at, **changes
    )


def hidden(html: str, name: str) -> str:
    """Value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, f"no hidden field {name}"
    return found[1]


def form_url(instance: Instance) -> str:
    return reverse("edits:edit", args=[instance.cloud.name, instance.instance_id])


def form_fields(instance: Instance, **typed: Any) -> dict[str, Any]:
    """Return what a browser posts from a new form; None leaves a field out."""
    fields = {
        "seen": FormSnapshot.now(instance).token(instance),
        "description": instance.description,
        "auto_stop_enable": "on",
        "auto_stop_hours": "8",
        "prompt_shown": "1",
        "prompt": "on",
    }
    return {name: text for name, text in (fields | typed).items() if text is not None}
