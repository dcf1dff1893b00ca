"""Copies everything to another database, for a site that outgrows SQLite."""

import os
import subprocess
import sys
from collections.abc import Iterator

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import DatabaseError, connections, models, transaction

from dashboard.audit import triggers as audit_triggers
from dashboard.databases import configured
from dashboard.handover import triggers as handover_triggers
from dashboard.paths import MANAGE, ROOT

SOURCE, TARGET = "default", "target"
ROWS_AT_ONCE = 500

FILLED_BY_MIGRATE = {"django_content_type", "auth_permission"}
TRIGGERS = (audit_triggers.TRIGGERS, handover_triggers.TRIGGERS)


class MoveError(Exception):
    """Nothing was copied; the message is a sentence for people."""


def move(url: str) -> dict[str, int]:
    """Copy all rows into a database without any, in one transaction.

    Args:
        url: Address of the target, as in ``CURFEW_DATABASE_URL``.

    Returns:
        The number of rows by table.

    Raises:
        MoveError: The target cannot be used, or has other rows afterwards.
    """
    connections.databases[TARGET] = connections.configure_settings(
        {SOURCE: connections.databases[SOURCE], TARGET: configured(url)}
    )[TARGET]
    try:
        _check_empty()
        _migrate(url)
        # The first transaction keeps everyone from writing to the source.
        with transaction.atomic(using=SOURCE), transaction.atomic(using=TARGET):
            return _copy()
    except DatabaseError as error:
        raise MoveError(f"The target cannot be used: {error}") from None
    finally:
        connections[TARGET].close()
        del connections.databases[TARGET]


def _check_empty() -> None:
    tables = set(connections[TARGET].introspection.table_names())
    for model in _models():
        table = model._meta.db_table
        if table in tables - FILLED_BY_MIGRATE and _rows(model, TARGET):
            raise MoveError(
                f"The target is not empty: {table} has rows. Choose another database, "
                "or drop this one and create it again."
            )


def _migrate(url: str) -> None:
    """Create the tables by a process whose only database is the target.

    A migration that changes rows uses the default one.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "CURFEW_DATABASE_URL_FILE"
    } | {"CURFEW_DATABASE_URL": url}
    ended = subprocess.run(  # noqa: S603 (our own command)
        [sys.executable, *MANAGE, "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise MoveError(f"The tables cannot be created:\n{ended.stderr.strip()}")


def _copy() -> dict[str, int]:
    target = connections[TARGET]
    with target.cursor() as cursor:
        if target.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = 0")
            # Foreign keys are checked at the end, so the order does not matter.
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    # They would refuse notes of published handovers.
    for triggers in TRIGGERS:
        triggers.drop(target)
    every = list(_models())
    # And their permissions; they have other numbers in the source.
    ContentType.objects.using(TARGET).all().delete()
    counts = {model._meta.db_table: _copy_rows(model) for model in every}
    target.check_constraints()
    with target.cursor() as cursor:
        for statement in target.ops.sequence_reset_sql(no_style(), every):
            cursor.execute(statement)
    for triggers in TRIGGERS:
        triggers.install(target)
    for model in every:
        table = model._meta.db_table
        if _rows(model, TARGET) != counts[table]:
            raise MoveError(f"{table} has another number of rows in the target.")
    return counts


def _copy_rows(model: type[models.Model]) -> int:
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    count = 0
    rows = model._base_manager.using(SOURCE).order_by("pk").iterator(ROWS_AT_ONCE)
    for batch in _batches(rows):
        # Raw: the moments of creation and of the last change stay.
        model._base_manager.using(TARGET)._insert(  # type: ignore[attr-defined]
            batch, fields=fields, using=TARGET, raw=True
        )
        count += len(batch)
    return count


def _batches(rows: Iterator[models.Model]) -> Iterator[list[models.Model]]:
    batch: list[models.Model] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _models() -> Iterator[type[models.Model]]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield model


def _rows(model: type[models.Model], alias: str) -> int:
    return model._base_manager.using(alias).count()
