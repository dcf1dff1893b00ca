"""Database triggers that refuse changes of rows, in SQLite and PostgreSQL.

They apply to every statement of the application's connection: bulk operations of the
ORM, raw SQL, injected SQL. The owner of a table in PostgreSQL can remove them;
``docs/security.md`` says how to run without that right.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import RunPython


class Triggers(NamedTuple):
    """Triggers before operations on tables.

    Attributes:
        refusal: Message of the error.
        conditions: Returns, for a vendor, the SQL condition under which an operation
            (``INSERT``, ``UPDATE``, ``DELETE``) is refused, by table and operation.
            PostgreSQL refuses ``TRUNCATE`` of these tables, too.
    """

    refusal: str
    conditions: Callable[[str], dict[tuple[str, str], str]]

    def migration(self) -> RunPython:
        """Return the operation of a migration that installs the triggers."""
        return RunPython(
            lambda apps, editor: self.install(editor.connection),
            lambda apps, editor: self.drop(editor.connection),
        )

    def install(self, connection: BaseDatabaseWrapper) -> None:
        """Create the triggers, unless they exist.

        SQLite drops triggers when a migration rebuilds their table. Such a migration
        must call this again; a test checks that.
        """
        make = _postgresql if connection.vendor == "postgresql" else _sqlite
        for (table, operation), condition in self._all(connection.vendor).items():
            _run(connection, make(table, operation, condition, self.refusal))

    def drop(self, connection: BaseDatabaseWrapper) -> None:
        """Drop the triggers, for migrations and for tests that flush the database."""
        for table, operation in self._all(connection.vendor):
            on = f" ON {table}" if connection.vendor == "postgresql" else ""
            _run(connection, [f"DROP TRIGGER IF EXISTS {_name(table, operation)}{on}"])

    def _all(self, vendor: str) -> dict[tuple[str, str], str]:
        conditions = self.conditions(vendor)
        if vendor == "postgresql":
            tables = {table for table, _ in conditions}
            conditions |= {(table, "TRUNCATE"): "TRUE" for table in tables}
        return conditions


def _name(table: str, operation: str) -> str:
    return f"{table}_{operation.lower()}_protected"


def _postgresql(
    table: str, operation: str, condition: str, refusal: str
) -> Iterable[str]:
    name = _name(table, operation)
    yield f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
          IF {condition} THEN
            RAISE EXCEPTION '{refusal}' USING ERRCODE = 'restrict_violation';
          END IF;
          RETURN {"OLD" if operation == "DELETE" else "NEW"};
        END $$
        """
    level = "STATEMENT" if operation == "TRUNCATE" else "ROW"
    yield f"""
        CREATE OR REPLACE TRIGGER {name} BEFORE {operation}
        ON {table} FOR EACH {level} EXECUTE FUNCTION {name}()
        """


def _sqlite(table: str, operation: str, condition: str, refusal: str) -> Iterable[str]:
    yield f"""
        CREATE TRIGGER IF NOT EXISTS {_name(table, operation)} BEFORE {operation}
        ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{refusal}'); END
        """


def _run(connection: BaseDatabaseWrapper, statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
