"""Where the files of the project are, in a checkout and in an installed package.

The package has them inside (``pyproject.toml``, force-include); what it writes belongs
to the person who runs it.
"""

from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent
_PACKED = _PACKAGE / "_files"

IS_CHECKOUT = not _PACKED.is_dir()

ROOT = _PACKAGE.parent
"""Contains ``dashboard``: the working directory from which Python finds it."""

FILES = ROOT if IS_CHECKOUT else _PACKED
"""Contains ``templates``, ``static``, ``locale`` and ``CHANGELOG.md``."""

HOME = ROOT if IS_CHECKOUT else platformdirs.user_data_path("curfew", appauthor=False)
"""Where relative paths begin, such as that of ``CURFEW_DATABASE_URL``."""

VAR = HOME / "var"
"""Default folder for all that is written."""

MANAGE = ("-m", "dashboard")
"""Python's arguments for a management command, started in ``ROOT``."""

MANAGE_NAME = "manage.py" if IS_CHECKOUT else "curfew manage"
"""What a person types for it."""
