import argparse
from io import StringIO

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management import CommandError, call_command
from django.core.management.base import CommandParser

from dashboard.accounts.models import User
from dashboard.accounts.services import add_user
from dashboard.ops import (
    demo,
    demo_costs,
    demo_data,
    demo_history,
    static_files,
    working_day,
)
from dashboard.ops.data_directory import DataDirectory
from dashboard.ops.demo import Demo
from dashboard.ops.demo_files import DemoFiles
from dashboard.ops.stack_command import StackCommand, Step, migrate
from dashboard.ops.supervisor import Supervisor


class Command(StackCommand):
    help = "Run Curfew with an emulated cloud, and print how to sign in."
    _timetable = ""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what ``prepare_environment`` has already parsed."""
        demo.add_arguments(parser)

    def files(self, options: argparse.Namespace) -> DemoFiles:
        return DemoFiles(options.data_dir.resolve())

    def make_stack(
        self, options: argparse.Namespace, files: DataDirectory, supervisor: Supervisor
    ) -> Demo:
        assert isinstance(files, DemoFiles)  # noqa: S101 (made above)
        return Demo(
            files=files,
            supervisor=supervisor,
            options=options,
            broker_url=settings.BROKER_URL,
        )

    def steps(self, running: Demo) -> list[Step]:
        return [
            ("Starting the cloud emulator", running.start_emulator),
            ("Starting the broker", running.start_broker),
            ("Creating the database", migrate),
            ("Collecting static files", static_files.collect),
            ("Starting the web server", running.start_web),
            ("Adding accounts", _add_people),
            ("Waiting for the emulated cloud", running.wait_for_emulator),
            *(
                [("Letting the night begin", running.stop_half_of_the_fleet)]
                if running.options.working_day
                else []
            ),
            ("Syncing instances", _refresh),
            ("Writing eight weeks of history", lambda: _add_history(running)),
            ("Adding teams", demo_data.add_teams),
            ("Adding prices and budgets", demo_costs.add),
            ("Adding policies", demo_data.add_policies),
            *self._add_working_day(running.options.working_day),
            ("Adding schedules", demo_data.add_schedules),
            ("Saving views", demo_data.save_views),
            ("Sending notifications", demo_data.notify),
            ("Handing over", demo_data.hand_over),
            ("Waiting for the web server", running.wait_for_web),
            # Last: they would only slow down the first page.
            ("Starting Celery worker and beat", running.start_worker_and_beat),
        ]

    def _add_working_day(self, minutes: int | None) -> list[Step]:
        def add() -> str:
            self._timetable = working_day.add(minutes or 0).text()
            return f"{minutes} minutes"

        # Before the other schedules: the first that matches counts.
        return [("Adding a working day", add)] if minutes else []

    def summary(self, running: Demo) -> str:
        wallboard_url = demo_data.wallboard_url(running.address)
        return demo.summary(running, wallboard_url, self._timetable)


def _refresh() -> str:
    report = StringIO()
    try:
        call_command("refresh", stdout=report, stderr=report)
    except CommandError as error:
        # Beat retries in a few seconds; the pages show what is wrong.
        report.write(str(error))
    return " ".join(report.getvalue().split())


def _add_history(running: Demo) -> str:
    return demo_history.add(running.run_starts(), running.options.seed)


def _add_people() -> None:
    for person in demo.PEOPLE:
        add_user(username=person.name, role=person.role, cloud_users=person.cloud_users)
    # One hash for all: each takes 0.3 s of CPU, and everybody knows the password.
    User.objects.update(password=make_password(demo.PASSWORD))
