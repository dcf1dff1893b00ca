import argparse
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from dashboard.accounts.services import add_user
from dashboard.ops import (
    demo,
    demo_handover,
    demo_reminders,
    demo_rules,
    demo_views,
    static_files,
)
from dashboard.ops.broker import BrokerError
from dashboard.ops.demo_files import DemoError, Files
from dashboard.ops.supervisor import ChildEndedError, StoppedError, Supervisor

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Start everything, with an emulated cloud, and print how to sign in."
    # Nothing to check yet: the database does not exist.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what ``prepare_environment`` has already parsed."""
        demo.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        stop = _StopAsked()
        supervisor = Supervisor(
            say=self._say, stop_asked=lambda: stop.asked, echo=options["verbose_logs"]
        )
        try:
            with _stopped_by_signals(stop):
                self._run(argparse.Namespace(**options), supervisor)
        except StoppedError:
            pass
        except (DemoError, ChildEndedError, BrokerError) as error:
            raise CommandError(str(error)) from None
        self._say("Stopped.")

    def _run(self, options: argparse.Namespace, supervisor: Supervisor) -> None:
        demo.check_port(options.host, options.port)
        broker_port = urlsplit(settings.BROKER_URL).port or 0
        with ExitStack() as stack:
            files = Files(options.data_dir.resolve())
            stack.enter_context(files.owned())
            place = demo.Demo(
                options=options, broker_port=broker_port, supervisor=supervisor
            )
            place.forget_earlier_run()
            stack.enter_context(_logging_to_file(files))
            stack.callback(supervisor.stop)
            # Two callbacks: the second is called even where the terminal is gone.
            stack.callback(self._say, "\nStopping …")
            for name, prepare in self._steps(place):
                supervisor.check_stop()
                self._step(name, prepare)
            wall = demo_handover.wall_address(place.address)
            # The children have connections of their own.
            connections.close_all()
            self._say(demo.welcome(place, wall))
            supervisor.run()

    def _steps(self, place: demo.Demo) -> list[tuple[str, Callable[[], str | None]]]:
        return [
            ("Starting broker and cloud emulator", place.start_broker_and_emulator),
            ("Making the database", _migrate),
            ("Collecting static files", static_files.collect),
            ("Starting the web server", place.start_web),
            ("Adding people", _add_people),
            ("Waiting for the emulated cloud", place.wait_for_emulator),
            ("Reading the fleet", _refresh),
            ("Writing rules", demo_rules.write),
            ("Saving views", demo_views.write),
            ("Reminding people", demo_reminders.write),
            ("Handing over", demo_handover.write),
            ("Waiting for the web server", place.wait_for_web),
            # Last: they would only slow down the first page.
            ("Starting Celery worker and beat", place.start_worker_and_beat),
        ]

    def _step(self, name: str, prepare: Callable[[], str | None]) -> None:
        self.stdout.write(f"{name} … ".ljust(40), ending="")
        self.stdout.flush()
        began = time.monotonic()
        try:
            note = prepare()
        except BaseException:
            self.stdout.write("")
            raise
        self._say(f"{time.monotonic() - began:4.1f} s   {note or ''}".rstrip())

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _StopAsked:
    """Whether someone asked to stop.

    Not a ``threading.Event``: a second signal while a handler sets it would deadlock on
    the event's own lock.
    """

    asked = False

    def __call__(self, *_: object) -> None:
        self.asked = True


@contextmanager
def _stopped_by_signals(stop: _StopAsked) -> Iterator[None]:
    """Set ``stop`` on signals instead of breaking off.

    The handlers stay until the process ends: Ctrl-C held down must not break off the
    last lines either.
    """
    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        if not stop.asked:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _logging_to_file(files: Files) -> Iterator[None]:
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)  # noqa: S101 (see dashboard.logs)
    with (files.logs / "demo.log").open("a") as log:
        terminal = handler.setStream(log)
        try:
            yield
        finally:
            handler.setStream(terminal)


def _migrate() -> None:
    call_command("migrate", verbosity=0)


def _refresh() -> str:
    report = StringIO()
    try:
        call_command("refresh", stdout=report, stderr=report)
    except CommandError as error:
        # Beat retries in a few seconds; the pages show what is wrong.
        report.write(str(error))
    return " ".join(report.getvalue().split())


def _add_people() -> None:
    for person in demo.PEOPLE:
        add_user(
            username=person.name,
            role=person.role,
            password=demo.PASSWORD,
            cloud_users=person.cloud_users,
            check_password=False,
        )
