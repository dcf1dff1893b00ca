"""Worker side: ask the cloud, write into the mirror what changed.

Only changed rows are written. An unreadable document never stops the others, and only
a complete listing says that something is gone. A refresh counts as done when its last
step was seen to succeed; until then its record says that it was interrupted.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection, models, transaction
from django.db.models import F, Q
from django.utils import timezone

from dashboard.modelarts import schemas
from dashboard.modelarts.client import (
    InstancePage,
    Observation,
    UnreadableInstance,
    upstream_skew_ms,
)
from dashboard.modelarts.errors import InstanceNotFoundError, ModelArtsError
from dashboard.modelarts.schemas import TRANSITIONAL
from dashboard.web.stored_messages import Message

from . import causes, messages, run_state, upstream, worker_liveness
from .models import Cloud, FleetVersion, Instance
from .progress import Progress
from .sync import SyncBatch
from .unchanged import DocumentCache

log = structlog.get_logger(__name__)

PAGE_SIZE = 200
READ_SECONDS = 60.0
"""After this long the rest of a listing is left to the next task: the page under way
must still end before the task's soft time limit."""

LEASE = timedelta(seconds=120)
"""Longer than the hard time limit of the refreshing task."""

SKEW_TOLERANCE_MS = 1_500
"""``remain_time`` is rounded up to a second, so an estimate wobbles by that much."""

CLOCKS_APART = timedelta(minutes=1)
"""What lies further in the future was not written by this clock as it goes now."""

REFRESH_AGAIN_AFTER = timedelta(seconds=4)
EXPECTING_CHANGE_FOR = timedelta(minutes=5)
MOST_REFRESHES = 20

_INTERRUPTED = messages.REFRESH_INTERRUPTED()


@dataclass
class Outcome:
    """What one refresh did.

    Attributes:
        seen: How many instances the listing has held so far.
        counted: How many there are, as the cloud says.
        is_partial: Whether the next refresh goes on where this one ended.
        adds_up: Whether the listing is complete and held as many as the cloud counts.
        problem: Why it failed; empty when it did not.
        code: The upstream's code for that.
    """

    cloud: str
    seen: int = 0
    counted: int = 0
    new: int = 0
    changed: int = 0
    missing: int = 0
    unreadable: int = 0
    is_partial: bool = False
    adds_up: bool = False
    problem: Message = _INTERRUPTED
    code: str = ""


def ensure_clouds() -> list[Cloud]:
    """The rows of the configured clouds, made where they are new.

    Raises:
        ConfigurationError: No cloud is described anywhere, or one has a name that
            cannot be used.
    """
    names = upstream.usable_cloud_names()
    Cloud.objects.bulk_create(
        [Cloud(name=name) for name in names], ignore_conflicts=True
    )
    return list(Cloud.objects.filter(name__in=names))


def due_clouds(max_age: timedelta, clouds: list[Cloud] | None = None) -> list[Cloud]:
    """The clouds whose last refresh was begun longer ago than ``max_age``.

    One that was begun in the future counts, too: then our clock was set back, and the
    mirror must not stand still until it has made up for that.

    Args:
        max_age: See above.
        clouds: Those that are configured; looked up where they are not given.
    """
    now = timezone.now()
    return [
        cloud
        for cloud in (ensure_clouds() if clouds is None else clouds)
        if cloud.attempted_at is None
        or not now - max_age < cloud.attempted_at <= now + CLOCKS_APART
    ]


def refresh_cloud(name: str) -> Outcome | None:
    """List one cloud and bring the mirror up to date.

    Args:
        name: ``Cloud.name``.

    Returns:
        What was done; None when another process is refreshing this cloud.
    """
    if not _claim(name):
        return None
    cloud = Cloud.objects.get(name=name)
    progress, outcome = Progress.of(cloud), Outcome(name)
    try:
        _refresh(cloud, progress, outcome)
        outcome.problem = Message()
    except ModelArtsError as error:
        outcome.problem = messages.message_of(error)
        outcome.code = error.error_code or ""
    except SoftTimeLimitExceeded:
        outcome.problem = messages.REFRESH_TOOK_TOO_LONG()
    except Exception:
        log.exception("refresh failed", cloud=name)
        outcome.problem = messages.REFRESH_FAILED()
    finally:
        _record(cloud, progress, outcome)
    if outcome.new:
        _count_values()
    log.info("cloud refreshed", **vars(outcome) | {"problem": str(outcome.problem)})
    return outcome


def _claim(name: str) -> bool:
    """Take the lease; False when somebody who lives has it."""
    lease_owner = worker_liveness.current_worker()
    now = timezone.now()
    # Nobody leases for longer, so later is a clock that was set back since.
    latest = now + LEASE + CLOCKS_APART
    free = (
        Q(refresh_lease_until=None)
        | Q(refresh_lease_until__lte=now)
        | Q(refresh_lease_until__gt=latest)
    )
    cloud = Cloud.objects.filter(name=name)
    with transaction.atomic():
        held_by = (
            cloud.exclude(free).values_list("refresh_lease_owner", flat=True).first()
        )
        if held_by is not None and worker_liveness.dead_workers([held_by]):
            free |= Q(refresh_lease_owner=held_by)
        claimed = cloud.filter(free).update(
            refresh_lease_until=now + LEASE,
            refresh_lease_owner=lease_owner,
            attempted_at=now,
        )
    return bool(claimed)


def _count_values() -> None:
    """Tell the database how often which values occur.

    Without that SQLite sorts thousands of rows to list a hundred, and PostgreSQL does
    until its own housekeeping comes by.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Instance._meta.db_table}")


def _refresh(cloud: Cloud, progress: Progress, outcome: Outcome) -> None:
    ends_at = time.monotonic() + READ_SECONDS
    known = DocumentCache(cloud)
    present = Instance.objects.filter(cloud=cloud, missing_since=None)
    pages = upstream.client_for(cloud.name).list_instances(
        page_size=PAGE_SIZE,
        unchanged=known.unchanged,
        offset=progress.next_offset,
        seen=progress.seen,
        expected=present.count(),
    )
    while not progress.is_complete:
        if progress.has_advanced and time.monotonic() >= ends_at:
            break
        asked_at = timezone.now()
        page = next(pages)
        _follow_clock(cloud, page.instances, page)
        outcome.unreadable += len(page.unreadable)
        known.remember(
            _write(cloud, page.instances, page.unreadable, asked_at, outcome)
        )
        progress.add(page)
    outcome.seen, outcome.counted = progress.listed, progress.counted
    outcome.is_partial = not progress.is_complete
    outcome.adds_up = progress.adds_up
    if progress.is_complete:
        known.forget_all_but(progress.seen)
    if progress.adds_up:
        outcome.missing = _mark_missing(present, progress.seen)
    else:
        log.warning("listing incomplete", cloud=cloud.name, seen=progress.listed)


def _record(cloud: Cloud, progress: Progress, outcome: Outcome) -> None:
    now = timezone.now()
    fields: dict[str, Any] = {
        "refresh_lease_until": None,
        "refresh_lease_owner": None,
        "problem": outcome.problem,
        "problem_code": outcome.code[:64],
        "problem_since": (cloud.problem_since or now) if outcome.problem else None,
    }
    if outcome.adds_up:
        fields |= {"incomplete": "", "incomplete_since": None}
        fields |= {"listed": None, "counted": None}
        if not outcome.problem:
            fields["refreshed_at"] = now
    elif not outcome.problem:
        partly, wrong = Cloud.Incomplete.PARTLY_READ, Cloud.Incomplete.WRONG_COUNT
        fields["incomplete"] = str(partly if outcome.is_partial else wrong)
        fields["incomplete_since"] = cloud.incomplete_since or now
        fields |= {"listed": outcome.seen, "counted": outcome.counted}
    if not outcome.problem:
        # It answers: edits need not wait for their next probe.
        fields |= {"failures": 0, "held_until": None}
        fields |= {"held_since": None, "hold_reason": Message()}
    with transaction.atomic():
        progress.keep(failed=bool(outcome.problem))
        row = Cloud.objects.filter(pk=cloud.pk)
        held = row.filter(held_since__isnull=False).exists()
        row.update(**fields)
        shown = ("problem", "incomplete", "listed", "counted")
        looks_different = any(
            name in fields and fields[name] != getattr(cloud, name) for name in shown
        )
        released = held and not outcome.problem
        if looks_different or cloud.refreshed_at is None or released:
            FleetVersion.stamp()


def _follow_clock(
    cloud: Cloud, instances: list[schemas.Instance], answer: InstancePage | Observation
) -> None:
    skew = upstream_skew_ms(instances, answer.clock)
    if skew is not None and abs(skew - cloud.skew_ms) > SKEW_TOLERANCE_MS:
        cloud.skew_ms = skew
        Cloud.objects.filter(pk=cloud.pk).update(skew_ms=skew)


def apply_observation(cloud: Cloud, observation: Observation) -> Instance:
    """Write one instance that was asked for by itself; call it in a transaction.

    Returns:
        The row as it is now, stamped with a new version if it looks different.
    """
    wire = observation.instance
    _follow_clock(cloud, [wire], observation)
    now = timezone.now()
    _write_together(cloud, [wire], [], now, Outcome(cloud.name))
    rows = Instance.objects.filter(cloud=cloud, instance_id=wire.id)
    rows.update(looked_at=now)
    return rows.get()


def _write(
    cloud: Cloud,
    instances: list[schemas.Instance],
    unreadable: list[UnreadableInstance],
    asked_at: datetime,
    outcome: Outcome,
) -> dict[str, str]:
    """Write a page; where it is refused for the sake of one, all but that one.

    Returns:
        The content hashes that follow from the documents alone.
    """
    together = _try_to_write(cloud, instances, unreadable, asked_at, outcome)
    if together is not None:
        return together
    hashes: dict[str, str] = {}
    for wire in instances:
        alone = _try_to_write(cloud, [wire], [], asked_at, outcome)
        if alone is not None:
            hashes |= alone
            continue
        outcome.unreadable += 1
        named = (wire.id, wire.id, wire.name, wire.status)
        unreadable = [*unreadable, UnreadableInstance(*named, "document")]
    for bad in unreadable:
        _try_to_write(cloud, [], [bad], asked_at, outcome)
    return hashes


def _try_to_write(
    cloud: Cloud,
    instances: list[schemas.Instance],
    unreadable: list[UnreadableInstance],
    asked_at: datetime,
    outcome: Outcome,
) -> dict[str, str] | None:
    """As ``_write_together``; None where a document is at fault, which is logged."""
    try:
        return _write_together(cloud, instances, unreadable, asked_at, outcome)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception:
        ids = [wire.id for wire in instances][:5]
        log.exception("documents refused", cloud=cloud.name, instances=ids)
        return None


def _write_together(
    cloud: Cloud,
    instances: list[schemas.Instance],
    unreadable: list[UnreadableInstance],
    asked_at: datetime,
    outcome: Outcome,
) -> dict[str, str]:
    ids = [wire.id for wire in instances]
    ids += [bad.instance_id for bad in unreadable if bad.instance_id]
    with transaction.atomic():
        known = {
            row.instance_id: row
            for row in Instance.objects.select_for_update()
            .filter(cloud=cloud, instance_id__in=ids)
            # Large, and rarely looked at.
            .defer("document", "search_text")
            .fetch_mode(models.FETCH_PEERS)
        }
        now = timezone.now()
        changes = SyncBatch(cloud, known, now)
        for wire in instances:
            row = known.get(wire.id)
            # Somebody looked at it by itself after this listing was asked for.
            looked_at = row and row.looked_at
            if looked_at and asked_at < looked_at <= now + CLOCKS_APART:
                continue
            changes.add(wire)
        for bad in unreadable:
            changes.add_unreadable(bad)
        changes.save()
    outcome.new += len(changes.new)
    outcome.changed += len(changes.changed)
    return changes.hashes


def _mark_missing(present: models.QuerySet[Instance], seen: set[str]) -> int:
    gone = [
        pk
        for pk, instance_id in present.values_list("pk", "instance_id")
        if instance_id not in seen
    ]
    return mark_missing(gone)


def mark_missing(pks: Iterable[int]) -> int:
    """Grey instances that the cloud no longer knows; they are kept, never dropped.

    Returns:
        How many became missing just now.
    """
    with transaction.atomic():
        rows = Instance.objects.filter(pk__in=list(pks), missing_since=None)
        vanished = list(rows.select_related("cloud").defer("document", "search_text"))
        gone = [row.pk for row in vanished]
        for row in vanished:
            causes.note_vanished(row)
        if gone:
            rows.update(missing_since=timezone.now(), stops_at=None)
            FleetVersion.stamp(Instance.objects.filter(pk__in=gone))
    return len(gone)


def instances_expecting_change(cloud: Cloud) -> list[Instance]:
    """Instances about which news is expected any moment, longest unseen first.

    Those in a transition and those past their stop, for some minutes; a long queue is
    left to the ordinary refresh.
    """
    now = timezone.now()
    in_transition = Q(
        status__in=TRANSITIONAL, status_since__gte=now - EXPECTING_CHANGE_FOR
    )
    past_its_stop = run_state.ends_by(now) & Q(
        run_ends_at__gte=now - EXPECTING_CHANGE_FOR
    )
    unseen = Q(looked_at=None) | Q(looked_at__lte=now - REFRESH_AGAIN_AFTER)
    return list(
        Instance.objects.filter(in_transition | past_its_stop, unseen)
        .filter(cloud=cloud, missing_since=None)
        .order_by(F("looked_at").asc(nulls_first=True))[:MOST_REFRESHES]
    )


def read_instance(instance: Instance) -> None:
    """Ask the cloud about one instance and write down the answer.

    Raises:
        ModelArtsError: The cloud could not be asked; the mirror stays as it is.
    """
    client = upstream.client_for(instance.cloud.name)
    try:
        observation = client.show_instance(instance.instance_id)
    except InstanceNotFoundError:
        mark_missing([instance.pk])
        return
    with transaction.atomic():
        apply_observation(instance.cloud, observation)
