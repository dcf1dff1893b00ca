"""What admins start on the system page, and what the workers make of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pydantic import SecretStr

from dashboard import mail
from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import Cloud
from dashboard.instances.tasks import refresh_cloud
from dashboard.system import checks, findings, messages, tasks, test_mail, workers
from dashboard.web.stored_messages import Message
from tests.factories import make_cloud
from tests.reminders.sinks import MailSink


@pytest.fixture(autouse=True)
def _cache(_empty_cache: None, db: None) -> None: ...


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    admin.email = "ada@example.org"
    admin.save()
    client.force_login(admin)
    return client


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Name and arguments of each task that was started."""
    started: list[tuple[str, Any]] = []
    for task in (tasks.run_checks, tasks.send_test_mail, refresh_cloud):

        def note(task: Any = task, args: Any = (), **_: Any) -> None:
            started.append((task.name, args))

        monkeypatch.setattr(task, "apply_async", note)
    return started


def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise redis.ConnectionError("refused")

    for task in (tasks.run_checks, tasks.send_test_mail, refresh_cloud):
        monkeypatch.setattr(task, "apply_async", fail)


def actions() -> list[str]:
    events = AuditEvent.objects.exclude(action="user.signed_in")
    return list(events.values_list("action", flat=True))


class TestButtons:
    def test_check_now(self, as_admin: Client, enqueued: list[tuple[str, Any]]) -> None:
        answer = as_admin.post("/system/check/", follow=True)
        assert "Checking." in answer.text
        assert ("system.run_checks", (True,)) in enqueued
        assert actions() == ["system.checked"]

    def test_refresh_now(
        self, as_admin: Client, enqueued: list[tuple[str, Any]]
    ) -> None:
        make_cloud("lab")
        answer = as_admin.post("/system/clouds/lab/refresh/", follow=True)
        assert "Reading lab." in answer.text
        assert ("instances.refresh_cloud", ("lab",)) in enqueued
        assert actions() == ["cloud.refreshed"]

    def test_no_refresh_of_a_removed_cloud(
        self, as_admin: Client, enqueued: list[tuple[str, Any]]
    ) -> None:
        make_cloud("lab", unconfigured_since=timezone.now())
        assert as_admin.post("/system/clouds/lab/refresh/").status_code == 404
        assert enqueued == []

    @pytest.mark.parametrize("path", ["/system/check/", "/system/clouds/lab/refresh/"])
    def test_without_a_broker_nothing_is_promised(
        self, as_admin: Client, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        make_cloud("lab")
        no_broker(monkeypatch)
        answer = as_admin.post(path, follow=True)
        assert "Nothing was started: the broker does not answer." in answer.text
        assert actions() == []

    def test_an_operator_may_not(
        self, client: Client, operator: User, enqueued: list[tuple[str, Any]]
    ) -> None:
        client.force_login(operator)
        assert client.post("/system/check/").status_code == 403
        assert enqueued == []


class TestMail:
    @pytest.fixture
    def relay(self, tmp_path: Path, settings: Any) -> Any:
        with MailSink(tmp_path, in_clear=True) as relay:
            url = f"smtp://127.0.0.1:{relay.port}"
            update = {"mail_url": SecretStr(url), "mail_starttls": False}
            settings.CURFEW = settings.CURFEW.model_copy(update=update)
            settings.MAILERS = {"default": mail.mailer(url, starttls=False)}
            yield relay

    def test_it_arrives_and_the_page_says_so(
        self, as_admin: Client, admin: User, relay: Any, enqueued: list[Any]
    ) -> None:
        as_admin.post("/system/mail/")
        assert ("system.send_test_mail", (admin.pk,)) in enqueued
        assert "Sending to ada@example.org" in as_admin.get("/system/").text
        tasks.send_test_mail(admin.pk)
        assert len(relay.arrived) == 1
        assert "accepted the test mail" in as_admin.get("/system/").text
        assert actions() == ["system.mail_tested"]

    def test_a_refusal_is_told(
        self, as_admin: Client, admin: User, settings: Any, enqueued: list[Any]
    ) -> None:
        url = "smtp://127.0.0.1:1"
        update = {"mail_url": SecretStr(url), "mail_starttls": False}
        settings.CURFEW = settings.CURFEW.model_copy(update=update)
        settings.MAILERS = {"default": mail.mailer(url, starttls=False)}
        admin.refresh_from_db()
        test_mail.send(admin)
        page = as_admin.get("/system/").text
        assert "was not sent. The mail server refuses the connection." in page

    def test_one_that_no_worker_takes_up(self, as_admin: Client, admin: User) -> None:
        with time_machine.travel(timezone.now() - timedelta(minutes=2)):
            test_mail.announce(admin)
        last = test_mail.last(admin)
        assert last is not None
        assert last.state == "failed"
        assert str(last.message).startswith("No worker has sent")

    def test_without_a_mail_server(
        self, as_admin: Client, enqueued: list[tuple[str, Any]]
    ) -> None:
        answer = as_admin.post("/system/mail/", follow=True)
        assert "There is no mail server" in answer.text
        assert "system.send_test_mail" not in dict(enqueued)


class TestRuns:
    @pytest.fixture
    def runs(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The checks that were run, of three: quick, slow and broken."""
        ran: list[str] = []

        def check(name: str, every_seconds: int) -> checks.Check:
            def run() -> Message:
                ran.append(name)
                if name == "broken":
                    raise RuntimeError("a bug")
                return messages.CACHE_WORKS()

            return checks.Check(name, run, every_seconds)

        all_checks = [check("quick", 60), check("slow", 3600), check("broken", 60)]
        monkeypatch.setattr(checks, "all_checks", lambda: iter(all_checks))
        return ran

    def test_each_is_run_when_it_is_due(self, runs: list[str]) -> None:
        tasks.run_checks()
        assert runs == ["quick", "slow", "broken"]
        tasks.run_checks()
        assert len(runs) == 3
        with time_machine.travel(timezone.now() + timedelta(minutes=2)):
            tasks.run_checks()
        assert runs[3:] == ["quick", "broken"]

    def test_check_now_runs_all(self, runs: list[str]) -> None:
        tasks.run_checks()
        tasks.run_checks(everything=True)
        assert len(runs) == 6

    def test_a_bug_in_one_is_a_finding(self, runs: list[str]) -> None:
        tasks.run_checks()
        broken = findings.read()["broken"].finding
        assert not broken.healthy
        assert "error in Curfew" in broken.sentence
        assert findings.read()["quick"].finding.healthy

    def test_one_run_at_a_time(self, runs: list[str]) -> None:
        cache.set("system:checking", 1, timeout=60)
        tasks.run_checks()
        assert runs == []
        assert findings.is_running()

    def test_results_of_clouds_that_are_gone_go_too(self, runs: list[str]) -> None:
        old = checks.Check("cloud old", checks.SITE.run, 60)
        found = checks.Finding("cloud old", healthy=True, message=Message())
        stored = {"cloud old": findings.to_json(found, old)}
        cache.set("system:findings", stored, timeout=None)
        tasks.run_checks()
        assert "cloud old" not in findings.read()


def test_an_open_page_has_the_due_checks_run_once(
    as_admin: Client, enqueued: list[tuple[str, Any]]
) -> None:
    for _ in range(3):
        as_admin.get("/system/")
    assert enqueued == [("system.run_checks", ())]
    assert Cloud.objects.count() == 0


def test_a_worker_that_is_long_gone_is_forgotten() -> None:
    with time_machine.travel(timezone.now() - timedelta(minutes=11)):
        workers.report("celery@old", queues=[], processes=1, busy=0)
    assert workers.reports() == []
