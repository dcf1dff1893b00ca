"""The application's settings, with an environment for tests."""

import os

from dashboard.ops.ports import free_port

BROKER_PORT = free_port()

# Counted by person and minute, while each test starts with person 1 again.
os.environ["CURFEW_WRITES_PER_MINUTE"] = os.environ["CURFEW_POLLS_PER_MINUTE"] = "0"
os.environ["CURFEW_PREVIEWS_PER_MINUTE"] = "0"
os.environ["CURFEW_WALL_REQUESTS_PER_MINUTE"] = "0"
os.environ["CURFEW_DOWNLOADS_PER_MINUTE"] = "0"
os.environ["CURFEW_SECRET_KEY"] = "only-for-tests-" * 4
os.environ.setdefault("CURFEW_DATABASE_URL", "sqlite:///:memory:")
os.environ["CURFEW_REDIS_URL"] = f"redis://127.0.0.1:{BROKER_PORT}/0"

from dashboard.paths import VAR  # noqa: E402
from dashboard.settings import *  # noqa: E402, F403 (needs the environment)

# Nothing that other processes collect or serve.
STATIC_ROOT = VAR / "test-static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
# Else the migrations make the test database of PostgreSQL.
DATABASES["default"]["TEST"] = {  # noqa: F405
    "TEMPLATE": os.environ.get("TEST_DATABASE_TEMPLATE")
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
