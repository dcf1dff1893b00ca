"""Reads whole clouds into the mirror.

An unreadable document does not stop the others, and only a complete listing shows that
an instance is missing. A refresh is stored as interrupted until its last step succeeds.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from dashboard.modelarts.errors import (
    ModelArtsError,
    NotServedError,
    PermissionRefusedError,
)
from dashboard.modelarts.instance_api import InstanceApi
from dashboard.modelarts.results import InstancePage
from dashboard.web.stored_messages import Message

from . import gaps, messages, upstream, worker_liveness
from .clock_skew import follow_clock
from .document_cache import DocumentCache
from .models import Cloud, FleetVersion, Instance
from .observations import MAX_REFRESHES, read_instance
from .progress import Progress
from .served_generations import ServedGenerations
from .signals import gap_ended
from .sync import CLOCKS_APART, mark_missing, sync_page

log = structlog.get_logger(__name__)

PAGE_SIZE = 200
READ_SECONDS = 60.0
"""After this long the next task continues the listing. The page under way must still
end before the soft time limit of this task."""

LEASE = timedelta(seconds=120)
"""Longer than the hard time limit of the refreshing task."""

_NEVER = datetime.min.replace(tzinfo=UTC)

_INTERRUPTED = messages.REFRESH_INTERRUPTED()


@dataclass
class Outcome:
    """What one refresh did.

    Attributes:
        seen: Number of instances that the listing has contained so far.
        counted: Number of instances that the cloud says there are.
        is_partial: Whether the next refresh continues this listing.
        adds_up: Whether the listing is complete and has as many instances as the cloud
            reports.
        problem: Why it failed; empty when it did not.
        code: The cloud's code for the problem.
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
    """Return the rows of the configured clouds; create the missing ones.

    Raises:
        ConfigurationError: No cloud is configured, or one has an unusable name.
    """
    names = upstream.cloud_names()
    Cloud.objects.bulk_create(
        [Cloud(name=name) for name in names], ignore_conflicts=True
    )
    return list(Cloud.objects.filter(name__in=names))


def due_clouds(clouds: list[Cloud], max_age: timedelta) -> list[Cloud]:
    """Return the clouds whose last refresh began longer than ``max_age`` ago.

    A refresh that seems to begin in the future counts, too: it was stored before our
    clock was set back. The one that has waited longest comes first. Messages expire, so
    that workers which fall behind would otherwise never read the last clouds.
    """
    now = timezone.now()
    due = [
        cloud
        for cloud in clouds
        if cloud.attempted_at is None
        or not now - max_age < cloud.attempted_at <= now + CLOCKS_APART
    ]
    return sorted(due, key=lambda cloud: cloud.attempted_at or _NEVER)


def refresh_cloud(name: str) -> Outcome | None:
    """Read a cloud into the mirror; None if another process is doing so."""
    if not _claim(name):
        return None
    cloud = Cloud.objects.get(name=name)
    progress, outcome = Progress.of(cloud), Outcome(name)
    try:
        outcome.problem = _refresh(cloud, progress, outcome)
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
        _update_statistics()
    log.info("cloud refreshed", **vars(outcome) | {"problem": str(outcome.problem)})
    return outcome


def _claim(name: str) -> bool:
    """Take the lease; False if a living worker has it."""
    this_worker = worker_liveness.current_worker()
    now = timezone.now()
    # A lease that ends later is ignored: it was stored before the clock was set back.
    latest = now + LEASE + CLOCKS_APART
    free = (
        Q(refresh_lease_until=None)
        | Q(refresh_lease_until__lte=now)
        | Q(refresh_lease_until__gt=latest)
    )
    cloud = Cloud.objects.filter(name=name)
    with transaction.atomic():
        leased = cloud.exclude(free).values_list("refresh_lease_owner", flat=True)
        lease_owner = leased.first()
        if lease_owner is not None and worker_liveness.dead_workers([lease_owner]):
            free |= Q(refresh_lease_owner=lease_owner)
        claimed = cloud.filter(free).update(
            refresh_lease_until=now + LEASE,
            refresh_lease_owner=this_worker,
            attempted_at=now,
        )
    return bool(claimed)


def _update_statistics() -> None:
    """Update the database's statistics of the values of the columns.

    Without them SQLite sorts thousands of rows to list a hundred, and so does
    PostgreSQL until its next autovacuum.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Instance._meta.db_table}")


def _refresh(cloud: Cloud, progress: Progress, outcome: Outcome) -> Message:
    """List each generation of the API that the cloud serves, one after the other.

    Returns:
        Why some instances can no longer be read; empty if all can.

    Raises:
        ModelArtsError: A listing could not be read, or none is served.
    """
    ends_at = time.monotonic() + READ_SECONDS
    client = upstream.client_for(cloud.name)
    served = ServedGenerations(cloud, client.config)
    known = DocumentCache(cloud)
    for generation in progress.remaining:
        if not served.is_asked(generation):
            continue
        progress.begin(generation)
        expected = served.present.get(generation, 0)
        pages = _pages(client.api(generation), progress, known, expected)
        try:
            has_ended = _read_pages(pages, progress, known, ends_at, outcome)
        except NotServedError as error:
            progress.drop(generation)
            served.record_refusal(generation, error)
            continue
        if progress.totals[generation]:
            served.record_answer(generation)
        if not has_ended:
            break
    else:
        progress.is_complete = True
        served.check_any()
        served.record_completion(progress.totals)
    served.record_scope(progress.notebooks_scope)
    outcome.seen, outcome.counted = progress.listed, progress.counted
    outcome.is_partial = not progress.is_complete
    outcome.adds_up = progress.adds_up
    if not progress.is_complete:
        return Message()
    known.forget_all_but(progress.all_seen)
    if progress.adds_up:
        kept = [*served.lost(), *progress.partly_listed]
        outcome.missing = _mark_missing(cloud, progress, kept)
        _read_unlisted(cloud, progress, ends_at)
    else:
        log.warning("listing incomplete", cloud=cloud.name, seen=progress.listed)
    return served.problem()


def _pages(
    api: InstanceApi, progress: Progress, known: DocumentCache, expected: int
) -> Iterator[InstancePage]:
    if progress.scopes.get(api.generation) == Cloud.Scope.OWN:
        expected = 0  # the mirror may have instances of others
    return api.list_instances(
        page_size=PAGE_SIZE,
        find_unchanged=known.find_unchanged,
        offset=progress.next_offset,
        seen=progress.seen[api.generation],
        expected=expected,
    )


def _read_pages(
    pages: Iterator[InstancePage],
    progress: Progress,
    known: DocumentCache,
    ends_at: float,
    outcome: Outcome,
) -> bool:
    """Read pages into the mirror until the time is over; return whether all were."""
    cloud = progress.cloud
    while not progress.has_advanced or time.monotonic() < ends_at:
        requested_at = timezone.now()
        page = next(pages)
        follow_clock(cloud, page.instances, page)
        was_listed = progress.is_listed_before
        instances = [wire for wire in page.instances if not was_listed(wire.id)]
        unreadable = [bad for bad in page.unreadable if not was_listed(bad.instance_id)]
        for batch in sync_page(cloud, instances, unreadable, requested_at):
            outcome.new += len(batch.new)
            outcome.changed += len(batch.changed)
            outcome.unreadable += batch.unreadable
            known.remember(batch.hashes)
        progress.add(page)
        if page.is_last:
            return True
    return False


def _mark_missing(cloud: Cloud, progress: Progress, kept: list[str]) -> int:
    """Mark the instances that no listing contains; return how many there were.

    Args:
        kept: Generations whose instances stay as they were last seen.
    """
    present = Instance.objects.filter(cloud=cloud, missing_since=None)
    ids = present.exclude(generation__in=kept).values_list("pk", "instance_id")
    seen = progress.all_seen
    gone = [pk for pk, instance_id in ids if instance_id not in seen]
    return mark_missing(Instance.objects.filter(pk__in=gone))


def _read_unlisted(cloud: Cloud, progress: Progress, ends_at: float) -> None:
    """Read instances that a listing without administrator rights does not contain.

    Those read longest ago come first, a few at a time. One that does not exist is
    marked as missing, one that may not be read stays as it was last seen.
    """
    if not progress.partly_listed:
        return
    present = Instance.objects.filter(cloud=cloud, missing_since=None)
    by_age = F("looked_at").asc(nulls_first=True)
    ids = present.filter(generation__in=progress.partly_listed).order_by(by_age, "pk")
    seen = progress.all_seen
    pks = [
        pk
        for pk, instance_id in ids.values_list("pk", "instance_id")
        if instance_id not in seen
    ][:MAX_REFRESHES]
    for instance in Instance.objects.filter(pk__in=pks):
        if not instance.has_usable_id or time.monotonic() >= ends_at:
            continue
        instance.cloud = cloud
        try:
            read_instance(instance)
        except PermissionRefusedError:
            row = Instance.objects.filter(pk=instance.pk)
            row.update(looked_at=timezone.now())
        except ModelArtsError as error:
            log.info("instances not read", cloud=cloud.name, reason=error.sentence)
            return


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
    if not outcome.problem and not outcome.is_partial:
        fields["read_at"] = now
    if not outcome.problem:
        # The cloud answers, so edits need not wait for their next probe.
        fields |= {"failures": 0, "held_until": None}
        fields |= {"held_since": None, "hold_reason": Message()}
    with transaction.atomic():
        progress.keep(failed=bool(outcome.problem))
        row = Cloud.objects.filter(pk=cloud.pk)
        is_held = row.filter(held_since__isnull=False).exists()
        row.update(**fields)
        if "read_at" in fields and gaps.is_gap(cloud.read_at, now):
            gap_ended.send(Cloud, cloud=cloud, since=cloud.read_at, until=now)
        looks_different = any(
            name in fields and fields[name] != getattr(cloud, name)
            for name in ("problem", "incomplete", "listed", "counted")
        )
        is_released = is_held and not outcome.problem
        if looks_different or cloud.refreshed_at is None or is_released:
            FleetVersion.stamp()
