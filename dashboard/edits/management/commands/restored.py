from typing import Any

from django.core.management.base import BaseCommand

from dashboard.edits.restored_backup import fail_open_edits


class Command(BaseCommand):
    """After a restore of the database and the loss of Redis."""

    help = (
        "Say that the database was restored from a backup: changes that were open in "
        "it fail and wait for their people. Run it before the workers start."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say how many there were."""
        self.stdout.write(f"{fail_open_edits()} open changes failed; nothing was sent.")
