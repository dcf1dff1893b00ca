import argparse
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import connections

from .broker import BrokerError
from .data_directory import DataDirectory, StartError
from .stack import Stack, check_port
from .supervisor import ChildEndedError, StoppedError, Supervisor

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

type Step = tuple[str, Callable[[], str | None]]


class StackCommand(BaseCommand):
    """Starts a stack step by step, keeps it running, and stops it on a signal."""

    # Nothing to check yet: the database does not exist.
    requires_system_checks = []

    def make_stack(
        self, options: argparse.Namespace, files: DataDirectory, supervisor: Supervisor
    ) -> Stack:
        raise NotImplementedError

    def files(self, options: argparse.Namespace) -> DataDirectory:
        return DataDirectory(options.data_dir.resolve())

    def steps(self, stack: Any) -> Sequence[Step]:
        raise NotImplementedError

    def summary(self, stack: Any) -> str:
        """Return what people read once everything has started."""
        raise NotImplementedError

    def tick(self, stack: Any) -> None:
        """Look after the stack about once a second."""

    def handle(self, *args: Any, **options: Any) -> None:
        stop = _StopAsked()
        supervisor = Supervisor(
            say=self.say, stop_asked=lambda: stop.asked, echo=options["verbose_logs"]
        )
        try:
            with _stopped_by_signals(stop):
                self._run(argparse.Namespace(**options), supervisor)
        except StoppedError:
            pass
        except (StartError, ChildEndedError, BrokerError) as error:
            raise CommandError(str(error)) from None
        self.say("Stopped.")

    def _run(self, options: argparse.Namespace, supervisor: Supervisor) -> None:
        check_port(options.host, options.port)
        files = self.files(options)
        with ExitStack() as cleanup:
            cleanup.enter_context(files.owned())
            stack = self.make_stack(options, files, supervisor)
            stack.forget_earlier_run()
            cleanup.enter_context(_logging_to_file(files))
            cleanup.callback(supervisor.stop)
            # Two callbacks: the second is called even where the terminal is gone.
            cleanup.callback(self.say, "\nStopping …")
            for name, prepare in self.steps(stack):
                supervisor.check_stop()
                self._step(name, prepare)
            text = self.summary(stack)
            # The children have connections of their own.
            connections.close_all()
            self.say(text)
            supervisor.run(tick=lambda: self.tick(stack))

    def _step(self, name: str, prepare: Callable[[], str | None]) -> None:
        self.stdout.write(f"{name} … ".ljust(40), ending="")
        self.stdout.flush()
        began = time.monotonic()
        try:
            note = prepare()
        except BaseException:
            self.stdout.write("")
            raise
        self.say(f"{time.monotonic() - began:4.1f} s   {note or ''}".rstrip())

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def migrate() -> None:
    call_command("migrate", verbosity=0)


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
def _logging_to_file(files: DataDirectory) -> Iterator[None]:
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)  # noqa: S101 (see dashboard.logs)
    files.logs.mkdir(exist_ok=True)
    with (files.logs / "supervisor.log").open("a") as log:
        terminal = handler.setStream(log)
        try:
            yield
        finally:
            handler.setStream(terminal)
