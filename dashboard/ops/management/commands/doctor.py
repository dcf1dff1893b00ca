import logging
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dashboard.system.checks import examine


class Command(BaseCommand):
    help = "Check settings, database, broker, cache, worker, mail, clouds and the site."
    # An unavailable database is a finding, not a traceback.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only",
            default="",
            metavar="NAME",
            help="run the checks whose names begin so: settings, database, broker, "
            "cache, worker, beat, mirror, mail, cloud, site (all)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        healthy = True
        # The findings are complete; the libraries' log lines would appear in between.
        logging.disable()
        try:
            for finding in examine(options["only"]):
                mark = "✓" if finding.healthy else "✗"
                self.stdout.write(f"{mark} {finding.name}: {finding.sentence}")
                self.stdout.flush()
                healthy = healthy and finding.healthy
        finally:
            logging.disable(logging.NOTSET)
        if not healthy:
            sys.exit(1)
