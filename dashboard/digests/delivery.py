"""Sends digests in a worker: claim, send, record.

As with reminders, the claim is committed before anything is sent. If a worker dies in
between, the digest of that week is not sent again.
"""

from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.reminders import mailing, messages
from dashboard.reminders.outcome import Kind, Outcome, not_sent, unknown

from . import mails
from .models import Digest
from .weeks import Week, is_quiet, last_week, subscribers, wants, zone_of

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
"""Longer than a task's hard time limit: after it the worker is dead."""

FIRST_PAUSE, MAX_PAUSE = timedelta(minutes=15), timedelta(hours=2)
ONE_TRIES = timedelta(minutes=10)
"""After a digest was not sent, no other is tried for so long."""

AT_ONCE = 200
"""Digests of one round: notifications wait behind them."""

KEPT = timedelta(days=400)

State = Digest.State
_STATES: dict[str, str] = {
    Kind.SENT: State.SENT,
    Kind.REFUSED: State.FAILED,
    Kind.UNKNOWN: State.UNKNOWN,
    Kind.NOT_SENT: State.WAITING,
}


def due(now: datetime) -> list[int]:
    """Return the people whose digest is due, as ``User.pk``; new ones first."""
    recent = Digest.objects.filter(tried_at__gt=now - timedelta(days=14))
    known = {(row.person_id, row.week): row for row in recent}
    found: list[tuple[int, int]] = []
    for person in subscribers():
        week = last_week(zone_of(person), now)
        row = known.get((person.pk, week.monday))
        if not week.is_due(now) or is_quiet(person, now):
            continue
        if row is None or _may_retry(row, now):
            found.append((row.tries if row else 0, person.pk))
    return [pk for _tries, pk in sorted(found)[:AT_ONCE]]


def deliver(person_pk: int) -> None:
    """Send the digest of one person, unless there is nothing to do or to say."""
    claimed = claim(person_pk)
    if claimed is None:
        return
    digest, week = claimed
    try:
        mail = mails.write(digest.person, week, timezone.now())
    except Exception:
        record(digest, week, not_sent(messages.INTERNAL_ERROR()))
        raise
    if mail is None:
        _end(digest, state=State.EMPTY)
        return
    try:
        outcome = mailing.send(mail)
    except BaseException:
        # This includes time limits.
        record(digest, week, unknown(messages.INTERRUPTED()))
        raise
    record(digest, week, outcome)


def claim(person_pk: int) -> tuple[Digest, Week] | None:
    """Return the row to send, committed, and its week; None if there is none."""
    now = timezone.now()
    people = User.objects.select_related("reminder_preferences")
    person = people.filter(pk=person_pk).first()
    if person is None or not wants(person) or is_quiet(person, now):
        return None
    week = last_week(zone_of(person), now)
    if not week.is_due(now) or _others_fail(person, now):
        return None
    rows = Digest.objects.filter(person=person, week=week.monday)
    claimed = {
        "state": State.SENDING,
        "tried_at": now,
        "next_at": None,
        "lease_until": now + LEASE,
    }
    waiting = rows.filter(state=State.WAITING, next_at__lte=now)
    if not waiting.update(tries=F("tries") + 1, **claimed):
        try:
            with transaction.atomic():
                Digest.objects.create(person=person, week=week.monday, **claimed)
        except IntegrityError:
            return None
    return rows.select_related("person").get(), week


def record(digest: Digest, week: Week, outcome: Outcome) -> None:
    """Store the outcome, unless the attempt counts as lost by now."""
    now, state, next_at = timezone.now(), _STATES[outcome.kind], None
    if state == State.WAITING:
        next_at = now + min(FIRST_PAUSE * 2 ** (digest.tries - 1), MAX_PAUSE)
        if next_at >= week.expires_at:
            state, next_at = State.FAILED, None
    _end(digest, state=state, next_at=next_at, note=outcome.detail)
    log.info(
        "digest tried",
        digest=digest.pk,
        outcome=str(outcome.kind),
        detail=str(outcome.detail),
    )


def clean_up(now: datetime) -> None:
    """Close what a worker that died left behind, and delete old rows."""
    lost = Digest.objects.filter(state=State.SENDING, lease_until__lte=now)
    if number := lost.update(
        state=State.UNKNOWN, lease_until=None, note=messages.WORKER_ENDED()
    ):
        log.warning("digests perhaps sent", digests=number)
    given_up = Q(next_at__lte=now - MAX_PAUSE - FIRST_PAUSE)
    Digest.objects.filter(given_up, state=State.WAITING).update(
        state=State.FAILED, next_at=None
    )
    Digest.objects.filter(tried_at__lt=now - KEPT).delete()


def _may_retry(row: Digest, now: datetime) -> bool:
    is_waiting = row.state == State.WAITING
    return is_waiting and row.next_at is not None and row.next_at <= now


def _others_fail(person: User, now: datetime) -> bool:
    """Return whether the mail server has just failed, so that one at a time tries."""
    failed = Digest.objects.filter(state=State.WAITING, tried_at__gt=now - ONE_TRIES)
    return failed.exclude(person=person).exists()


def _end(digest: Digest, **changes: object) -> None:
    mine = Digest.objects.filter(pk=digest.pk, state=State.SENDING, tries=digest.tries)
    if not mine.update(lease_until=None, **changes):
        log.warning("digest recorded too late", digest=digest.pk)
