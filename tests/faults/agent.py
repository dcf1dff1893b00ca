"""Our hand inside a stack: the orders that can be given in its database."""

import os
from datetime import time, timedelta
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()

from django.db import connection, connections  # noqa: E402 (needs the set-up)
from django.utils import timezone  # noqa: E402

from dashboard.accounts.models import User  # noqa: E402
from dashboard.accounts.services import add_user  # noqa: E402
from dashboard.celery import app, never_wait_for_the_broker  # noqa: E402
from dashboard.edits import dispatch, extension, questions, services  # noqa: E402
from dashboard.edits.models import Edit, EditQueue  # noqa: E402
from dashboard.instances.models import Cloud, Instance  # noqa: E402
from dashboard.instances.refresh import ensure_clouds, refresh_cloud  # noqa: E402
from dashboard.modelarts.statuses import InstanceStatus  # noqa: E402
from dashboard.ops import static_files  # noqa: E402
from dashboard.policies.models import Question, Rule  # noqa: E402
from dashboard.schedules import overrides, selectors as schedules  # noqa: E402
from dashboard.schedules.models import Override, Schedule, ScheduleRun  # noqa: E402
from dashboard.web.redis_clients import shared_redis  # noqa: E402
from tests import migrated  # noqa: E402
from tests.agents import obey  # noqa: E402
from tests.faults import evidence, held, interleavings  # noqa: E402
from tests.faults.cast import PASSWORD, PEOPLE  # noqa: E402

LIVE = (b"v", b"read", b"revoked")
"""What polls go by, see ``dashboard.livepoll.state``."""


def prepare() -> None:
    """Make the database, the people and the mirror."""
    migrated.migrate()
    for name, (role, cloud_users) in PEOPLE.items():
        add_user(
            username=name,
            role=role,
            password=PASSWORD,
            cloud_users=cloud_users,
            check_password=False,
        )
    static_files.collect()
    ensure_clouds()
    refresh_cloud("demo")


def instances() -> list[dict[str, Any]]:
    """The mirror, as far as tests choose from it."""
    fields = ("pk", "instance_id", "status", "owner_name", "description")
    fields += ("generation", "lease_type", "stop_timestamp_ms")
    return list(Instance.objects.order_by("pk").values(*fields))


def mirror_is_whole() -> bool:
    """Whether all of the mirror was readable; what a fault has spoilt is read anew."""
    spoilt = Instance.objects.exclude(problems=[])
    if spoilt.exists():
        refresh_cloud("demo")
    return not spoilt.exists()


def submit(
    instance: str, actor: str, patch: dict[str, Any], key: str = "", seen: Any = None
) -> str:
    """Accept an edit as the web process would; return its id."""
    row = Instance.objects.get(instance_id=instance)
    edit = services.submit_edit(
        instance=row,
        actor=User.objects.get(username=actor),
        patch=patch,
        base=seen or services.merge.expected_values(row),
        key=key,
    )
    return str(edit.pk)


def extend(instance: str, actor: str, hours: float) -> str:
    """Accept an extension as the web process would; return its id."""
    row = Instance.objects.select_related("cloud").get(instance_id=instance)
    edit = services.submit_extension(
        instance=row,
        actor=User.objects.get(username=actor),
        patch=extension.patch_hours(row, hours, timezone.now()),
        base=extension.base_of(row),
    )
    return str(edit.pk)


def enqueue(instance: str) -> None:
    """Ask a worker to look at an instance, as the web process does on saving."""
    dispatch.enqueue(dispatch.DRAIN, Instance.objects.get(instance_id=instance).pk)


def edits_of(instance: str) -> list[str]:
    """The ids of an instance's edits, oldest first."""
    rows = Edit.objects.filter(instance__instance_id=instance).order_by("seq")
    return [str(pk) for pk in rows.values_list("pk", flat=True)]


def edits(ids: list[str]) -> list[dict[str, Any]]:
    """How these stand, in the order asked for."""
    fields = ("id", "state", "message", "attempt_count", "interrupted", "superseded_by")
    rows = {
        str(row["id"]): row | {"id": str(row["id"])}
        for row in Edit.objects.filter(pk__in=ids).values(*fields)
    }
    return [rows[one] for one in ids]


def open_edits() -> int:
    """How many are under way."""
    return Edit.objects.filter(state__in=Edit.OPEN).count()


def watched_queues() -> int:
    """How many queues are still looked after for late writes."""
    return EditQueue.objects.filter(recheck_at__isnull=False).count()


def cloud() -> dict[str, Any]:
    """The circuit of the one cloud."""
    row = Cloud.objects.get()
    return {
        "failures": row.failures,
        "hold_reason": str(row.hold_reason),
        "problem": str(row.problem),
        "skew_ms": row.skew_ms,
    }


def refreshed_ms() -> int:
    """When the mirror was last complete, Unix ms."""
    return Cloud.objects.get().refreshed_at_ms or 0


def probe_at_once() -> None:
    """Let the ten seconds be over after which an open circuit tries the cloud again."""
    Cloud.objects.filter(held_until__isnull=False).update(held_until=timezone.now())


def add_schedule(instance: str, in_seconds: float, behind_seconds: float = 0) -> int:
    """Have an instance stopped some seconds from now, each day; return the schedule.

    Args:
        in_seconds: May be negative: the moment was missed.
        behind_seconds: How long ago the schedule was looked at last.
    """
    now = timezone.now()
    stop = now + timedelta(seconds=in_seconds)
    schedule = Schedule.objects.create(
        name=f"Stop {instance}",
        position=Schedule.objects.count() + 1,
        time_zone="UTC",
        instance=Instance.objects.get(instance_id=instance),
        mode=Schedule.Mode.ON,
        checked_until=now - timedelta(seconds=behind_seconds),
    )
    clock = time(stop.hour, stop.minute, stop.second)
    schedule.working_times.create(weekdays=list(range(7)), stop=clock)
    return schedule.pk


def send(task: str, times: int) -> None:
    """Have several workers do a regular task at once."""
    for _ in range(times):
        app.send_task(task)


def refresh() -> None:
    """Read the cloud now."""
    refresh_cloud("demo")


def keep_until(instance: str, actor: str, hours: float) -> None:
    """Have somebody keep an instance running; the regular task does what it takes."""
    overrides.create_override(
        instance=Instance.objects.select_related("cloud").get(instance_id=instance),
        actor=User.objects.get(username=actor),
        kind=Override.Kind.KEEP,
        until=timezone.now() + timedelta(hours=hours),
        starts_again=True,
    )


def last_stop(instance: str) -> str:
    """Why an instance stopped last; empty while it is not stopped."""
    row = Instance.objects.get(instance_id=instance)
    event = row.events.first()
    return event.reason if event and row.status == InstanceStatus.STOPPED else ""


def ask_about(tag: str) -> int:
    """Ask the owners of what has a tag, who let their time to answer go by.

    Returns:
        How many were asked.
    """
    policy = {
        "reason": "Test",
        "kind": Rule.Kind.STILL_NEEDED,
        "mode": Rule.Mode.ENFORCE,
        "acts": True,
        "tag": tag,
        "max_seconds": 1,
        "answer_seconds": 3600,
        "again_seconds": 3600,
    }
    rule, _ = Rule.objects.get_or_create(name=f"Still needed: {tag}", defaults=policy)
    questions.ask_owners(rule)
    asked = Question.objects.filter(rule=rule)
    return asked.update(announced_at=timezone.now(), deadline=timezone.now())


def questions_of(instance: str) -> list[str]:
    """What became of the questions about an instance."""
    asked = Question.objects.filter(instance__instance_id=instance)
    return list(asked.order_by("pk").values_list("state", flat=True))


def is_due(schedule: int) -> bool:
    """Whether a moment has come that was not looked at before."""
    row, now = schedules.with_times(schedule), timezone.now()
    since = row.checked_until or now
    return bool(schedules.moments_of(row, since=since, until=now)) or bool(
        ScheduleRun.objects.filter(schedule=schedule)
    )


def moments_of(schedule: int) -> list[str]:
    """What became of the moments of a schedule."""
    runs = ScheduleRun.objects.filter(schedule=schedule).order_by("moment")
    return list(runs.values_list("state", flat=True))


def set_role(name: str, role: str) -> int:
    """Change what somebody may do; return when it was so, Unix ms."""
    User.objects.filter(username=name).update(role=role)
    return int(timezone.now().timestamp() * 1000)


def set_owner(instance: str, name: str) -> None:
    """Have the mirror say that an instance is somebody else's; until it is read."""
    row = Instance.objects.filter(instance_id=instance)
    row.update(owner_name=name, owner_id="f" * 32)


def columns() -> list[str]:
    """Those of the edits' table, in the database and not in the models."""
    with connection.cursor() as cursor:
        table = Edit._meta.db_table
        found = connection.introspection.get_table_description(cursor, table)
    return [column.name for column in found]


def spoil_cache(harm: str) -> int:
    """Spoil all that the cache holds, or could hold; return how many keys that was.

    Args:
        harm: ``wrong_types``, ``wrong_values`` or ``empty``.
    """
    client = shared_redis()
    names = set(client.keys("*")) | {b"curfew:live:" + one for one in LIVE}
    # At once: processes write some of them again within a moment.
    with client.pipeline() as pipe:
        pipe.flushdb()
        for name in names:
            if harm == "wrong_types":
                pipe.rpush(name, "x", "y")
            elif harm == "wrong_values":
                pipe.set(name, b"\x80{no json")
        pipe.execute()
    return len(names)


def queue_garbage() -> None:
    """Put a message into the edits' queue that is not even JSON."""
    with app.connection_for_write() as connection:
        connection.default_channel.client.lpush("edits", b"{no json")


def collect() -> dict[str, Any]:
    """What the database can testify."""
    return evidence.from_database()


ORDERS = {
    order.__name__: order
    for order in (
        prepare,
        instances,
        mirror_is_whole,
        submit,
        extend,
        enqueue,
        edits,
        edits_of,
        held.hold_writes,
        held.release_writes,
        held.somebody_waits,
        open_edits,
        watched_queues,
        cloud,
        refreshed_ms,
        probe_at_once,
        add_schedule,
        send,
        refresh,
        keep_until,
        last_stop,
        ask_about,
        questions_of,
        is_due,
        moments_of,
        set_role,
        set_owner,
        columns,
        spoil_cache,
        queue_garbage,
        collect,
        interleavings.refresh_and_claim,
        interleavings.refresh_and_record,
    )
}


def _forget_connections() -> None:
    """The database may be another process by the next order."""
    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()


if __name__ == "__main__":
    never_wait_for_the_broker()
    obey(ORDERS, afterwards=_forget_connections)
