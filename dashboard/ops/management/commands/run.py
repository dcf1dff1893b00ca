import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from dashboard.paths import MANAGE_NAME, ROOT
from dashboard.system.checks import pending_migrations
from dashboard.system.production import unsafe_settings


class Command(BaseCommand):
    help = "Run the web server for production."
    # Django's would import all pages once more before the server does: two fifths of
    # the CPU of this command. Tests and ``manage.py check`` run them.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on (%(default)s)"
        )
        parser.add_argument(
            "--port", type=int, default=8000, help="port to listen on (%(default)s)"
        )
        parser.add_argument(
            "--workers", type=int, default=1, help="worker processes (%(default)s)"
        )
        parser.add_argument(
            "--threads",
            type=int,
            default=8,
            help="requests each of them serves at once (%(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _check_settings(options["host"])
        _check_migrations()
        _check_static_files()
        connection.close()
        command = [
            *(sys.executable, "-m", "dashboard.ops.server"),
            *("--host", options["host"], "--port", str(options["port"])),
            *("--workers", str(options["workers"])),
            *("--threads", str(options["threads"])),
        ]
        # Serve this very project, whatever the working directory.
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        os.environ["PYTHONSAFEPATH"] = "1"
        os.execv(command[0], command)  # noqa: S606 (becoming it is the point)


def _check_settings(host: str) -> None:
    if faults := list(unsafe_settings(settings.CURFEW, host=host)):
        raise CommandError("\n".join(map(str, faults)))


def _check_migrations() -> None:
    try:
        pending = pending_migrations()
    except DatabaseError as error:
        raise CommandError(f"The database cannot be reached: {error}") from None
    if pending:
        raise CommandError(
            f"{pending} migrations are not applied. Run: {MANAGE_NAME} migrate"
        )


def _check_static_files() -> None:
    if not (settings.STATIC_ROOT / "staticfiles.json").exists():
        raise CommandError(
            "The static files are not collected. "
            f"Run: {MANAGE_NAME} collectstatic --no-input"
        )
