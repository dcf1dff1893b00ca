"""Real processes: a late stop, and mail while workers and broker are dead."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from dashboard.emulator import Emulator
from dashboard.ops.managed_process import ManagedProcess

from .sinks import MailSink
from .test_kill import REMIND, Place, sinks, wait_until

__all__ = ["sinks"]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

PREPARE = """
from tests import migrated
migrated.migrate()
from dashboard.accounts.models import User
from dashboard.accounts.services import add_user
from dashboard.reminders.models import Channel, Preferences
from dashboard.reminders.services import save_channel
oskar = add_user(username="oskar", role="operator", email="oskar@example.org")
ada = add_user(username="ada", role="admin")
Preferences.objects.create(user=oskar, by_mail=True, scope="all", lead_times=[],
                           on_failure=False, on_no_end=False)
"""
IS_READ = """
from dashboard.instances.models import Cloud
print(Cloud.objects.filter(refreshed_at__isnull=False).count())
"""
STOP = """
from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.services import submit_power
from dashboard.instances.models import Instance
submit_power(instance=Instance.objects.get(instance_id={instance_id!r}),
             actor=User.objects.get(username="oskar"), kind=Edit.Kind.STOP)
"""
STATE_OF_STOP = """
from dashboard.edits.models import Edit
print(*Edit.objects.values_list("state", "instance__status").get())
"""
ELEVEN_MINUTES_PASS = """
from datetime import timedelta
from django.db.models import F
from dashboard.instances.models import Instance
late = Instance.objects.exclude(stop_requested_at=None)
late.update(stop_requested_at=F("stop_requested_at") - timedelta(minutes=11))
"""
ALARMS = """
from dashboard.reminders.models import Reminder
alarms = Reminder.objects.filter(kind="overdue", medium="page")
print(*alarms.values_list("person__username", "state"))
"""
CHANNEL = """
from dashboard.accounts.models import User
from dashboard.reminders.models import Channel
from dashboard.reminders.services import save_channel
save_channel(channel=Channel(name="team", scope="all", lead_times=[], on_failure=False,
             on_no_end=False), actor=User.objects.get(username="ada"), address={url!r})
"""
SILENT = "Subject: Curfew no longer reads your clouds"
AGAIN = "Subject: Curfew reads your clouds again"


class Site(Place):
    """With an emulated cloud, beat, and a worker for everything."""

    def __init__(self, folder: Path, cloud: Emulator, sinks: dict[str, Any]) -> None:
        super().__init__(folder, sinks["trusted"], sinks["mail"].port)
        clouds = folder / "clouds.yaml"
        clouds.write_text(cloud.clouds_yaml())
        self.env |= {
            "OS_CLIENT_CONFIG_FILE": str(clouds),
            "CURFEW_REFRESH_SECONDS": "2",
            "CURFEW_SILENCE_MINUTES": "1",
        }
        celery = (sys.executable, "-m", "celery", "--app", "dashboard")
        self.worker = self._process(
            folder, "worker", *celery, "worker", "--concurrency", "2"
        )
        self.beat = self._process(folder, "beat", *celery, "beat")

    def _process(self, folder: Path, name: str, *command: str) -> ManagedProcess:
        return ManagedProcess(
            name=name,
            command=command,
            log_path=folder / f"{name}.log",
            pid_path=folder / f"{name}.pid",
            env=self.env,
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self.order(PREPARE)
        self.worker.start()
        self.beat.start()
        wait_until(lambda: self.order(IS_READ) == "1\n")
        return self

    def __exit__(self, *details: object) -> None:
        self.beat.stop()
        super().__exit__(*details)


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    with Emulator(fleet=12, seed=1) as cloud:
        yield cloud


@pytest.fixture
def site(tmp_path: Path, cloud: Emulator, sinks: dict[str, Any]) -> Iterator[Site]:
    with Site(tmp_path, cloud, sinks) as site:
        yield site


def subjects(mails: MailSink) -> list[str]:
    return [
        line
        for mail in mails.arrived
        for line in mail.splitlines()
        if line.startswith("Subject:")
    ]


def remind_until(site: Site, condition: Callable[[], bool]) -> None:
    """Wait, and do not leave it to beat to plan notifications each 15 s."""

    def holds() -> bool:
        site.order(REMIND)
        return condition()

    wait_until(holds, every=2)


def test_operators_get_one_mail_while_nothing_works(
    site: Site, sinks: dict[str, Any]
) -> None:
    mails = sinks["mail"]
    site.kill()
    site.wait_until_dead()
    site.broker.stop()
    wait_until(lambda: SILENT in subjects(mails))
    # Beat lives on; a new one finds the mail recorded.
    assert site.beat.exit_code is None
    assert site.beat.pid is not None
    os.killpg(site.beat.pid, signal.SIGKILL)
    site.broker.start()
    site.beat.start()
    site.worker.start()
    wait_until(lambda: AGAIN in subjects(mails))
    assert subjects(mails) == [SILENT, AGAIN]


def test_a_stop_that_hangs_is_an_alarm_until_it_has_happened(
    site: Site, cloud: Emulator, sinks: dict[str, Any]
) -> None:
    hook = sinks["webhook"]
    site.order(CHANNEL.format(url=hook.url))
    cloud.behavior.change({"stopping_seconds": 36_000})
    in_two_hours = cloud.clock.now_ms() + 7_200_000
    instance = next(
        one
        for one in cloud.fleet.instances()
        if one.status == "RUNNING" and (one.stops_at_ms or 0) > in_two_hours
    )
    site.order(STOP.format(instance_id=instance.id))
    wait_until(lambda: site.order(STATE_OF_STOP) == "applied STOPPING\n")
    assert site.order(ALARMS) == "\n"
    site.order(ELEVEN_MINUTES_PASS)
    remind_until(site, lambda: "('oskar', 'sent')" in site.order(ALARMS))
    wait_until(lambda: len(hook.arrived) == 1)
    assert "should have stopped, but is still running" in hook.arrived[0][1]
    assert "Stop by oskar" in hook.arrived[0][1]
    cloud.fleet.force(instance.id, status="STOPPED")
    remind_until(site, lambda: "('oskar', 'cancelled')" in site.order(ALARMS))
    wait_until(lambda: len(hook.arrived) == 2)
    assert "has stopped" in hook.arrived[1][1]
    assert len(subjects(sinks["mail"])) == 1
