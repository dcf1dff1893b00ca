from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.instances.refresh import ensure_clouds, refresh_cloud
from dashboard.modelarts.errors import ModelArtsError


class Command(BaseCommand):
    help = "Refresh the mirror of every cloud once and print what was found."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cloud", metavar="NAME", help="only this cloud")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            names = [cloud.name for cloud in ensure_clouds()]
        except ModelArtsError as error:
            raise CommandError(error.sentence) from None
        if options["cloud"]:
            if options["cloud"] not in names:
                raise CommandError(
                    f"No cloud is called {options['cloud']!r}; there is "
                    f"{', '.join(sorted(names))}."
                )
            names = [options["cloud"]]
        failed = False
        for name in names:
            outcome = refresh_cloud(name)
            while outcome is not None and outcome.is_partial and not outcome.problem:
                self.stdout.write(
                    f"{name}: {outcome.seen} of {outcome.counted} instances read…"
                )
                outcome = refresh_cloud(name)
            if outcome is None:
                self.stdout.write(f"{name}: is being refreshed by another process.")
            elif outcome.problem:
                failed = True
                self.stderr.write(f"{name}: {outcome.problem}")
            elif not outcome.adds_up:
                failed = True
                self.stderr.write(
                    f"{name}: the listing is incomplete: ModelArts counts "
                    f"{outcome.counted} instances and listed {outcome.seen}."
                )
            else:
                self.stdout.write(
                    f"{name}: {outcome.seen} instances, {outcome.new} new, "
                    f"{outcome.changed} changed, {outcome.missing} missing, "
                    f"{outcome.unreadable} unreadable."
                )
        if failed:
            raise CommandError("Not every cloud could be read.")
