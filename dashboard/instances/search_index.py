"""The trigram index of ``Instance.search_text``, on SQLite and PostgreSQL.

It is no migration: it needs what a database may lack (FTS5, or ``pg_trgm``), and SQLite
drops the triggers whenever a migration rebuilds the table of instances. So every
``migrate`` creates what is missing (docs/decisions/0036-search.md).

On SQLite the index is a table of its own, ``TABLE``, without the texts. Triggers
update it when a text changes. On PostgreSQL it is an index like others.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.db import (
    DatabaseError,
    OperationalError,
    connection as default_connection,
    connections,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "instances_search"

_INSTANCES = "instances_instance"
_ADD = f"INSERT INTO {TABLE} (rowid, search_text) VALUES (NEW.id, NEW.search_text)"  # noqa: S608 (constants)
_REMOVE = (
    f"INSERT INTO {TABLE} ({TABLE}, rowid, search_text) "  # noqa: S608 (constants)
    "VALUES ('delete', OLD.id, OLD.search_text)"
)
_SQLITE = {
    # Without positions (``detail``) it has a third of the size. So it finds texts that
    # contain all trigrams of a word, and the text itself decides.
    TABLE: f"CREATE VIRTUAL TABLE {TABLE} USING fts5(search_text, "
    f"content='{_INSTANCES}', content_rowid='id', tokenize='trigram', "
    "columnsize=0, detail=none)",
    f"{TABLE}_insert": f"CREATE TRIGGER {TABLE}_insert AFTER INSERT ON {_INSTANCES} "
    f"BEGIN {_ADD}; END",
    f"{TABLE}_delete": f"CREATE TRIGGER {TABLE}_delete AFTER DELETE ON {_INSTANCES} "
    f"BEGIN {_REMOVE}; END",
    # A refresh writes all columns of a changed row; few texts differ.
    f"{TABLE}_update": f"CREATE TRIGGER {TABLE}_update AFTER UPDATE OF search_text "
    f"ON {_INSTANCES} WHEN OLD.search_text <> NEW.search_text "
    f"BEGIN {_REMOVE}; {_ADD}; END",
}
_REBUILD = f"INSERT INTO {TABLE} ({TABLE}) VALUES ('rebuild')"  # noqa: S608 (constants)


def create_after_migrate(*, using: str, **_options: Any) -> None:
    """Create the index of a database if it can have one and has none."""
    create(connections[using])


def create(connection: BaseDatabaseWrapper) -> None:
    """Create the index if the database can have one and has none."""
    if _INSTANCES not in connection.introspection.table_names():
        return
    if connection.vendor == "postgresql":
        _create_on_postgresql(connection)
    elif has_fts5():
        _create_on_sqlite(connection)


@cache
def has_fts5() -> bool:
    """Return whether this process's SQLite can have the index."""
    with default_connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')")
        return bool(cursor.fetchone()[0])


def exists(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has the index, complete."""
    if connection.vendor == "postgresql":
        return _fetch(
            connection,
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)",
            [TABLE],
        ) == [(True,)]
    found = _fetch(
        connection,
        "SELECT name FROM sqlite_master WHERE tbl_name IN (%s, %s)",
        [TABLE, _INSTANCES],
    )
    return {(name,) for name in _SQLITE} <= {*found}


def _create_on_sqlite(connection: BaseDatabaseWrapper) -> None:
    if exists(connection):
        return
    with transaction.atomic(using=connection.alias):
        for name, statement in _SQLITE.items():
            if not _fetch(
                connection, "SELECT 1 FROM sqlite_master WHERE name = %s", [name]
            ):
                _run(connection, [statement])
        _run(connection, [_REBUILD])


def _create_on_postgresql(connection: BaseDatabaseWrapper) -> None:
    if exists(connection):
        return
    try:
        with transaction.atomic(using=connection.alias):
            # Since PostgreSQL 13, a role that may create schemas in the database may do
            # this.
            _run(connection, ["CREATE EXTENSION IF NOT EXISTS pg_trgm"])
    except OperationalError:
        raise
    except DatabaseError:
        return  # ``doctor`` says so.
    how = "" if connection.in_atomic_block else "CONCURRENTLY"
    _run(
        connection,
        [
            f"DROP INDEX IF EXISTS {TABLE}",  # An interrupted one is invalid.
            f"CREATE INDEX {how} {TABLE} ON {_INSTANCES} "
            "USING gin (search_text gin_trgm_ops)",
        ],
    )


def _run(connection: BaseDatabaseWrapper, statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _fetch(
    connection: BaseDatabaseWrapper, statement: str, values: list[str]
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
