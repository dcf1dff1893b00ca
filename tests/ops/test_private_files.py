"""Sessions stand in the database as they stand in cookies: nobody else may read it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from dashboard.ops.managed_process import PROJECT


def test_the_database_is_its_user_s_alone(tmp_path: Path) -> None:
    database = tmp_path / "var" / "curfew.sqlite3"
    subprocess.run(
        # One app is enough: any migration makes the files.
        [sys.executable, "manage.py", "migrate", "contenttypes", "--verbosity", "0"],
        cwd=PROJECT,
        env=os.environ
        | {
            "CURFEW_SECRET_KEY": "only-for-tests-of-files-" * 3,
            "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",
            "CURFEW_DATABASE_URL": f"sqlite:///{database}",
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        },
        check=True,
        umask=0o022,
    )
    for path in (database.parent, *database.parent.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
