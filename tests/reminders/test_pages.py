"""The inbox, notification settings, channels and the log."""

import html
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import Instance
from dashboard.reminders.models import Channel, Preferences, Reminder
from dashboard.reminders.planning import plan
from tests.factories import make_instance

from .conftest import SLACK

INBOX = reverse("reminders:inbox")
READ = reverse("reminders:read")
SETTINGS = reverse("reminders:settings")
LOG = reverse("reminders:log")
CHANNELS = reverse("reminders:channels")
NEW = reverse("reminders:new_channel")
SETTINGS_FORM = {
    "lead_times": ["60", "15"],
    "on_failure": "on",
    "quiet_from": "20:00",
    "quiet_until": "07:00",
    "time_zone": "Europe/Berlin",
}


@pytest.fixture
def as_scientist(client: Client, scientist: User) -> Client:
    client.force_login(scientist)
    return client


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def reminder(scientist: User, instance: Instance) -> Reminder:
    """Anna's instance stops in ten minutes, and she was notified."""
    at = datetime.now(UTC) + timedelta(minutes=10)
    Instance.objects.update(stops_at=at, stop_timestamp_ms=round(at.timestamp() * 1e3))
    plan()
    return Reminder.objects.get()


def unread_count(page: str) -> str:
    part = page.split('class="tool inbox-link"')[1].split("</a>")[0]
    hidden = 'unread-count" hidden' in part
    return "" if hidden else part.split('unread-number">')[1].split("<")[0]


class TestInbox:
    def test_empty(self, as_scientist: Client) -> None:
        page = as_scientist.get(INBOX).text
        assert "You're all caught up" in page
        assert unread_count(page) == ""

    def test_an_entry_and_the_unread_count(
        self, as_scientist: Client, reminder: Reminder
    ) -> None:
        page = as_scientist.get(INBOX).text
        assert f"{reminder.instance} stops soon" in page
        assert unread_count(page) == "1"
        assert unread_count(as_scientist.get(reverse("instances:list")).text) == "1"
        assert f'id="reminder-{reminder.pk}"' in page

    def test_marking_an_entry_as_read(
        self, as_scientist: Client, reminder: Reminder
    ) -> None:
        response = as_scientist.post(READ, {"reminder": reminder.pk}, follow=True)
        assert unread_count(response.text) == ""
        assert "Mark as read" not in response.text

    def test_marking_all_as_read(
        self, as_scientist: Client, reminder: Reminder
    ) -> None:
        assert unread_count(as_scientist.post(READ, follow=True).text) == ""

    def test_expired_entries_do_not_count(
        self, as_scientist: Client, reminder: Reminder
    ) -> None:
        Reminder.objects.update(expires_at=datetime.now(UTC))
        page = as_scientist.get(INBOX).text
        assert unread_count(page) == ""
        assert "Was due" in page

    def test_a_cancelled_entry_gives_the_reason(
        self, as_scientist: Client, reminder: Reminder
    ) -> None:
        Instance.objects.update(status="STOPPED")
        plan()
        page = as_scientist.get(INBOX).text
        assert unread_count(page) == ""
        assert "No longer due: the stop was moved or removed." in page

    def test_people_see_only_their_own_entries(
        self, client: Client, admin: User, reminder: Reminder
    ) -> None:
        client.force_login(admin)
        assert "stops soon" not in client.get(INBOX).text
        client.post(READ, {"reminder": reminder.pk})
        reminder.refresh_from_db()
        assert reminder.read_at is None

    @pytest.mark.parametrize("reminder", ["x", "-1", str(2**64)])
    def test_nonsense(self, as_scientist: Client, reminder: str) -> None:
        assert as_scientist.post(READ, {"reminder": reminder}).status_code == 400

    @pytest.mark.parametrize("number", [1, 20])
    def test_queries(
        self,
        as_scientist: Client,
        scientist: User,
        number: int,
        django_assert_num_queries: Any,
    ) -> None:
        for _ in range(number):
            make_instance(stops_in=600)
        plan()
        with django_assert_num_queries(7):
            as_scientist.get(INBOX)


class TestSettings:
    def test_a_scientist_chooses(
        self, as_scientist: Client, scientist: User, with_mail: None
    ) -> None:
        scientist.email = "anna@example.org"
        scientist.save()
        page = as_scientist.get(SETTINGS).text
        assert "anna.schmidt" in page
        assert 'name="scope"' not in page
        form = SETTINGS_FORM | {"in_page": "on", "by_mail": "on", "quiet": "on"}
        response = as_scientist.post(SETTINGS, form)
        assert response.status_code == 302
        preferences = Preferences.objects.get()
        assert (
            preferences.lead_times,
            preferences.by_mail,
            preferences.on_failed_edit,
        ) == (
            [60, 15],
            True,
            False,
        )
        assert (
            f"{preferences.quiet_from:%H:%M} {preferences.quiet_until:%H:%M}"
            == "20:00 07:00"
        )
        event = AuditEvent.objects.get(action="reminder.settings_changed")
        assert event.after["by_mail"] is True
        as_scientist.post(SETTINGS, form)
        assert AuditEvent.objects.filter(action=event.action).count() == 1

    def test_a_scientist_cannot_post_another_scope(self, as_scientist: Client) -> None:
        as_scientist.post(SETTINGS, SETTINGS_FORM | {"scope": "all"})
        assert Preferences.objects.get().scope == "mine"

    def test_no_mail_without_a_server(self, as_scientist: Client) -> None:
        as_scientist.post(SETTINGS, SETTINGS_FORM | {"by_mail": "on"})
        assert not Preferences.objects.get().by_mail

    def test_an_operator_s_scope(
        self, client: Client, operator: User, instance: Instance
    ) -> None:
        client.force_login(operator)
        form = SETTINGS_FORM | {"scope": "owner", "owner": "anna.schmidt"}
        assert client.post(SETTINGS, form).status_code == 302
        assert Preferences.objects.get().owner == "anna.schmidt"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"time_zone": "Mars/Crater"},
            {"lead_times": ["7"]},
            {"quiet": "on", "quiet_from": ""},
            {"quiet": "on", "quiet_from": "07:00"},
            {"scope": "owner", "owner": ""},
            {"scope": "cloud"},
            {"scope": "moon"},
        ],
    )
    def test_invalid_settings_are_not_saved(
        self, client: Client, operator: User, wrong: dict[str, Any]
    ) -> None:
        client.force_login(operator)
        response = client.post(SETTINGS, {"scope": "mine"} | SETTINGS_FORM | wrong)
        assert response.status_code == 422
        assert "Not saved." in response.text
        assert not Preferences.objects.exists()


class TestChannels:
    FORM = SETTINGS_FORM | {"name": "Night shift", "scope": "all", "active": "on"}

    def test_an_admin_adds_a_channel(self, as_admin: Client) -> None:
        assert "No channels yet" in as_admin.get(CHANNELS).text
        response = as_admin.post(NEW, self.FORM | {"address": SLACK}, follow=True)
        channel = Channel.objects.get()
        assert channel.service == "slack"
        for page in (response.text, as_admin.get(CHANNELS).text):
            assert channel.masked_address in html.unescape(page)
            assert "abcdefghij" not in page
        event = AuditEvent.objects.get(action="channel.added")
        assert "abcdefghij" not in str(event.after)

    def test_a_forbidden_address_is_not_saved(self, as_admin: Client) -> None:
        for address in ("http://example.org/", "https://10.0.0.1/", ""):
            response = as_admin.post(NEW, self.FORM | {"address": address})
            assert response.status_code == 422
        assert not Channel.objects.exists()

    def test_changing_it_keeps_the_address(
        self, as_admin: Client, channel: Channel
    ) -> None:
        url = channel.get_absolute_url()
        assert "abcdefghij" not in as_admin.get(url).text
        as_admin.post(url, self.FORM | {"name": "Day shift", "address": ""})
        before = channel.encrypted_address
        channel.refresh_from_db()
        assert (channel.name, channel.encrypted_address) == ("Day shift", before)
        as_admin.post(url, self.FORM | {"address": "https://example.org/a/hook"})
        channel.refresh_from_db()
        assert channel.service == "json"

    def test_a_test_is_sent_once_and_logged(
        self, as_admin: Client, channel: Channel
    ) -> None:
        url = reverse("reminders:test_channel", args=[channel.pk])
        page = as_admin.post(url, follow=True).text
        assert "Test notification" in page
        assert Reminder.objects.get().kind == "test"
        assert AuditEvent.objects.filter(action="channel.tested").exists()

    def test_removing_a_channel(self, as_admin: Client, channel: Channel) -> None:
        as_admin.post(reverse("reminders:remove_channel", args=[channel.pk]))
        assert not Channel.objects.exists()
        assert AuditEvent.objects.filter(action="channel.removed").exists()

    @pytest.mark.parametrize("number", [999, 2**64])
    def test_an_unknown_channel(self, as_admin: Client, number: int) -> None:
        assert as_admin.get(f"{CHANNELS}{number}/").status_code == 404

    @pytest.mark.parametrize("role", ["viewer", "scientist", "operator"])
    def test_only_admins_manage_channels(
        self, client: Client, channel: Channel, role: str, request: Any
    ) -> None:
        client.force_login(request.getfixturevalue(role))
        pages = [CHANNELS, NEW, LOG, channel.get_absolute_url()]
        assert {client.get(url).status_code for url in pages} == {403}
        for name in ("test_channel", "remove_channel"):
            url = reverse(f"reminders:{name}", args=[channel.pk])
            assert client.post(url).status_code == 403
        assert Channel.objects.exists()
        assert not Reminder.objects.exists()


class TestLog:
    def test_filters(
        self, as_admin: Client, reminder: Reminder, channel: Channel
    ) -> None:
        plan()
        page = as_admin.get(LOG).text
        assert page.count("<tr>") == 1 + 2
        assert as_admin.get(f"{LOG}?state=waiting").text.count("<tr>") == 1 + 1
        assert as_admin.get(f"{LOG}?q=night").text.count("<tr>") == 1 + 1
        assert "No matching entries" in as_admin.get(f"{LOG}?q=nobody").text
        for nonsense in ("state=x", "q=%00", "page=x"):
            assert as_admin.get(f"{LOG}?{nonsense}").status_code == 200

    @pytest.mark.parametrize("number", [1, 20])
    def test_queries(
        self,
        as_admin: Client,
        channel: Channel,
        number: int,
        django_assert_num_queries: Any,
    ) -> None:
        for _ in range(number):
            make_instance(stops_in=600)
        plan()
        with django_assert_num_queries(7):
            as_admin.get(LOG)


def test_anonymous_is_sent_to_sign_in(client: Client, db: None) -> None:
    for url in (INBOX, SETTINGS, LOG, CHANNELS):
        assert client.get(url).headers["Location"].startswith("/accounts/login/")


def test_wrong_method(as_admin: Client, channel: Channel) -> None:
    remove = reverse("reminders:remove_channel", args=[channel.pk])
    assert {as_admin.get(url).status_code for url in (READ, remove)} == {405}
    assert as_admin.post(INBOX).status_code == 405
