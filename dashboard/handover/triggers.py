"""Database triggers that protect published handovers.

A published handover may be taken over once; nothing else about it or its notes may
change. As the triggers of the audit trail, these apply to every statement of the
application's connection.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

TABLE, NOTES = "handover_handover", "handover_note"
REFUSAL = "a published handover is never changed"

_FROZEN = (
    *(
        "id",
        "number",
        "author_id",
        "since",
        "ahead_hours",
        "summary",
        "version",
        "created_at",
    ),
    *("published_at", "published_by_id", "document", "digest"),
    *("revision", "changed_at", "changed_by_id", "page", "client_seq"),
)
_TAKING_OVER = ("taken_over_at", "taken_over_by_id")

_CHANGED = {
    "postgresql": "OLD.{0} IS DISTINCT FROM NEW.{0}",
    "sqlite": "OLD.{0} IS NOT NEW.{0}",
}


def _conditions(vendor: str) -> tuple[str, str, str]:
    """Return the conditions: update and deletion of a handover, change of a note."""
    changed = _CHANGED[vendor]
    frozen = " OR ".join(changed.format(name) for name in _FROZEN)
    again = " OR ".join(changed.format(name) for name in _TAKING_OVER)
    update = (
        "OLD.published_at IS NOT NULL "
        f"AND ({frozen} OR (OLD.taken_over_at IS NOT NULL AND ({again})))"
    )
    deletion = "OLD.published_at IS NOT NULL"
    note = (
        f"EXISTS (SELECT 1 FROM {TABLE} "  # noqa: S608  (names of our own)
        "WHERE id = {row}.handover_id AND published_at IS NOT NULL)"
    )
    return update, deletion, note


def install(connection: BaseDatabaseWrapper) -> None:
    """Create the triggers; calling it twice does no harm.

    SQLite drops triggers when a migration rebuilds their table: such a migration must
    call this again. A test checks that.
    """
    make = _postgresql if connection.vendor == "postgresql" else _sqlite
    _run(connection, make())


def drop(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers, for migrations that must and for tests that flush."""
    on_table = " ON {}" if connection.vendor == "postgresql" else ""
    _run(
        connection,
        [
            f"DROP TRIGGER IF EXISTS {name}{on_table.format(table)}"
            for name, table in _names(connection.vendor)
        ],
    )


def _names(vendor: str) -> list[tuple[str, str]]:
    tables = [(TABLE, ("update", "delete")), (NOTES, ("insert", "update", "delete"))]
    names = [
        (f"{table}_{verb}_frozen", table) for table, verbs in tables for verb in verbs
    ]
    if vendor == "postgresql":
        names += [(f"{table}_whole_frozen", table) for table in (TABLE, NOTES)]
    return names


def _rules(vendor: str) -> list[tuple[str, str, str]]:
    update, deletion, note = _conditions(vendor)
    either = f"{note.format(row='OLD')} OR {note.format(row='NEW')}"
    return [
        (TABLE, "update", update),
        (TABLE, "delete", deletion),
        (NOTES, "insert", note.format(row="NEW")),
        (NOTES, "update", either),
        (NOTES, "delete", note.format(row="OLD")),
    ]


def _postgresql() -> list[str]:
    statements = [
        f"""
        CREATE OR REPLACE FUNCTION {TABLE}_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
          RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation';
        END $$
        """,
    ]
    for table, verb, refused in _rules("postgresql"):
        result = "OLD" if verb == "delete" else "NEW"
        statements += [
            f"""
            CREATE OR REPLACE FUNCTION {table}_{verb}_frozen() RETURNS trigger
            LANGUAGE plpgsql AS
            $$ BEGIN
              IF {refused} THEN
                RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation';
              END IF;
              RETURN {result};
            END $$
            """,
            f"""
            CREATE OR REPLACE TRIGGER {table}_{verb}_frozen BEFORE {verb.upper()}
            ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_{verb}_frozen()
            """,
        ]
    statements += [
        f"""
        CREATE OR REPLACE TRIGGER {table}_whole_frozen BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_refuse()
        """
        for table in (TABLE, NOTES)
    ]
    return statements


def _sqlite() -> list[str]:
    return [
        f"""
        CREATE TRIGGER IF NOT EXISTS {table}_{verb}_frozen BEFORE {verb.upper()}
        ON {table} WHEN {refused}
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
        """
        for table, verb, refused in _rules("sqlite")
    ]


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
