"""Inserts many rows that share most values, by one statement."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import AutoField, Field, JSONField, Model

_SOURCES = {
    "sqlite": "json_each(%s) AS item",
    "postgresql": "jsonb_array_elements(%s::jsonb) AS item(value)",
}


def insert_rows(
    shared: Model,
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    ignore_conflicts: bool = False,
) -> None:
    """Insert rows that differ in some columns only; no signals are sent.

    The rows are one JSON array, which the database unpacks. ``bulk_create`` makes a
    model of each row and a parameter of each value, which takes five times as long for
    edits.

    Args:
        shared: An unsaved model with the values that all rows have.
        names: The fields in which the rows differ; ``_id`` for a related one.
        rows: The values of these fields: text, numbers, ``UUID``, None, and for fields
            of JSON dictionaries and lists.
        ignore_conflicts: Leave out rows that violate a unique constraint.
    """
    quote = connection.ops.quote_name
    columns: list[str] = []
    values: list[str] = []
    params: list[Any] = []
    places = {name: place for place, name in enumerate(names)}
    for field in shared._meta.concrete_fields:
        if field.generated or isinstance(field, AutoField):
            continue
        columns.append(quote(str(field.column)))
        place = places.pop(field.attname, None)
        if place is None:
            values.append("%s")
            value = field.pre_save(shared, add=True)
            params.append(field.get_db_prep_save(value, connection))
        else:
            values.append(_part(field, place))
    if places:
        raise ValueError(f"{', '.join(places)}: no columns of {shared._meta.label}")
    # WHERE, or SQLite takes ON for the condition of a join.
    conflict = " WHERE TRUE ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    sql = (
        f"INSERT INTO {quote(shared._meta.db_table)} ({', '.join(columns)}) "  # noqa: S608 (names of columns)
        f"SELECT {', '.join(values)} FROM {_SOURCES[connection.vendor]}{conflict}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, json.dumps(list(rows), default=_stored)])


def _part(field: "Field[Any, Any]", place: int) -> str:
    """Return the SQL for the value of a field in an item."""
    if connection.vendor == "sqlite":
        return f"json_extract(item.value, '$[{place}]')"
    if isinstance(field, JSONField):
        return f"item.value -> {place}"
    column_type = str(field.db_type(connection)).partition("(")[0]
    return f"(item.value ->> {place})::{column_type}"


def _stored(value: object) -> str:
    if isinstance(value, UUID):
        return value.hex
    raise TypeError(f"{type(value)} is not JSON")
