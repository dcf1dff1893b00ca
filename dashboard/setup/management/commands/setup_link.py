from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboard.paths import MANAGE_NAME
from dashboard.setup import links, private_files


class Command(BaseCommand):
    help = "Print a one-time link with which the first admin creates an account."

    def handle(self, *args: Any, **options: Any) -> None:
        if not private_files.has_data_dir():
            raise CommandError(
                "CURFEW_DATA_DIR is not set, so this site is not set up in the "
                f"browser. Run: {MANAGE_NAME} adduser NAME --role admin"
            )
        if not links.is_needed():
            raise CommandError(
                "There is an admin already. An admin adds people and creates one-time "
                "passwords on /people/."
            )
        minutes = int(links.LASTS.total_seconds() // 60)
        self.stdout.write(links.create_link())
        self.stderr.write(
            f"It works for {minutes} minutes, and makes one person the admin."
        )
