#!/usr/bin/env python
"""Django's command line."""

import os
import sys

PRIVATE = {"demo", "migrate", "run"}
"""Commands that make files which nobody else may read: sessions, queue, logs."""


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    if PRIVATE.intersection(sys.argv[1:2]):
        os.umask(0o077)
    if sys.argv[1:2] == ["demo"]:
        # The demo brings its own secret key, database and broker, and must do so
        # before the settings are read.
        from dashboard.ops.demo import prepare_environment

        prepare_environment(sys.argv[2:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
