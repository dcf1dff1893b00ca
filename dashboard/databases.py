"""The options of a database, from its URL."""

from typing import Any

import dj_database_url

from dashboard.paths import HOME


def configured(url: str) -> dict[str, Any]:
    """Return the entry in ``DATABASES`` for a URL."""
    database: dict[str, Any] = dict(dj_database_url.parse(url))
    if database["ENGINE"] == "django.db.backends.sqlite3":
        if database["NAME"] != ":memory:":
            path = HOME / database["NAME"]
            path.parent.mkdir(parents=True, exist_ok=True)
            database["NAME"] = str(path)
        database["OPTIONS"] = {
            # Writers queue at BEGIN instead of failing in the middle of a transaction.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # FULL, not NORMAL: an accepted edit survives a power cut, too.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        return database
    # Django's own with a circuit breaker.
    database["ENGINE"] = "dashboard.web.postgresql"
    database["CONN_HEALTH_CHECKS"] = True
    # Parameters of the URL, such as sslmode, win.
    database["OPTIONS"] = {
        "connect_timeout": 3,
        # A page says "busy" within seconds. No transaction of ours waits for the cloud,
        # so none is idle.
        "options": "-c lock_timeout=5s -c statement_timeout=15s "
        "-c idle_in_transaction_session_timeout=15s",
    } | database.get("OPTIONS", {})
    return database
