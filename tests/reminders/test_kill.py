"""A real worker, killed while its message is on its way: at most one arrives."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
import redis

from dashboard.ops.broker import EmbeddedBroker
from dashboard.ops.managed_process import PROJECT, ManagedProcess
from dashboard.ops.ports import free_port
from tests.ops import processes

from .sinks import LOOPBACK, MailSink, WebhookSink

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

wait_until = partial(processes.wait_until, seconds=300)
HAND = """
import json, sys
import django
django.setup()
for line in sys.stdin:
    exec(json.loads(line), {})
    print("END", flush=True)
"""
PREPARE = """
from datetime import timedelta
from django.utils import timezone
from tests import migrated
migrated.migrate()
from dashboard.accounts.services import add_user
from dashboard.accounts.models import User
from dashboard.reminders.models import Channel, Preferences
from dashboard.reminders.services import save_channel
from tests.factories import make_instance
anna = add_user(username="anna", role="scientist", email="anna@example.org",
                cloud_users=["anna.schmidt"])
ada = add_user(username="ada", role="admin")
if {medium!r} == "mail":
    Preferences.objects.create(user=anna, by_mail=True)
else:
    save_channel(channel=Channel(name="team", scope="all"), actor=ada, address={url!r})
make_instance(stops_in=600, name="churn")
"""
REMIND = """
from dashboard.celery import app
app.send_task("reminders.remind")
"""
STATE = """
import json
from dashboard.reminders.models import Reminder
rows = Reminder.objects.exclude(medium="page")
print(json.dumps([[r.state, r.tries, [a.outcome for a in r.attempts.all()]]
                  for r in rows]))
"""
TIME_PASSES = """
from datetime import timedelta
from django.db.models import F
from dashboard.reminders.models import Reminder
Reminder.objects.update(lease_until=F("lease_until") - timedelta(minutes=5))
"""


class Place:
    """A database, a broker, a worker, and a process for scripts in that database."""

    def __init__(self, folder: Path, trusted: Path, mail_port: int) -> None:
        self.broker = EmbeddedBroker(port=free_port(), data_dir=folder / "broker")
        names = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
        self.env = {name: os.environ[name] for name in names if name in os.environ} | {
            "CURFEW_SECRET_KEY": "only-for-tests-" * 4,
            "CURFEW_DATABASE_URL": f"sqlite:///{folder / 'curfew.sqlite3'}",
            "CURFEW_REDIS_URL": self.broker.url,
            "CURFEW_MAIL_URL": f"smtps://{LOOPBACK}:{mail_port}",
            "CURFEW_MAIL_FROM": "curfew@example.org",
            "CURFEW_WEBHOOK_HOSTS": LOOPBACK,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "SSL_CERT_FILE": str(trusted),
            "REQUESTS_CA_BUNDLE": str(trusted),
            "OS_CLIENT_CONFIG_FILE": os.devnull,
        }
        self.worker = ManagedProcess(
            name="worker",
            command=[
                *(sys.executable, "-m", "celery", "--app", "dashboard", "worker"),
                *("--queues", "default", "--concurrency", "2"),
                *("--without-gossip", "--without-mingle"),
            ],
            log_path=folder / "worker.log",
            pid_path=folder / "worker.pid",
            env=self.env,
        )

    def __enter__(self) -> Self:
        self.broker.start()
        self._hand = subprocess.Popen(
            [sys.executable, "-c", HAND],
            cwd=PROJECT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.stop()
        self._hand.kill()
        self._hand.wait()
        self.broker.stop()

    def order(self, script: str) -> str:
        """Run a script in that database and return what it printed."""
        assert self._hand.stdin
        assert self._hand.stdout
        self._hand.stdin.write(f"{json.dumps(script)}\n")
        self._hand.stdin.flush()
        printed = []
        while (line := self._hand.stdout.readline()) != "END\n":
            assert line, "the hand has died"
            printed.append(line)
        return "".join(printed)

    def state(self) -> list[Any]:
        state: list[Any] = json.loads(self.order(STATE))
        return state

    def kill(self) -> None:
        """``kill -9`` for the worker and all its children, at once."""
        pid = self.worker.pid
        assert pid
        os.killpg(pid, signal.SIGKILL)

    def wait_until_dead(self) -> None:
        wait_until(lambda: self.worker.exit_code is not None)


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[dict[str, Any]]:
    folders = [tmp_path / name for name in ("mail", "webhook")]
    for folder in folders:
        folder.mkdir()
    with MailSink(folders[0]) as mails, WebhookSink(folders[1]) as hook:
        # Two keys for one address: trust both.
        trusted = tmp_path / "trusted.pem"
        trusted.write_text(mails.trusted.read_text() + hook.trusted.read_text())
        yield {"mail": mails, "webhook": hook, "trusted": trusted}


@pytest.fixture
def place(tmp_path: Path, sinks: dict[str, Any]) -> Iterator[Place]:
    with Place(tmp_path, sinks["trusted"], sinks["mail"].port) as place:
        yield place


@pytest.mark.parametrize("medium", ["mail", "webhook"])
def test_killed_between_sending_and_recording(
    place: Place, sinks: dict[str, Any], medium: str
) -> None:
    sink = sinks[medium]
    place.order(PREPARE.format(medium=medium, url=sinks["webhook"].url))
    killed: list[bool] = []

    def kill_once() -> None:
        # The message has arrived, but its sender has no response yet.
        if not killed:
            killed.append(True)
            place.kill()

    sink.before_answer = kill_once
    place.worker.start()
    place.order(REMIND)
    wait_until(lambda: bool(killed))
    place.wait_until_dead()
    assert place.state() == [["sending", 1, [""]]]

    sink.before_answer = lambda: None
    place.worker.start()
    place.order(TIME_PASSES)
    place.order(REMIND)
    wait_until(lambda: place.state()[0][0] != "sending")
    # Everything that could send it again has its chance.
    place.order(REMIND)
    place.order(REMIND)
    give_back_messages(place)
    wait_until(lambda: _is_idle(place))
    assert place.state() == [["unknown", 1, ["unknown"]]]
    assert len(sink.arrived) == 1


def test_killed_after_recording(place: Place, sinks: dict[str, Any]) -> None:
    place.order(PREPARE.format(medium="mail", url=""))
    place.order(REMIND)
    place.worker.start()
    wait_until(lambda: bool(sinks["mail"].arrived))
    wait_until(lambda: place.state()[0][0] == "sent")
    place.kill()
    place.wait_until_dead()
    place.worker.start()
    place.order(REMIND)
    give_back_messages(place)
    wait_until(lambda: _is_idle(place))
    assert place.state() == [["sent", 1, ["sent"]]]
    assert len(sinks["mail"].arrived) == 1
    assert "Subject: churn stops at" in sinks["mail"].arrived[0]


def test_a_server_that_is_down_and_comes_back(
    place: Place, sinks: dict[str, Any]
) -> None:
    """A real worker retries a message that was not sent, and it arrives once."""
    hook = sinks["webhook"]
    hook.status = 503
    place.order(PREPARE.format(medium="webhook", url=hook.url))
    place.worker.start()
    place.order(REMIND)
    wait_until(lambda: place.state()[:1] == [["waiting", 1, ["not_sent"]]])
    hook.status = 200
    place.order(
        "from dashboard.reminders.models import Reminder\n"
        "from django.utils import timezone\n"
        "Reminder.objects.update(due_at=timezone.now())"
    )
    place.order(REMIND)
    wait_until(lambda: place.state() == [["sent", 2, ["not_sent", "sent"]]])
    assert len(hook.arrived) == 2


def give_back_messages(place: Place) -> None:
    """Return the messages of the killed worker before the visibility timeout."""
    with redis.Redis(port=place.broker.port) as client:
        for tag in client.zrange("curfew:unacked_index", 0, -1):
            client.zincrby("curfew:unacked_index", -600, tag)


def _is_idle(place: Place) -> bool:
    """No message is queued or with a worker."""
    with redis.Redis(port=place.broker.port) as client:
        queued = client.llen("curfew:default") or client.hlen("curfew:unacked")
    return not queued
