import sys
from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.config_checks import database_url
from dashboard.ops.data_directory import DataDirectory, StartError
from dashboard.ops.move_database import MoveError, move


class Command(BaseCommand):
    help = "Copy everything to another, empty database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--to",
            required=True,
            metavar="URL",
            help="postgres://user:password@host/name; - reads it from standard input",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["to"]
        try:
            url = database_url(sys.stdin.readline().strip() if url == "-" else url)
        except ValueError as error:
            raise CommandError(f"The URL of the target {error}.") from None
        folder = settings.CURFEW.data_dir
        try:
            # What ``serve`` changes during the move would be lost.
            with DataDirectory(folder).owned() if folder else nullcontext():
                counts = move(url)
        except (StartError, MoveError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Copied {sum(counts.values())} rows of {len(counts)} tables. Set "
            "CURFEW_DATABASE_URL to the new database for all processes, then start "
            "them."
        )
