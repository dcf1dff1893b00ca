"""Queries compiled to SQL once per process, for the lookups of most requests.

The ORM needs longer to compile a query than SQLite needs to answer it.
"""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cache, cached_property
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Expression, Field, Model, QuerySet


def get_by_pk[M: Model](model: type[M], key: object) -> M | None:
    """Return what ``get(pk=key)`` returns; None when there is no such row."""
    return next(iter(_by_pk(model).rows(key=key)), None)


def all_rows[M: Model](model: type[M], *, order_by: str) -> list[M]:
    return _all_of(model, order_by).rows()


def least_and_most(model: type[Model], name: str) -> tuple[Any, Any]:
    """Return the lowest and highest value of an indexed column; None without rows."""
    quoted = connection.ops.quote_name
    field: Any = model._meta.get_field(name)
    column, table = quoted(field.column), quoted(model._meta.db_table)
    with connection.cursor() as cursor:
        # Two queries, as SQLite uses no index for both at once.
        cursor.execute(
            f"SELECT (SELECT MIN({column}) FROM {table}), "  # noqa: S608 (names of our models)
            f"(SELECT MAX({column}) FROM {table})"
        )
        least, most = cursor.fetchone()
    return least, most


def few_values(model: type[Model], name: str) -> list[Any]:
    """Return the values of an indexed column that has few, in order.

    Each value takes one search of the index. For ``DISTINCT``, both databases read the
    index entries of all rows, which is faster only with thousands of values.
    """
    quoted = connection.ops.quote_name
    field: Any = model._meta.get_field(name)
    column = quoted(field.column)
    least = f"SELECT MIN({column}) FROM {quoted(model._meta.db_table)}"  # noqa: S608 (names of our models)
    statement = (
        f"WITH RECURSIVE found(value) AS ({least} UNION ALL "  # noqa: S608 (the same)
        f"SELECT ({least} WHERE {column} > found.value) "
        "FROM found WHERE found.value IS NOT NULL) "
        "SELECT value FROM found WHERE value IS NOT NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [value for (value,) in cursor.fetchall()]


class Prepared[M: Model]:
    """A query of the ORM that is compiled at its first use in a process.

    Args:
        build: Returns the query; its arguments stand for the values of the parameters.
        parameters: By name, the fields that the values are compared with.
    """

    def __init__(
        self, build: Callable[..., QuerySet[M]], **parameters: "Field[Any, Any]"
    ) -> None:
        self._build, self._fields = build, parameters

    def count(self, **values: object) -> int:
        return count_each([self], **values)[0]

    def rows(self, **values: object) -> list[M]:
        """Return what the query returns, with the rows that it fetches in addition."""
        compiler = copy(self._compiled.compiler)
        sql_and_params = self.as_sql(values)
        compiler.connection = connection  # Each thread has its own.
        compiler.as_sql = lambda: sql_and_params
        compiler.get_converters = lambda _fields: self._compiled.converters
        queryset = self._queryset.all()
        query: Any = queryset.query
        query.get_compiler = lambda using: compiler
        return list(queryset)

    def as_sql(self, values: dict[str, object]) -> tuple[str, list[Any]]:
        compiled = self._compiled
        return compiled.sql, [
            param.output_field.get_db_prep_value(values[param.name], connection)
            if isinstance(param, _Parameter)
            else param
            for param in compiled.params
        ]

    @cached_property
    def _queryset(self) -> QuerySet[M]:
        stand_ins = {
            name: _Parameter(name, field) for name, field in self._fields.items()
        }
        return self._build(**stand_ins)

    @cached_property
    def _compiled(self) -> "_Compiled":
        # Of a copy, as two threads may be the first ones.
        compiler: Any = self._queryset.all().query.get_compiler(connection.alias)
        try:
            sql, params = compiler.as_sql()
        except EmptyResultSet:
            sql, params = "SELECT NULL WHERE 1 = 0", ()
        columns = [column for column, *_rest in compiler.select]
        return _Compiled(compiler, sql, params, compiler.get_converters(columns))


def count_each(queries: "Sequence[Prepared[Any]]", **values: object) -> list[int]:
    """Return the number of rows of each query, by one statement.

    Args:
        values: Of the parameters, by name; the same for all queries.
    """
    counts, params = [], []
    for query in queries:
        sql, more = query.as_sql(values)
        counts.append(f"(SELECT COUNT(*) FROM ({sql}) found)")  # noqa: S608 (compiled by the ORM)
        params += more
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", params)
        return [*cursor.fetchone()]


class _Compiled(NamedTuple):
    """A query as SQL.

    Attributes:
        compiler: Knows which column becomes which attribute of which model.
        converters: By position, for columns whose values have to be converted.
    """

    compiler: Any
    sql: str
    params: tuple[Any, ...]
    converters: dict[int, Any]


class _Parameter(Expression):
    """Stands for a value until the query is used."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


@cache
def _by_pk(model: type[Model]) -> Prepared[Any]:
    return Prepared(lambda key: model._base_manager.filter(pk=key), key=model._meta.pk)


@cache
def _all_of(model: type[Model], order_by: str) -> Prepared[Any]:
    return Prepared(lambda: model._base_manager.order_by(order_by))
