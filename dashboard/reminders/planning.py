"""Writes the reminders that have become due.

Reading and comparing hold no lock. The results are written in small transactions, since
SQLite has one lock for all writers, and edits wait for it, too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import batched

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from dashboard.policies.models import PlannedStop
from dashboard.policies.questions import record_announcement
from dashboard.policies.stops import record_warning
from dashboard.schedules.overrides import record_end_announced

from . import budget_warnings, candidates, expiry, team_events
from .candidates import AnnouncedStops, Candidate
from .grouping import group
from .models import MAX_EVENT_AGE, Reminder
from .on_call import duty_at
from .recipients import all_recipients
from .selectors import acknowledgements

_LOCK = 0x52656D69  # "Remi"


def plan(now: datetime | None = None) -> int:
    """Write the reminders that have become due and return how many."""
    now = now or timezone.now()
    expiry.expire_stalled(now)
    expiry.delete_old(now)
    expiry.expire_invalid(now)
    recipients = all_recipients(duty_at(now))
    policy_stops = candidates.policy_stops(now)
    questions = candidates.open_questions(now)
    ending_overrides = candidates.overrides_to_announce(now)
    known, new = _known_keys(now), []
    for candidate in (
        *candidates.stops(recipients, now),
        *team_events.failures(recipients, now),
        *team_events.failed_edits(recipients, now),
        *team_events.late_stops(recipients, now),
        *team_events.resolved(recipients, now),
        *team_events.runs_without_end(recipients, now),
        *team_events.unreadable_clouds(recipients, now),
        *candidates.warnings(policy_stops, recipients, now),
        *candidates.scheduled_stops(recipients, now),
        *team_events.missed_moments(recipients, now),
        *budget_warnings.reached(recipients, now),
        *candidates.questions(questions, recipients, now),
        *candidates.done_by_others(recipients, now),
        *team_events.requests(recipients, now),
        *candidates.answers(recipients, now),
        *team_events.approvals(recipients, now),
        *candidates.approval_answers(recipients, now),
        *candidates.announced_stops(recipients, now),
        *candidates.ending_exceptions(recipients, now),
        *candidates.ending_overrides(ending_overrides, recipients),
        *team_events.escalated(recipients, now),
    ):
        if candidate.key not in known:
            known.add(candidate.key)
            new.append(candidate)
    new = _unacknowledged(new)
    # The nearest first, in case this process dies in between.
    new.sort(key=lambda candidate: candidate.fields["moment"])
    written = sum(write(part, now) for part in batched(new, expiry.AT_ONCE))
    if ending_overrides:
        record_end_announced(ending_overrides, now)
    # Only after the warnings: policies stop nothing without this.
    if unwarned := [stop.pk for stop in policy_stops if stop.warned_at is None]:
        least = timedelta(minutes=min(settings.CURFEW.policy_warning_minutes))
        record_warning(plans=unwarned, least=least, now=now)
    if unannounced := [item for item in questions if item.announced_at is None]:
        record_announcement(questions=unannounced, now=now)
    return written


def due() -> list[int]:
    """Return the reminders to send now, the oldest first, at most 50."""
    waiting = Reminder.objects.filter(
        state=Reminder.State.WAITING, due_at__lte=timezone.now()
    )
    return list(waiting.order_by("due_at", "pk").values_list("pk", flat=True)[:50])


def _known_keys(now: datetime) -> set[str]:
    # Twice as long as the planner looks back: it reads an event after it happens.
    recent = Reminder.objects.filter(created_at__gt=now - 2 * MAX_EVENT_AGE)
    warnings = Reminder.objects.filter(
        planned_stop__in=PlannedStop.objects.filter(ended_at=None)
    )
    # A run without an end, a question and an exception are announced once.
    lasting = Reminder.objects.filter(
        kind__in=[Reminder.Kind.NO_END, Reminder.Kind.ENDING, Reminder.Kind.QUESTION]
    )
    return {
        key
        for reminders in (recent, warnings, lasting)
        for key in reminders.order_by().values_list("key", flat=True)
    }


def _unacknowledged(new: list[Candidate]) -> list[Candidate]:
    """Skip what someone looks after, also for the next person on call."""
    events = {item.event for item in new if item.fields.get("for_team")}
    if not events:
        return new
    known = acknowledgements(events)
    return [item for item in new if item.recipient.channel or item.event not in known]


@transaction.atomic
def write(new: Sequence[Candidate], now: datetime) -> int:
    """Write the reminders that do not exist yet, and return how many."""
    # Wait until no other planner runs; SQLite has only one writer anyway.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    # Another planner may have announced a stop that it read some seconds off.
    instances = {
        candidate.fields["instance_id"]
        for candidate in new
        if "instance_id" in candidate.fields
    }
    announced = AnnouncedStops(now, instances)
    keys = [candidate.key for candidate in new]
    written = set(Reminder.objects.filter(key__in=keys).values_list("key", flat=True))
    reminders = group(
        [
            candidate
            for candidate in new
            if candidate.key not in written and not announced.include(candidate)
        ],
        now,
    )
    Reminder.objects.bulk_create(reminders)
    return len(reminders)
