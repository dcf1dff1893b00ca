import argparse
import os

from django.conf import settings
from django.core.management.base import CommandParser

from dashboard.config import PREFIX, Config
from dashboard.instances import upstream
from dashboard.modelarts.errors import ConfigurationError
from dashboard.ops import serve, static_files
from dashboard.ops.data_directory import DataDirectory, StartError
from dashboard.ops.stack import Stack, add_arguments
from dashboard.ops.stack_command import (
    StackCommand,
    Step,
    migrate,
)
from dashboard.ops.supervisor import Supervisor
from dashboard.setup import links
from dashboard.system.production import unsafe_settings


class Command(StackCommand):
    help = "Run Curfew with your own clouds: everything it needs, in one process tree."
    _settings_seen: tuple[int, int] | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what ``prepare_environment`` has already parsed."""
        add_arguments(parser, data_dir=serve.default_data_dir())

    def make_stack(
        self, options: argparse.Namespace, files: DataDirectory, supervisor: Supervisor
    ) -> Stack:
        if faults := list(unsafe_settings(settings.CURFEW, host=options.host)):
            raise StartError("\n".join(map(str, faults)))
        files.write_generated(serve.embedded)
        self._settings_seen = _state(files)
        return Stack(
            files=files,
            supervisor=supervisor,
            options=options,
            broker_url=serve.embedded.get(f"{PREFIX}REDIS_URL"),
        )

    def steps(self, stack: Stack) -> list[Step]:
        return [
            ("Starting the broker", stack.start_broker),
            ("Preparing the database", migrate),
            ("Collecting static files", static_files.collect),
            ("Starting the web server", stack.start_web),
            ("Waiting for the web server", stack.wait_for_web),
            # Last: they would only slow down the first page.
            ("Starting Celery worker and beat", stack.start_worker_and_beat),
        ]

    def summary(self, stack: Stack) -> str:
        return "\n".join(
            [
                "",
                f"Curfew is ready: {settings.CURFEW.site_url}/",
                f"Clouds: {_clouds()}",
                *_first_step(),
                f"Data and logs: {stack.files.folder}",
                "Press Ctrl-C to stop.",
                "",
            ]
        )

    def tick(self, stack: Stack) -> None:
        """Apply new settings; wrong ones leave everything as it is."""
        state = _state(stack.files)
        if state == self._settings_seen:
            return
        self._settings_seen = state
        try:
            Config.from_environment()
        except SystemExit as error:
            self.say(
                f"{stack.files.settings} is not applied. Correct it before a process "
                f"has to start again:\n{error}"
            )
            return
        self.say(f"{stack.files.settings} has changed; applying it.")
        stack.reload()


def _state(files: DataDirectory) -> tuple[int, int] | None:
    try:
        status = os.stat(files.settings)
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino


def _clouds() -> str:
    try:
        return ", ".join(upstream.cloud_names())
    except ConfigurationError as error:
        return str(error)


def _first_step() -> list[str]:
    if not links.is_needed():
        return []
    minutes = int(links.LASTS.total_seconds() // 60)
    return [f"Set it up within {minutes} minutes: {links.create_link()}"]
