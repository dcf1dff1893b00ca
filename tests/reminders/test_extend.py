"""Reminders of runs that can be extended, and the page that extends them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance
from dashboard.reminders import delivery, links
from dashboard.reminders.links import ActionLink
from dashboard.reminders.models import Channel, Preferences, Reminder
from dashboard.reminders.notification import write_notification
from dashboard.reminders.planning import plan
from tests.factories import make_instance, make_notebook
from tests.policies.conftest import make_rule

from .conftest import created

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def notebook(db: None) -> Instance:
    """A notebook of anna.schmidt's whose lease ends in 10 minutes."""
    return make_notebook(name="churn", stops_in=600)


@pytest.fixture
def reminder(scientist: User, notebook: Instance) -> Reminder:
    plan()
    return Reminder.objects.get()


def move(instance: Instance, at: datetime | None, **fields: Any) -> None:
    end_ms = None if at is None else round(at.timestamp() * 1e3)
    rows = Instance.objects.filter(pk=instance.pk)
    rows.update(stops_at=at, stop_timestamp_ms=end_ms, **fields)


def link(reminder: Reminder) -> str:
    assert reminder.person_id
    return links.action_path(ActionLink(reminder.person_id, reminder.pk, "extend"))


def form_of(page: str) -> tuple[str, list[str]]:
    """Return the hidden field and the ends that a page offers."""
    [seen] = re.findall(r'name="seen" value="([^"]+)"', page)
    return seen, re.findall(r'name="until" value="([^"]+)"', page)


def test_an_extended_run_is_announced_again_before_its_new_end(
    scientist: User, notebook: Instance
) -> None:
    at = NOW + timedelta(minutes=10)
    move(notebook, at)
    plan(NOW)
    move(notebook, at + HOUR, lease_updated_ms=1)
    plan(NOW)
    assert created() == [("page", "stop", 15, "cancelled")]
    plan(NOW + HOUR)
    assert created() == [
        ("page", "stop", 15, "cancelled"),
        ("page", "stop", 15, "sent"),
    ]
    move(notebook, None, lease_type="idle", idle_seconds=3600)
    plan(NOW + HOUR)
    assert {state for *_, state in created()} == {"cancelled"}


def test_the_inbox_says_that_the_former_end_is_over(
    client: Client, scientist: User, notebook: Instance, reminder: Reminder
) -> None:
    assert notebook.stops_at
    client.force_login(scientist)
    assert link_names(client) == ["Extend …", "Stop now …"]
    move(notebook, notebook.stops_at + 5 * HOUR)
    plan()
    page = client.get(reverse("reminders:inbox")).text
    assert "No longer due: the stop was moved or removed." in page
    assert link_names(client) == []


def link_names(client: Client) -> list[str]:
    page = client.get(reverse("reminders:inbox")).text
    return re.findall(r'<a class="button small" href="[^"]+/act/[^"]+">(.+?)<', page)


def test_an_idle_lease_has_no_reminder(scientist: User) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    make_notebook(idle_seconds=3600, idle_stop_at=soon)
    plan()
    assert not created()


def test_a_run_that_cannot_be_extended_says_why(
    client: Client, scientist: User, instance: Instance
) -> None:
    move(instance, datetime.now(UTC) + timedelta(minutes=10))
    plan()
    client.force_login(scientist)
    assert link_names(client) == ["Stop now …"]
    reason = "the old API changes only the next run"
    assert reason in client.get(reverse("reminders:inbox")).text
    answer = client.post(link(Reminder.objects.get()))
    assert answer.status_code == 409
    assert reason in answer.text


def test_a_mail_offers_to_extend(by_mail: Preferences, notebook: Instance) -> None:
    plan()
    waiting = Reminder.objects.get(medium="mail")
    delivery.deliver(waiting.pk)
    [sent] = mail.outbox
    actions = [
        line.split(": ")[0] for line in sent.body.splitlines() if "/act/" in line
    ]
    assert actions == ["Extend", "Stop now"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (make_notebook, "/extend/"),
        (make_instance, "\nThis run cannot be extended: the old API changes"),
    ],
)
def test_a_channel_is_told_whether_a_run_can_be_extended(
    channel: Channel, make: Any, text: str
) -> None:
    make(stops_in=600)
    plan()
    reminder = Reminder.objects.get(channel=channel)
    now = datetime.now(UTC)
    assert text in write_notification(reminder, zone=channel.zone, now=now).text


def test_the_page_offers_later_ends_and_extends_once(
    client: Client, scientist: User, notebook: Instance, reminder: Reminder
) -> None:
    client.force_login(scientist)
    response = client.get(link(reminder))
    assert response.status_code == 200
    seen, ends = form_of(response.text)
    assert notebook.stops_at
    later = [datetime.fromisoformat(end) - notebook.stops_at for end in ends]
    assert [round(by / HOUR) for by in later[:3]] == [1, 2, 4]
    assert not Edit.objects.exists()
    for _ in range(2):
        answer = client.post(link(reminder), {"until": ends[1], "seen": seen})
        edit = Edit.objects.get()
        assert (answer.status_code, answer.url) == (303, edit.get_absolute_url())
    assert (edit.kind, edit.actor) == ("extend", scientist)
    before = notebook.stop_timestamp_ms
    assert before
    assert abs(edit.patch["stop_timestamp_ms"] - before - 2 * 3_600_000) <= 1
    assert edit.base["stop_timestamp_ms"] == before


def test_limits_of_cloud_and_policies_are_shown_and_kept(
    client: Client, scientist: User, notebook: Instance, reminder: Reminder
) -> None:
    Cloud.objects.update(max_run_hours=3)
    client.force_login(scientist)
    page = client.get(link(reminder)).text
    seen, ends = form_of(page)
    assert len(ends) in {2, 3}, "one may be until 18:00"
    assert "The cloud allows at most 3 hours from now." in page
    late = datetime.now(UTC) + 5 * HOUR
    answer = client.post(link(reminder), {"until": late.isoformat(), "seen": seen})
    assert answer.status_code == 422
    assert "at most 3 hours" in answer.text
    make_rule(kind="max_hours", max_seconds=3600)
    answer = client.post(link(reminder), {"until": ends[0], "seen": seen})
    assert answer.status_code in {409, 422}
    assert not Edit.objects.exists()


@pytest.mark.parametrize("data", [{}, {"seen": "x"}, {"until": "soon"}])
def test_an_incomplete_form_is_shown_again(
    client: Client, scientist: User, reminder: Reminder, data: dict[str, str]
) -> None:
    client.force_login(scientist)
    assert client.post(link(reminder), data).status_code == 422
    assert not Edit.objects.exists()


def test_an_end_that_someone_has_moved_since_is_a_conflict(
    client: Client, scientist: User, notebook: Instance, reminder: Reminder
) -> None:
    client.force_login(scientist)
    seen, ends = form_of(client.get(link(reminder)).text)
    assert notebook.stops_at
    move(notebook, notebook.stops_at + timedelta(minutes=30), lease_updated_ms=1)
    answer = client.post(link(reminder), {"until": ends[0], "seen": seen})
    assert answer.status_code == 409
    assert not Edit.objects.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "STOPPED"}, "Only a running instance"),
        ({"run_started_at": datetime(2126, 1, 1, tzinfo=UTC)}, "has ended"),
        ({"auto_stop_enable": False}, "no auto-stop"),
        ({"stops_at": None, "lease_type": "idle"}, "no fixed end"),
    ],
)
def test_a_run_that_can_no_longer_be_extended_is_refused(
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


def test_a_failed_notebook_is_started_for_the_chosen_hours(
    client: Client, scientist: User, notebook: Instance
) -> None:
    move(notebook, None, status="START_FAILED", status_since=datetime.now(UTC))
    plan()
    reminder = Reminder.objects.get(kind="failure")
    assert reminder.person_id
    url = links.action_path(ActionLink(reminder.person_id, reminder.pk, "start"))
    client.force_login(scientist)
    assert "Run time" in client.get(url).text
    assert client.post(url, {"hours": 90}).status_code == 422
    assert client.post(url, {"hours": 4}).status_code == 303
    edit = Edit.objects.get()
    assert (edit.kind, edit.patch) == (
        "start",
        {"auto_stop_enable": True, "auto_stop_duration": 4 * 3600},
    )
