from typing import Any

from django.core.management.commands import migrate
from django.db import connection


class Command(migrate.Command):
    """Migrate without a limit for statements, but with one for locks.

    A migration that cannot get its lock within seconds gives up, instead of having
    every request queue behind it; building an index may take its time.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = 0")
        super().handle(*args, **options)
