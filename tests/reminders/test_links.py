"""The link in a mail: asks first, for one person, for a day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import signing
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit, EditQueue
from dashboard.instances.models import Instance
from dashboard.reminders import links
from dashboard.reminders.links import ActionLink
from dashboard.reminders.models import Reminder
from dashboard.reminders.planning import plan
from tests.instances.pages import add_edit


@pytest.fixture
def reminder(scientist: User, instance: Instance) -> Reminder:
    at = datetime.now(UTC) + timedelta(minutes=10)
    Instance.objects.update(stops_at=at, stop_timestamp_ms=round(at.timestamp() * 1e3))
    plan()
    return Reminder.objects.get()


def link(reminder: Reminder, action: str = "stop") -> str:
    assert reminder.person_id
    return links.action_path(ActionLink(reminder.person_id, reminder.pk, action))


def test_a_get_only_asks_for_confirmation(
    client: Client, scientist: User, reminder: Reminder
) -> None:
    client.force_login(scientist)
    response = client.get(link(reminder))
    assert response.status_code == 200
    assert "Stop now" in response.text
    assert "/home/ma-user/work" in response.text
    assert client.head(link(reminder)).status_code == 200
    assert not Edit.objects.exists()


def test_the_post_acts_once(
    client: Client, scientist: User, reminder: Reminder
) -> None:
    client.force_login(scientist)
    response = client.post(link(reminder))
    edit = Edit.objects.get()
    assert (edit.kind, edit.actor) == ("stop", scientist)
    assert response.status_code == 303
    assert response.headers["Location"] == edit.get_absolute_url()
    client.post(link(reminder))
    assert Edit.objects.count() == 1


def test_a_link_requires_a_sign_in(client: Client, reminder: Reminder) -> None:
    for answer in (client.get(link(reminder)), client.post(link(reminder))):
        assert answer.headers["Location"].startswith(
            f"{reverse('account_login')}?next="
        )
    assert not Edit.objects.exists()


def test_a_link_requires_a_csrf_token(scientist: User, reminder: Reminder) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(scientist)
    assert client.post(link(reminder)).status_code == 403
    assert not Edit.objects.exists()


def test_a_link_works_for_one_person(
    client: Client, admin: User, reminder: Reminder
) -> None:
    client.force_login(admin)
    for answer in (client.get(link(reminder)), client.post(link(reminder))):
        assert answer.status_code == 403
        assert "someone else" in answer.text
    assert not Edit.objects.exists()


def test_a_link_expires_after_a_day(
    client: Client, scientist: User, reminder: Reminder
) -> None:
    url = link(reminder)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        client.force_login(scientist)
        assert client.post(url).status_code == 410
    assert not Edit.objects.exists()


@pytest.mark.parametrize(
    "change", [lambda url: url[:-3] + "x/", lambda url: "/reminders/act/x/"]
)
def test_a_changed_link_is_not_found(
    client: Client, scientist: User, reminder: Reminder, change: Any
) -> None:
    client.force_login(scientist)
    assert client.post(change(link(reminder))).status_code == 404
    assert not Edit.objects.exists()


def test_a_token_signed_for_another_purpose_is_not_found(
    client: Client, scientist: User, reminder: Reminder
) -> None:
    client.force_login(scientist)
    token = signing.dumps([scientist.pk, reminder.pk, "stop"])
    url = reverse("reminders:act", args=[token])
    assert client.post(url).status_code == 404
    assert not Edit.objects.exists()


def test_permission_is_checked_again(
    client: Client, scientist: User, reminder: Reminder
) -> None:
    url = link(reminder)
    scientist.role = "viewer"
    scientist.save()
    client.force_login(scientist)
    for answer in (client.get(url), client.post(url)):
        assert answer.status_code == 403
    assert not Edit.objects.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "STOPPED"}, "already stopped"),
        ({"run_started_at": datetime(2126, 1, 1, tzinfo=UTC)}, "has ended"),
        ({"missing_since": datetime(2026, 1, 1, tzinfo=UTC)}, "no longer lists"),
    ],
)
def test_an_action_that_is_no_longer_possible_is_refused(
    client: Client,
    scientist: User,
    reminder: Reminder,
    change: dict[str, Any],
    reason: str,
) -> None:
    Instance.objects.update(**change)
    client.force_login(scientist)
    answer = client.post(link(reminder))
    assert answer.status_code == 409
    assert reason in answer.text
    assert not Edit.objects.exists()


def test_a_link_starts_a_failed_instance(
    client: Client, scientist: User, instance: Instance
) -> None:
    now = datetime.now(UTC)
    Instance.objects.update(status="START_FAILED", status_since=now, stops_at=None)
    plan()
    client.force_login(scientist)
    reminder = Reminder.objects.get(kind="failure")
    assert "Start again" in client.get(link(reminder, "start")).text
    assert client.post(link(reminder, "start")).status_code == 303
    assert Edit.objects.get().kind == "start"


def test_a_link_retries_an_edit(
    client: Client, scientist: User, instance: Instance
) -> None:
    EditQueue.objects.create(instance=instance, next_seq=2)
    failed = add_edit(
        instance, scientist, state="failed", finished_at=datetime.now(UTC)
    )
    plan()
    reminder = Reminder.objects.get(kind="edit")
    client.force_login(scientist)
    assert client.get(link(reminder, "retry")).status_code == 200
    assert client.post(link(reminder, "retry")).status_code == 303
    assert Edit.objects.get(retry_of=failed).state == "queued"
    assert reminder.instance == instance
