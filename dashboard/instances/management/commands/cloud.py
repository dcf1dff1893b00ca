from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.instances.clouds import (
    CloudError,
    delete_cloud,
    rename_cloud,
    retire_cloud,
)
from dashboard.instances.models import Cloud


class Command(BaseCommand):
    """Clouds that came, went or are called otherwise now."""

    help = "List the clouds of the fleet; rename, retire or delete one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare one subcommand for each thing to do."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="all of them, and how each is doing")
        rename = actions.add_parser(
            "rename", help="after a cloud got another name in clouds.yaml"
        )
        rename.add_argument("name", help="the former name")
        rename.add_argument("new_name", help="the name in clouds.yaml now")
        retire = actions.add_parser(
            "retire", help="give up the instances of a removed cloud now"
        )
        retire.add_argument("name")
        delete = actions.add_parser(
            "delete", help="delete a retired cloud, its instances and their edits"
        )
        delete.add_argument("name")
        delete.add_argument(
            "--no-input", action="store_true", help="do not ask before deleting"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say what was done."""
        actions = {
            "list": self._list,
            "rename": self._rename,
            "retire": self._retire,
            "delete": self._delete,
        }
        actions[options["action"]](options)

    def _list(self, options: dict[str, Any]) -> None:
        for cloud in Cloud.objects.all():
            self.stdout.write(
                f"{cloud.name}: {_condition(cloud)}, {cloud.instances.count()} "
                "instances"
            )

    def _rename(self, options: dict[str, Any]) -> None:
        cloud, name = _cloud(options["name"]), options["new_name"]
        if name == cloud.name:
            raise CommandError("That is its name already.")
        try:
            moved, stayed = rename_cloud(cloud=cloud, name=name)
        except CloudError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name}: {moved} instances came along from {cloud.name}.")
        if stayed:
            self.stdout.write(
                f"{cloud.name}: {stayed} instances stayed, since they have been "
                "changed under the new name; it is retired."
            )

    def _retire(self, options: dict[str, Any]) -> None:
        cloud = _cloud(options["name"])
        if cloud.unconfigured_since is None:
            raise CommandError(
                f"{cloud.name} is configured. Take it out of clouds.yaml or "
                "CURFEW_CLOUDS first; the workers notice within seconds."
            )
        instances = retire_cloud(cloud=cloud)
        self.stdout.write(f"{cloud.name}: retired with {instances} instances.")

    def _delete(self, options: dict[str, Any]) -> None:
        cloud = _cloud(options["name"])
        if not options["no_input"]:
            answer = input(
                f"This deletes {cloud.instances.count()} instances and their edits. "
                f"Type {cloud.name} to go on: "
            )
            if answer != cloud.name:
                raise CommandError("Nothing was deleted.")
        try:
            instances = delete_cloud(cloud=cloud)
        except CloudError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{cloud.name}: deleted with {instances} instances.")


def _cloud(name: str) -> Cloud:
    cloud = Cloud.objects.filter(name=name).first()
    if cloud is None:
        known = ", ".join(Cloud.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"No cloud is called {name!r}; there is {known}.")
    return cloud


def _condition(cloud: Cloud) -> str:
    if cloud.retired_at:
        return f"retired {cloud.retired_at:%Y-%m-%d %H:%M} UTC"
    if cloud.unconfigured_since:
        return f"removed {cloud.unconfigured_since:%Y-%m-%d %H:%M} UTC"
    return str(cloud.problem or cloud.get_incomplete_display() or "configured")
