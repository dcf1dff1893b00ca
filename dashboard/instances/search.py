"""Search for parts of words in name, description, owner and id of instances."""

from typing import Any

from django.db.models import F, Model, QuerySet
from django.db.models.expressions import Col
from django.db.models.lookups import Contains

from . import search_index

_WORDS = 8
_TRIGRAMS = 32
"""More do not narrow the search any further."""

_FEW = 2_000
_MANY = 25_000
"""Up to so many rows with all trigrams it is faster to begin with the index, in a query
with a limit and in one without. A query with a limit usually follows an index in the
order of the list, and soon has enough rows of a word that is in many of them."""


def with_words[M: Model](
    rows: QuerySet[M], text: str, *, column: str = "search_text"
) -> QuerySet[M]:
    """Return the rows in whose ``search_text`` every word of a text occurs.

    Args:
        rows: Instances, or rows that lead to one.
        text: As typed; its first words count.
        column: The path to ``Instance.search_text``.
    """
    for word in text.casefold().split()[:_WORDS]:
        rows = rows.filter(HasPart(F(column), word))
    return rows


class HasPart(Contains):
    """``Contains``, for ``Instance.search_text``, by the trigram index.

    PostgreSQL uses its index by itself. SQLite is given the rows that contain all
    trigrams of the word as a further condition, unless these are too many.
    """

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        sql, params = self.as_sql(compiler, connection)
        word: str = self.rhs
        trigrams = {word[at : at + 3] for at in range(len(word) - 2)}
        if not trigrams or not search_index.has_fts5():
            return sql, params
        # In quotes, where only quotes have a meaning.
        quoted = (f'"{one.replace('"', '""')}"' for one in sorted(trigrams)[:_TRIGRAMS])
        match = " AND ".join(quoted)
        most = _FEW if compiler.query.is_sliced else _MANY
        if self._count(connection, match, most + 1) > most:
            return sql, params
        key = Col(self.lhs.alias, self.lhs.target.model._meta.pk)
        key_sql, key_params = compiler.compile(key)
        return (
            f"({key_sql} IN (SELECT rowid FROM {search_index.TABLE} "  # noqa: S608 (constants)
            f"WHERE {search_index.TABLE} MATCH %s) AND {sql})",
            (*key_params, match, *params),
        )

    def _count(self, connection: Any, match: str, most: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT COUNT(*) FROM (SELECT 1 FROM {search_index.TABLE} "  # noqa: S608 (constants)
                f"WHERE {search_index.TABLE} MATCH %s LIMIT %s)",
                (match, most),
            )
            count: int = cursor.fetchone()[0]
        return count
