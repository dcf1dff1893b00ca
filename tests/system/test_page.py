"""The system page: what it shows, who sees it, and each state that is wrong."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from celery import current_app
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from dashboard.accounts.models import User
from dashboard.edits.delivery import heartbeat
from dashboard.instances import messages as cloud_messages, upstream_metrics
from dashboard.instances.models import Cloud
from dashboard.modelarts.call_metrics import Call
from dashboard.system import checks, findings, messages, overview, workers
from dashboard.version import VERSION
from tests.factories import make_cloud, make_instance

URL = "/system/"
ALL_QUEUES = ["default", "edits", "refresh"]


@pytest.fixture(autouse=True)
def _all_is_well(_empty_cache: None, db: None) -> None:
    """Beat and a worker were here just now, and have found nothing wrong."""
    # Tests with real transactions leave messages that no worker takes.
    current_app.control.purge()
    heartbeat.note_sweep()
    workers.report("celery@one", queues=ALL_QUEUES, processes=4, busy=1)
    for check in (*checks.own_checks(), checks.SITE):
        if not check.on_page:
            store(check, healthy=True)


def store(check: checks.Check, *, healthy: bool) -> None:
    """Keep the result of a check as workers do."""
    message = messages.SETTINGS_VALID() if healthy else messages.DEBUG_ON()
    found = checks.Finding(check.name, healthy=healthy, message=message)
    stored = cache.get("system:findings") or {}
    stored[check.name] = findings.to_json(found, check)
    cache.set("system:findings", stored, timeout=None)


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def row(page: str, attribute: str) -> str:
    """The words of the row or card with this attribute."""
    pattern = rf"<(tr|article)[^>]*{re.escape(attribute)}.*?</\1>"
    found = re.search(pattern, page, re.DOTALL)
    assert found, attribute
    return " ".join(strip_tags(found[0]).split())


def summary(page: str) -> str:
    _, _, rest = page.partition('id="system-summary"')
    return " ".join(strip_tags(f"<p {rest.partition('</p>')[0]}").split())


class TestWell:
    def test_everything_works(self, as_admin: Client) -> None:
        cloud = make_cloud("lab", generations={"demanager": "served"})
        make_instance(cloud=cloud)
        page = as_admin.get(URL).text
        assert summary(page).startswith("Everything works")
        assert not re.search(r'<(tr|article|span)[^>]*data-tone="bad"', page)
        lab = row(page, 'data-cloud="lab"')
        assert "Instances 1" in lab
        assert "0 of at most 600" in lab
        assert "1 of 4" in row(page, 'data-worker="celery@one"')
        assert row(page, 'data-queue="edits"') == "edits 0 1"

    def test_calls_of_the_last_minute(self, as_admin: Client) -> None:
        make_cloud("lab")
        call = Call(operation="list", outcome="ok", seconds=0.1, generation="demanager")
        with time_machine.travel(timezone.now() - timedelta(seconds=20)):
            for _ in range(3):
                upstream_metrics.count("lab", [call])
        assert "3 of at most 600" in row(as_admin.get(URL).text, 'data-cloud="lab"')

    def test_the_same_list_as_doctor(self, as_admin: Client) -> None:
        page = as_admin.get(URL).text
        shown = re.findall(r'data-check="([^"]+)"', page)
        names = [check.name for check in (*checks.own_checks(), checks.SITE)]
        assert shown == names

    def test_it_takes_few_queries(
        self, as_admin: Client, django_assert_max_num_queries: Any
    ) -> None:
        for number in range(10):
            make_instance(cloud=make_cloud(f"cloud-{number}"))
        with django_assert_max_num_queries(16):
            as_admin.get(URL)

    def test_a_poll_is_silent_until_something_changes(self, as_admin: Client) -> None:
        make_cloud("lab")
        page = as_admin.get(URL).text
        found = re.search(r'hx-get="(/system/changes\?layout=\w+)"', page)
        assert found
        assert as_admin.get(found[1]).status_code == 204
        workers.report("celery@one", queues=ALL_QUEUES, processes=4, busy=3)
        news = as_admin.get(found[1])
        assert news.status_code == 200
        assert "3 of 4" in row(news.text, 'data-worker="celery@one"')


class TestWrong:
    @pytest.mark.parametrize(
        ("fields", "says", "does"),
        [
            (
                {"problem": cloud_messages.REFRESH_TOOK_TOO_LONG()},
                "took too long",
                "Curfew tries again every 30 s",
            ),
            ({"refreshed_at": None}, "never been read", "Check that beat runs"),
            (
                {"refreshed_at": timezone.now() - timedelta(hours=1)},
                "The mirror of lab is",
                "Check that beat runs",
            ),
        ],
    )
    def test_a_cloud(
        self, as_admin: Client, fields: dict[str, Any], says: str, does: str
    ) -> None:
        make_cloud("lab", **fields)
        page = as_admin.get(URL).text
        lab = row(page, 'data-cloud="lab"')
        assert says in lab
        assert does in lab
        assert "Problem" in lab
        assert "See the clouds below." in row(page, 'data-check="mirror"')
        assert summary(page).startswith("1 problem")

    def test_a_clock_that_is_far_off(self, as_admin: Client) -> None:
        make_cloud("lab", skew_ms=-180_000)
        lab = row(as_admin.get(URL).text, 'data-cloud="lab"')
        assert "180 s behind this machine" in lab
        assert "\N{MINUS SIGN}180 s" in lab

    def test_what_a_worker_has_found(self, as_admin: Client) -> None:
        store(checks.SITE, healthy=False)
        page = as_admin.get(URL).text
        assert "Turn it off." in row(page, 'data-check="site"')
        assert summary(page).startswith("1 problem")

    def test_a_worker_that_was_killed(self, as_admin: Client) -> None:
        with time_machine.travel(timezone.now() - timedelta(seconds=40)):
            workers.report("celery@one", queues=["default"], processes=4, busy=1)
        workers.report("celery@two", queues=["edits"], processes=4, busy=0)
        page = as_admin.get(URL).text
        assert "not responding" in row(page, 'data-worker="celery@one"')
        assert "Restart it" in row(page, 'data-worker="celery@one"')
        check = row(page, 'data-check="worker"')
        assert "No worker serves the queues default, refresh." in check

    def test_no_worker(self, as_admin: Client) -> None:
        with time_machine.travel(timezone.now() - timedelta(minutes=11)):
            workers.report("celery@one", queues=ALL_QUEUES, processes=4, busy=1)
        page = as_admin.get(URL).text
        assert "celery --app dashboard worker" in row(page, 'data-check="worker"')
        assert "No worker has reported itself." in page

    def test_beat_is_not_blamed_for_a_worker(self, as_admin: Client) -> None:
        workers.report("celery@one", queues=["default"], processes=4, busy=0)
        with time_machine.travel(timezone.now() - timedelta(seconds=50)):
            heartbeat.note_sweep()
        beat = row(as_admin.get(URL).text, 'data-check="beat"')
        assert "See “Workers”." in beat
        assert "celery --app dashboard beat" not in beat

    def test_a_silent_beat(self, as_admin: Client) -> None:
        with time_machine.travel(timezone.now() - timedelta(seconds=50)):
            heartbeat.note_sweep()
        beat = row(as_admin.get(URL).text, 'data-check="beat"')
        assert "celery --app dashboard beat" in beat

    def test_a_result_that_nobody_renews(self, as_admin: Client) -> None:
        with time_machine.travel(timezone.now() - timedelta(hours=1)):
            store(checks.Check("mail", checks.SITE.run, 60), healthy=True)
        page = as_admin.get(URL).text
        assert "No worker has checked this since" in row(page, 'data-check="mail"')
        assert summary(page).startswith("No problem found so far")

    def test_without_redis(self, as_admin: Client, settings: Any) -> None:
        settings.BROKER_URL = "redis://127.0.0.1:1/0"
        page = as_admin.get(URL).text
        assert "Check CURFEW_REDIS_URL" in row(page, 'data-check="broker"')
        assert "The broker does not answer." in page

    def test_in_german(self, as_admin: Client) -> None:
        make_cloud("lab", refreshed_at=None)
        page = as_admin.get(URL, headers={"Accept-Language": "de"}).text
        lab = row(page, 'data-cloud="lab"')
        assert "lab wurde noch nie vollständig gelesen." in lab


class TestLinks:
    def test_banners_lead_here_those_who_see_it(
        self, client: Client, operator: User, viewer: User
    ) -> None:
        make_cloud("lab", problem=cloud_messages.REFRESH_FAILED())
        for person, sees in ((operator, True), (viewer, False)):
            client.force_login(person)
            page = client.get("/instances/clouds/").text
            assert ("Open the system page" in page) == sees

    def test_no_banner_no_link(self, as_admin: Client) -> None:
        make_cloud("lab")
        assert "Open the system page" not in as_admin.get("/instances/clouds/").text

    def test_operators_read_only(self, client: Client, operator: User) -> None:
        make_cloud("lab")
        client.force_login(operator)
        page = client.get(URL).text
        assert "Refresh now" not in page
        assert "Check now" not in page

    def test_the_version(self, as_admin: Client) -> None:
        assert f"{VERSION} <code" in as_admin.get("/system/").text

    def test_the_newest_release_notes(self, as_admin: Client) -> None:
        page = as_admin.get("/system/release-notes/").text
        assert "Unreleased" in page
        assert "Added: Pages" in page
        assert "**" not in strip_tags(page)


def test_the_size_of_the_database(db: None) -> None:
    assert overview.database_bytes() > 10_000


def test_a_removed_cloud_is_a_note(as_admin: Client) -> None:
    make_cloud("gone", unconfigured_since=timezone.now())
    gone = row(as_admin.get(URL).text, 'data-cloud="gone"')
    assert "left the configuration" in gone
    assert "Refresh now" not in gone
    assert Cloud.objects.get(name="gone").retired_at is None
