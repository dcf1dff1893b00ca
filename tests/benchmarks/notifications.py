"""What an operator with the default settings receives in a shift of eight hours.

::

    uv run --group dev python -m tests.benchmarks.notifications [--hours N] [--fleet N]

It mirrors an emulated fleet of 1,200 once, then lets eight hours pass in its mirror,
minute by minute, and plans notifications in each. The rates are stated below; the clock
is moved, so it takes a minute or two.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import time_machine
from django.test.utils import setup_databases
from django.utils import timezone

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from dashboard.accounts.models import User  # noqa: E402 (needs the settings)
from dashboard.emulator import Emulator  # noqa: E402
from dashboard.instances.models import Cloud, Instance  # noqa: E402
from dashboard.instances.refresh import ensure_clouds, refresh_cloud  # noqa: E402
from dashboard.policies.models import Rule, RuleException  # noqa: E402
from dashboard.reminders.models import Reminder  # noqa: E402
from dashboard.reminders.planning import plan  # noqa: E402
from dashboard.web.stored_messages import Message, verbatim  # noqa: E402
from tests import migrated  # noqa: E402

SEED = 1
STARTS_PER_HOUR = 100
FAILED_STARTS = 0.03
LATE_STOPS = 0.005
"""Share of the stops that the cloud carries out half an hour late."""

WITHOUT_AUTO_STOP = 0.1
REQUESTS_PER_HOUR = 0.5
OUTAGES = {95: 3, 250: 12}
"""Minutes without an answer of the cloud, by the minute of their start."""

MINUTE = timedelta(minutes=1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=8)
    parser.add_argument("--fleet", type=int, default=1_200)
    wanted = parser.parse_args()
    migrated.fill_test_database()
    setup_databases(verbosity=0, interactive=False)
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    with (
        Emulator(fleet=wanted.fleet, seed=SEED) as emulator,
        tempfile.TemporaryDirectory() as at,
    ):
        described = Path(at) / "clouds.yaml"
        described.write_text(emulator.clouds_yaml("demo"))
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(described)
        ensure_clouds()
        refresh_cloud("demo")
    pass_shift(wanted.hours)


def pass_shift(hours: int) -> None:
    operator = User.objects.create_user("oskar", role="operator")
    User.objects.create_user("ada", role="admin")
    shift = Shift(random.Random(SEED))  # noqa: S311 (repeatable on purpose)
    begins = timezone.now()
    with time_machine.travel(begins, tick=False) as clock:
        # What has been the case for long is not of this shift.
        plan()
        Reminder.objects.update(read_at=begins)
        former = set(Reminder.objects.values_list("pk", flat=True))
        for minute in range(hours * 60):
            clock.shift(MINUTE)
            shift.pass_minute(minute)
            plan()
            # The operator looks into the inbox each quarter of an hour.
            if minute % 15 == 0:
                Reminder.objects.filter(person=operator).update(read_at=timezone.now())
    entries = Reminder.objects.filter(person=operator).exclude(pk__in=former)
    received = entries.filter(part_of=None)
    lines = [
        f"happened: {dict(shift.happened)}",
        f"events for the operator: {entries.filter(is_list=False).count()}",
        f"entries of the inbox: {received.count()}",
        f"by kind: {dict(Counter(received.values_list('kind', flat=True)))}",
        f"of these, withdrawn by the end: {received.filter(state='cancelled').count()}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


class Shift:
    """What happens in the mirror of one cloud.

    Attributes:
        happened: How often, by what.
    """

    def __init__(self, chance: random.Random) -> None:
        self.happened: Counter[str] = Counter()
        self._chance = chance
        self._cloud = Cloud.objects.get()
        self._late: dict[int, int] = {}
        self._asker = User.objects.create_user("anna", role="scientist")

    def pass_minute(self, minute: int) -> None:
        self._stop(minute)
        self._start()
        self._mend()
        self._answer(minute)
        self._request()

    def _stop(self, minute: int) -> None:

        for instance in Instance.objects.filter(run_ends_at__lte=timezone.now()):
            if instance.pk not in self._late:
                is_late = self._chance.random() < LATE_STOPS
                self._late[instance.pk] = minute + 30 * is_late
                self.happened["late stops"] += is_late
            if minute >= self._late[instance.pk]:
                del self._late[instance.pk]
                self._enter(instance, "STOPPED")
                self.happened["stops"] += 1

    def _start(self) -> None:

        stopped = Instance.objects.filter(status="STOPPED", missing_since=None)
        keys = list(stopped.order_by("pk").values_list("pk", flat=True))
        for _ in range(self._number(STARTS_PER_HOUR / 60)):
            if not keys:
                return
            instance = Instance.objects.get(
                pk=keys.pop(self._chance.randrange(len(keys)))
            )
            self.happened["starts"] += 1
            if self._chance.random() < FAILED_STARTS:
                self.happened["failed starts"] += 1
                self._enter(instance, "START_FAILED")
                continue
            ends: Any = None
            if self._chance.random() >= WITHOUT_AUTO_STOP:
                ends = timezone.now() + timedelta(hours=self._chance.choice([2, 4, 8]))
            elif instance.flavor_type in {"GPU", "ASCEND"}:
                self.happened["GPU runs without end"] += 1
            instance.run_started_at = timezone.now()
            self._enter(instance, "RUNNING", ends)

    def _mend(self) -> None:
        """Let an owner start again what failed half an hour ago, in one case of two."""
        half_an_hour_ago = timezone.now() - 30 * MINUTE
        for instance in Instance.objects.filter(
            status="START_FAILED", status_since=half_an_hour_ago
        ):
            if self._chance.random() < 0.5:
                self._enter(instance, "RUNNING", timezone.now() + timedelta(hours=4))

    def _answer(self, minute: int) -> None:

        if minute in OUTAGES:
            self.happened["outages"] += 1
            self._cloud.problem = verbatim("No answer.")
            self._cloud.problem_since = timezone.now()
        elif any(minute == start + length for start, length in OUTAGES.items()):
            self._cloud.problem, self._cloud.problem_since = Message(), None
        self._cloud.save()

    def _request(self) -> None:

        for _ in range(self._number(REQUESTS_PER_HOUR / 60)):
            self.happened["requested exceptions"] += 1
            number = self.happened["requested exceptions"]
            RuleException.objects.create(
                rule=Rule.objects.get_or_create(
                    name="At most 8 h", kind="max_hours", max_seconds=28_800
                )[0],
                instance=Instance.objects.order_by("pk")[number],
                reason="A deadline.",
                until=timezone.now() + timedelta(days=2),
                asked_by=self._asker,
                asked_at=timezone.now(),
            )

    def _number(self, expected: float) -> int:
        """Return how often something happens that happens ``expected`` times."""
        number = 0
        while (expected := expected - self._chance.expovariate(1)) > 0:
            number += 1
        return number

    def _enter(self, instance: Any, status: str, ends: Any = None) -> None:

        instance.status, instance.status_since = status, timezone.now()
        instance.stops_at = ends
        instance.stop_timestamp_ms = ends and round(ends.timestamp() * 1e3)
        instance.save()


if __name__ == "__main__":
    main()
