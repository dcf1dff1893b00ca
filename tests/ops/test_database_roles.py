"""The site's own database role can neither change the audit trail nor read files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dashboard.ops.managed_process import PROJECT
from tests.servers import PostgresServer

from .compose import init_database

pytestmark = [pytest.mark.stack, pytest.mark.postgres]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(superuser="postgres") as server:
        yield server


@pytest.fixture(scope="module")
def roles(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Addresses of the database for both roles, with all tables made."""
    secrets = tmp_path_factory.mktemp("roles") / "secrets"
    subprocess.run([PROJECT / "deploy" / "make-secrets", secrets], check=True)
    init_database(postgres, secrets)
    urls = {
        name: (secrets / name)
        .read_text()
        .strip()
        .replace("postgres:5432", f"127.0.0.1:{postgres.port}")
        for name in ("database_url", "owner_database_url")
    }
    manage(secrets, urls["owner_database_url"], "migrate", "--verbosity", "0")
    return urls | {"secrets": str(secrets)}


def manage(secrets: Path, url: str, *arguments: str) -> str:
    """Run a management command by a role."""
    ended = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=os.environ
        | {
            "CURFEW_SECRET_KEY": "only-for-tests-of-roles-" * 3,
            "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",
            "CURFEW_DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout


def test_all_that_the_site_needs_is_allowed(roles: dict[str, str]) -> None:
    secrets = Path(roles["secrets"])
    shown = manage(secrets, roles["database_url"], "doctor", "--only", "database")
    assert "all migrations are applied" in shown
    assert "pg_trgm" not in shown
    with psycopg.connect(roles["database_url"]) as connection:
        connection.execute("UPDATE instances_fleetversion SET version = version")
        connection.execute("DELETE FROM django_session")
        connection.execute("SELECT nextval('accounts_user_id_seq')")
        connection.execute("SELECT pg_try_advisory_lock(1)")
        connection.execute("ANALYZE instances_instance")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE audit_auditevent DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_auditevent_update_protected ON audit_auditevent",
        "TRUNCATE audit_auditevent",
        "DROP TABLE audit_auditevent",
        "SET session_replication_role = 'replica'",
        "CREATE TABLE copied (line text)",
        "COPY accounts_user FROM '/etc/passwd'",
        "COPY accounts_user TO PROGRAM 'cat'",
        "SET ROLE curfew_owner",
        "CREATE ROLE another SUPERUSER",
    ],
)
def test_what_it_may_not(roles: dict[str, str], statement: str) -> None:
    with (
        psycopg.connect(roles["database_url"]) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_migrate_goes_on_without_the_right_to_create_an_extension(
    roles: dict[str, str], postgres: PostgresServer
) -> None:
    secrets, owner = Path(roles["secrets"]), roles["owner_database_url"]
    database = postgres.url_of("curfew")
    with psycopg.connect(database, autocommit=True) as superuser:
        superuser.execute("DROP EXTENSION pg_trgm CASCADE")
        superuser.execute("REVOKE CREATE ON DATABASE curfew FROM curfew_owner")
        manage(secrets, owner, "migrate", "--verbosity", "0")
        shown = manage(secrets, roles["database_url"], "doctor", "--only", "database")
        assert "CREATE EXTENSION pg_trgm" in shown
        superuser.execute("CREATE EXTENSION pg_trgm")
        manage(secrets, owner, "migrate", "--verbosity", "0")
        shown = manage(secrets, roles["database_url"], "doctor", "--only", "database")
        assert "pg_trgm" not in shown


@pytest.mark.parametrize("role", ["database_url", "owner_database_url"])
def test_nobody_is_a_superuser(roles: dict[str, str], role: str) -> None:
    with psycopg.connect(roles[role]) as connection:
        found = connection.execute("SHOW is_superuser").fetchone()
    assert found == ("off",)
