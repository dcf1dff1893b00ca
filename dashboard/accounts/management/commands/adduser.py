import getpass
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.accounts.models import User
from dashboard.accounts.services import add_user


class Command(BaseCommand):
    help = "Create an account. Asks for its password, or reads it from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the username")
        parser.add_argument("--role", required=True, choices=User.Role.values)
        parser.add_argument(
            "--cloud-user",
            action="append",
            default=[],
            metavar="NAME_OR_ID",
            help="a ModelArts user to map to the account; may be repeated",
        )
        parser.add_argument(
            "--email",
            default="",
            help="email address for notifications and resets",
        )
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="read the password from the first line of standard input",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["password_stdin"]:
            password = sys.stdin.readline().rstrip("\r\n")
        else:
            password = getpass.getpass()
            if getpass.getpass("Password (again): ") != password:
                raise CommandError("The two passwords differ.")
        try:
            user = add_user(
                username=options["name"],
                role=options["role"],
                password=password,
                cloud_users=options["cloud_user"],
                email=options["email"],
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stdout.write(f"{user.username} can sign in now, as {user.role}.")
