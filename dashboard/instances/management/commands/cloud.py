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
    help = "List the clouds of the fleet; rename, retire or delete one."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="list the clouds and their condition")
        rename = actions.add_parser(
            "rename", help="rename a cloud that has another name in clouds.yaml now"
        )
        rename.add_argument("name", help="the former name")
        rename.add_argument("new_name", help="the new name in clouds.yaml")
        retire = actions.add_parser(
            "retire", help="mark the instances of a removed cloud as missing now"
        )
        retire.add_argument("name")
        delete = actions.add_parser(
            "delete", help="delete a retired cloud, its instances, their edits and runs"
        )
        delete.add_argument("name")
        delete.add_argument(
            "--no-input", action="store_true", help="do not ask before deleting"
        )

    def handle(self, *args: Any, **options: Any) -> None:
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
            raise CommandError("The cloud already has this name.")
        try:
            moved, stayed = rename_cloud(cloud=cloud, name=name)
        except CloudError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name}: {moved} instances moved from {cloud.name}.")
        if stayed:
            self.stdout.write(
                f"{cloud.name}: retired with {stayed} instances, which have been "
                "changed under the new name."
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
                f"This deletes {cloud.instances.count()} instances, their edits and "
                f"runs. Type {cloud.name} to continue: "
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
