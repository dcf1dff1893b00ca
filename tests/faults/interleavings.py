"""Pairs of transactions that meet at the wrong moment; run by the agent, on PostgreSQL.

One thread holds a row until the other waits for it, then goes on. If the two take their
locks in different orders, PostgreSQL ends one of them: "deadlock detected".
"""

import threading
from collections.abc import Callable
from dataclasses import replace

from django.db import DatabaseError, connection, connections, transaction
from django.db.models import F

from dashboard.accounts.models import User
from dashboard.edits import services
from dashboard.edits.delivery import queue, record
from dashboard.edits.models import Edit
from dashboard.instances import upstream
from dashboard.instances.models import Cloud, FleetVersion, Instance
from tests.ops.processes import wait_until

Meet = Callable[[], None]


def refresh_and_claim(instance: str) -> list[str]:
    """A refresh has locked a page of instances; a worker claims one of them."""
    rows = Instance.objects.filter(instance_id=instance)

    def refresh(meet: Meet) -> None:
        list(rows.select_for_update())
        meet()
        FleetVersion.stamp(rows)

    def claim() -> None:
        FleetVersion.stamp(rows)

    return _meet(refresh, claim)


def refresh_and_record(instance: str) -> list[str]:
    """A refresh notes the cloud's health; a worker records an answer."""
    row = Instance.objects.select_related("cloud").get(instance_id=instance)
    # In one transaction, so that no worker of the stack is first.
    with transaction.atomic():
        services.submit_edit(
            instance=row,
            actor=User.objects.get(username="oskar"),
            patch={"description": "met"},
            base={},
        )
        delivery = queue.claim(row.pk)
    assert delivery
    seen = upstream.client_for("demo").demanager.show_instance(instance)
    news = {"description": "something new, so that the fleet is stamped"}
    seen = replace(seen, instance=seen.instance.model_copy(update=news))
    report = record.Report(observation=seen)
    report.new_states[delivery.edits[0]] = (Edit.State.FAILED, {})
    Cloud.objects.update(failures=1)

    def refresh(meet: Meet) -> None:
        Cloud.objects.update(failures=F("failures"))
        meet()
        FleetVersion.stamp()

    def record_report() -> None:
        record.record(delivery, report)

    return _meet(refresh, record_report)


def _meet(first: Callable[[Meet], None], second: Callable[[], None]) -> list[str]:
    """Run both; ``first`` says when the other may come, and goes on once it waits."""
    errors: list[str] = []
    may_come = threading.Event()

    def meet() -> None:
        may_come.set()
        wait_until(_somebody_waits, seconds=60)

    def run(body: Callable[[], None]) -> None:
        try:
            with transaction.atomic():
                body()
        except DatabaseError as error:
            errors.append(str(error))
        finally:
            connections.close_all()

    other = threading.Thread(target=lambda: may_come.wait(60) and run(second))
    other.start()
    run(lambda: first(meet))
    other.join()
    return errors


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None
