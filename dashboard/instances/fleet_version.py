"""The number that grows with each change of the fleet."""

import time
from functools import partial
from typing import Any, ClassVar

from django.db import connection, models, transaction

from dashboard.livepoll import state
from dashboard.livepoll.changes import MOST, Changes

_CURRENT = "SELECT version FROM instances_fleetversion WHERE id = %s"
_RAISE = """
UPDATE instances_fleetversion
SET version = CASE WHEN version >= %(now_ms)s THEN version + 1 ELSE %(now_ms)s END,
    listed_version = CASE
        WHEN %(only_shown)s = 1 THEN listed_version
        WHEN version >= %(now_ms)s THEN version + 1 ELSE %(now_ms)s
    END
WHERE id = %(row)s RETURNING version
"""
_CHANGES = """
SELECT fleet.version, fleet.listed_version, instance.id
FROM instances_fleetversion fleet
LEFT JOIN instances_instance instance ON instance.version > %s
WHERE fleet.id = %s
LIMIT %s
"""


class FleetVersion(models.Model):
    """A single row with a number that grows with each change of the fleet.

    ``stamp`` raises it as the last statement of a writing transaction. The row stays
    locked until that commits, so versions become visible in the order of their numbers
    and a poll for changes "since v" cannot skip one.

    The number is the moment of the change in Unix **ms**, or the former number plus one
    if that is higher. So a database that was restored from a backup uses no number
    twice, and a page from before the restore does not count as current.

    Attributes:
        listed_version: The version of the last change by which lists may have other
            rows, another order or other numbers.
    """

    ROW: ClassVar = 1

    version = models.BigIntegerField(default=0)
    listed_version = models.BigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return str(self.version)

    @classmethod
    def current(cls) -> int:
        """Return the version of a page that is drawn now."""
        # Raw SQL, since every poll needs it; the ORM takes ten times as long.
        with connection.cursor() as cursor:
            cursor.execute(_CURRENT, [cls.ROW])
            row = cursor.fetchone()
        return row[0] if row else 0

    @classmethod
    def changes_after(cls, version: int) -> Changes:
        """Return what has changed after a version; of very many instances only some."""
        with connection.cursor() as cursor:
            cursor.execute(_CHANGES, [version, cls.ROW, MOST + 1])
            rows = cursor.fetchall()
        if not rows:
            return Changes(0, 0, ())
        current, listed, _ = rows[0]
        return Changes(current, listed, [pk for *_, pk in rows if pk is not None])

    @classmethod
    def stamp(
        cls,
        changed: models.QuerySet[Any] | None = None,
        *,
        only_shown: bool = False,
    ) -> int:
        """Raise the version and return it; call it last in the transaction of a change.

        Args:
            changed: The instances whose rows look different now; they get the new
                version. None if only something around the rows has changed, such as the
                health of a cloud.
            only_shown: Whether nothing has changed by which lists filter, order, group
                or count (``sync.ONLY_SHOWN``), as with an edit that is under way. Then
                pages without these rows are not read again.
        """
        if changed is not None and connection.features.has_select_for_update:
            # Always lock instances before the counter; a refresh has locked them.
            list(changed.select_for_update(no_key=True).order_by("pk").values("pk"))
        version = cls.raise_number(only_shown=only_shown)
        if changed is not None:
            changed.update(version=version)
        return version

    @classmethod
    def raise_number(cls, *, only_shown: bool) -> int:
        """Raise the version and return it, for a caller that writes it to its rows.

        The rows are locked before. See ``stamp``.
        """
        params = {
            "now_ms": time.time_ns() // 1_000_000,
            "row": cls.ROW,
            "only_shown": int(only_shown),
        }
        with connection.cursor() as cursor:
            cursor.execute(_RAISE, params)
            row = cursor.fetchone()
            if row is None:
                cls.objects.get_or_create(pk=cls.ROW)
                cursor.execute(_RAISE, params)
                row = cursor.fetchone()
        version: int = row[0]
        # For polls, which do not query the database; ``livepoll.state`` handles a
        # process that dies before this.
        transaction.on_commit(partial(state.put_version, version), robust=True)
        return version
