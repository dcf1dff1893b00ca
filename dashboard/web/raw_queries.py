"""Statements that are worded once: for what every request asks first.

Measured, Django takes three times as long to word such a statement as the database to
answer it.
"""

from functools import cache

from django.db import connection
from django.db.models import Model


def get_by_pk[Row: Model](model: type[Row], key: object) -> Row | None:
    """What ``get(pk=…)`` returns; None when there is no such row."""
    pk = _quoted(str(model._meta.pk.column))
    statement = f"{_all_columns(model)} WHERE {pk} = %s"
    return next(iter(model._base_manager.raw(statement, [key])), None)


def all_rows[Row: Model](model: type[Row], *, order_by: str) -> list[Row]:
    """Every row of a small table, by one of its columns."""
    statement = f"{_all_columns(model)} ORDER BY {_quoted(order_by)}"
    return list(model._base_manager.raw(statement))


@cache
def _all_columns(model: type[Model]) -> str:
    columns = ", ".join(
        _quoted(str(field.column)) for field in model._meta.concrete_fields
    )
    return f"SELECT {columns} FROM {_quoted(model._meta.db_table)}"  # noqa: S608  (names of our models)


def _quoted(name: str) -> str:
    return str(connection.ops.quote_name(name))
