"""Management commands: ``manage.py``, ``curfew manage``, ``python -m dashboard``."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .ops.data_directory import adopt
from .paths import MANAGE_NAME, VAR

PRIVATE = {"demo", "migrate", "run", "serve"}
"""Commands that make files which nobody else may read: sessions, queue, logs."""


def main(arguments: Sequence[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    if PRIVATE.intersection(arguments[:1]):
        os.umask(0o077)
    if arguments and arguments[0] in {"demo", "serve"}:
        # They bring their own secret key, database and broker, and must do so before
        # the settings are read.
        import_module(f"dashboard.ops.{arguments[0]}").prepare_environment(
            arguments[1:]
        )
    else:
        adopt(VAR)
    from django.core.management import execute_from_command_line

    execute_from_command_line([MANAGE_NAME, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
