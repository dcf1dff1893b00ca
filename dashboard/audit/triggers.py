"""Database triggers that keep the audit trail append-only.

They apply to every statement of the application's connection: bulk operations of the
ORM, raw SQL, injected SQL. The owner of the table in PostgreSQL can remove them;
``docs/security.md`` says how to run without that right.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "audit_auditevent"
REFUSAL = "the audit trail is append-only"

_POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION {TABLE}_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$
    """,
    f"""
    CREATE OR REPLACE TRIGGER {TABLE}_rows BEFORE UPDATE OR DELETE ON {TABLE}
    FOR EACH ROW EXECUTE FUNCTION {TABLE}_refuse()
    """,
    f"""
    CREATE OR REPLACE TRIGGER {TABLE}_whole BEFORE TRUNCATE ON {TABLE}
    FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_refuse()
    """,
)
_SQLITE = tuple(
    f"""
    CREATE TRIGGER IF NOT EXISTS {TABLE}_{verb.lower()} BEFORE {verb} ON {TABLE}
    BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
    """
    for verb in ("UPDATE", "DELETE")
)
_DROP = {
    "postgresql": (
        f"DROP TRIGGER IF EXISTS {TABLE}_rows ON {TABLE}",
        f"DROP TRIGGER IF EXISTS {TABLE}_whole ON {TABLE}",
    ),
    "sqlite": (
        f"DROP TRIGGER IF EXISTS {TABLE}_update",
        f"DROP TRIGGER IF EXISTS {TABLE}_delete",
    ),
}


def install(connection: BaseDatabaseWrapper) -> None:
    """Create the triggers, unless they exist.

    SQLite drops triggers when a migration rebuilds their table. Such a migration must
    call this again; a test checks that.
    """
    _run(connection, {"postgresql": _POSTGRESQL, "sqlite": _SQLITE}[connection.vendor])


def drop(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers, for migrations and for tests that flush the database."""
    _run(connection, _DROP[connection.vendor])


def _run(connection: BaseDatabaseWrapper, statements: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
