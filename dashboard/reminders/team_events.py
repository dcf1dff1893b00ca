"""The events of the team that are due now, for those who look after them.

Each function reads the events of one kind with a fixed number of queries. See
``docs/decisions/0022-grouped-notifications.md``.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain

from django.conf import settings
from django.db.models import Exists, F, Min, OuterRef, Q

from dashboard.accounts.permissions import Owner, can_approve_bulk
from dashboard.accounts.shifts import PublishedHandover
from dashboard.edits.late_stops import causes_of
from dashboard.edits.models import Edit
from dashboard.edits.selectors import (
    batches_waiting_for_approval,
)
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.run_state import WITHOUT_END, late_after, late_stop
from dashboard.modelarts.statuses import FAILED, InstanceStatus
from dashboard.policies.models import PlannedStop, RuleException
from dashboard.schedules.models import MomentKind, Schedule, ScheduleRun

from . import messages
from .candidates import SUBJECT, Candidate, unix_ms
from .models import (
    CORRECTION_SUFFIX,
    LIFETIME,
    MAX_EVENT_AGE,
    Acknowledgement,
    Reminder,
)
from .recipients import Recipients, Subject, unique

Kind, State = Reminder.Kind, Reminder.State

ACCELERATORS = ("GPU", "ASCEND")
NO_END_AFTER = timedelta(hours=1)
"""How long a GPU runs without an end before the team is notified."""
NO_END_LIFETIME = timedelta(days=7)
UNREADABLE_AFTER = timedelta(minutes=5)
"""How long a cloud cannot be read before the team is notified."""

TEAM_EVENTS: dict[str, str] = {
    Kind.FAILURE: "on_failure",
    Kind.EDIT: "on_failed_edit",
    Kind.OVERDUE: "on_overdue",
    Kind.NO_END: "on_no_end",
    Kind.CLOUD: "on_cloud",
    Kind.SILENCE: "on_cloud",
    Kind.MISSED: "on_failed_edit",
    Kind.REQUEST: "on_request",
    Kind.APPROVAL: "on_request",
    Kind.HANDOVER: "on_handover",
    Kind.BUDGET: "on_budget",
}
"""The kinds that the person on call looks after, and the setting of each."""


def failures(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield failures for their owners and for the team."""
    failed = Instance.objects.filter(
        status__in=FAILED, missing_since=None, status_since__gte=now - MAX_EVENT_AGE
    ).values_list(
        *("pk", "status_since"),
        *("cloud_id", "owner_id", "owner_name", "workspace_id"),
    )
    for instance, since, *subject in failed.order_by():
        assert since is not None  # noqa: S101 (the query selects it)
        about = Subject(*subject)
        in_scope = recipients.for_instance(about)
        owners = [item for item in in_scope if item.owns(about)]
        others = [item for item in in_scope if not item.owns(about)]
        team = recipients.team("on_failure", others)
        for recipient in unique([owners, team]):
            if recipient.settings.on_failure or recipient in team:
                yield Candidate(
                    recipient,
                    Kind.FAILURE,
                    f"{instance}:{unix_ms(since)}",
                    instance_id=instance,
                    moment=since,
                    for_team=recipient in team,
                )


def late_stops(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield instances that should have stopped, for the team, once for each stop."""
    late = Instance.objects.filter(
        late_stop(now), stop_due_at__gt=now - late_after() - MAX_EVENT_AGE
    ).defer("document", "search_text")
    instances = list(late.order_by())
    causes = causes_of(instances)
    # The end of a run varies by some seconds, so keys do not identify a stop.
    alarms = Reminder.objects.filter(
        kind=Kind.OVERDUE,
        is_list=False,
        instance__in=instances,
        created_at__gte=F("instance__stop_due_at"),
    )
    keys = alarms.order_by().values_list("instance_id", "key")
    known = {
        (instance, key.partition(f":{Kind.OVERDUE}:")[0]) for instance, key in keys
    }
    for instance in instances:
        due_at = instance.stop_due_at
        in_scope = recipients.for_instance(Subject.of(instance))
        for recipient in recipients.team("on_overdue", in_scope):
            if (instance.pk, recipient.name) not in known:
                yield Candidate(
                    recipient,
                    Kind.OVERDUE,
                    f"{instance.pk}:{unix_ms(due_at)}",
                    instance_id=instance.pk,
                    subject=causes[instance.pk],
                    moment=due_at,
                    for_team=True,
                )


def resolved(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield the ends of alarms for those who were sent them.

    In the page the alarm itself shows its end. Channels get one message when a late
    stop has happened, and with the mails one when Curfew reads clouds again.
    """
    same_run = Q(run_started_at=None) | Q(run_started_at__lte=OuterRef("created_at"))
    still_up = Instance.objects.filter(
        same_run, pk=OuterRef("instance_id"), missing_since=None, status__in=_UP
    )
    read_since = Cloud.objects.filter(
        unconfigured_since=None, refreshed_at__gt=OuterRef("created_at")
    )
    sent = Q(state__in=_SENT) | Q(state=State.GROUPED, part_of__state__in=_SENT)
    alarms = Reminder.objects.filter(
        sent,
        Q(kind=Kind.OVERDUE, channel__isnull=False) & ~Exists(still_up)
        | Q(kind=Kind.SILENCE) & ~Q(medium=Reminder.Medium.PAGE) & Exists(read_since),
        ~Exists(Reminder.objects.filter(resolves=OuterRef("pk"))),
        is_list=False,
        created_at__gt=now - LIFETIME,
    ).select_related("instance", "channel", "person")
    by_name = {recipient.name: recipient for recipient in recipients.everybody}
    for alarm in alarms.order_by("pk"):
        if recipient := by_name.get(alarm.recipient_name):
            stopped_at = alarm.instance and alarm.instance.status_since
            yield Candidate(
                recipient,
                Kind.RESOLVED,
                f"{alarm.pk}",
                instance_id=alarm.instance_id,
                resolves_id=alarm.pk,
                moment=max(alarm.created_at, stopped_at or now),
                expires_at=now + LIFETIME,
            )


_SENT = (State.SENT, State.UNKNOWN)
_UP = (
    *(InstanceStatus.RUNNING, InstanceStatus.STOPPING, InstanceStatus.SNAPSHOTTING),
    InstanceStatus.RESTARTING,
)
"""In these a run may not have ended."""


def runs_without_end(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield GPUs that have been running for an hour without an end, for the team.

    Each run is one event, however old it is: nothing else stops it.
    """
    planned = PlannedStop.objects.filter(instance=OuterRef("pk"), ended_at=None)
    runs = Instance.objects.filter(
        WITHOUT_END, ~Exists(planned), flavor_type__in=ACCELERATORS
    ).values_list(
        *("pk", "run_started_at", "status_since", "first_seen_at"),
        *("cloud_id", "owner_id", "owner_name", "workspace_id"),
    )
    for instance, started_at, status_since, seen_at, *subject in runs.order_by():
        since = started_at or status_since or seen_at
        if since > now - NO_END_AFTER:
            continue
        in_scope = recipients.for_instance(Subject(*subject))
        for recipient in recipients.team("on_no_end", in_scope):
            yield Candidate(
                recipient,
                Kind.NO_END,
                f"{instance}:{unix_ms(since)}",
                instance_id=instance,
                moment=since,
                expires_at=now + NO_END_LIFETIME,
                for_team=True,
            )


def unreadable_clouds(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    latest = now - UNREADABLE_AFTER
    clouds = Cloud.objects.filter(
        retired_at=None,
        problem_since__lte=latest,
        problem_since__gt=latest - MAX_EVENT_AGE,
    )
    for cloud in clouds:
        for recipient in recipients.team("on_cloud", recipients.for_cloud(cloud.pk)):
            yield Candidate(
                recipient,
                Kind.CLOUD,
                f"{cloud.pk}:{unix_ms(cloud.problem_since or now)}",
                cloud_id=cloud.pk,
                moment=cloud.problem_since,
                for_team=True,
            )


def failed_edits(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield failures of edits: people get their own, a channel all in its scope.

    The team gets those of policies, which nobody else would look after. The failures of
    a batch are one message to each recipient. A late write can correct the outcome of
    an edit. That is a message of its own, also to those in whose scope the instance is,
    since its settings are not what was reported.
    """
    earliest = now - MAX_EVENT_AGE
    failed = Q(
        state__in=[Edit.State.FAILED, Edit.State.CONFLICT], finished_at__gte=earliest
    )
    corrected = Q(outcome__in=Edit.CORRECTED, corrected_at__gte=earliest)
    edits = Edit.objects.filter(failed | corrected).order_by("finished_at")
    for (
        edit,
        batch,
        actor,
        instance,
        finished_at,
        outcome,
        at,
        *subject,
    ) in edits.values_list(
        *("pk", "batch_id", "actor_id", "instance_id", "finished_at"),
        *("outcome", "corrected_at", *SUBJECT),
    ):
        is_correction = outcome in Edit.CORRECTED
        event = f"b{batch}" if batch else f"{edit}"
        if is_correction:
            event = f"{edit}{CORRECTION_SUFFIX}"
        in_scope = recipients.for_instance(Subject(*subject))
        others = [item for item in in_scope if item.channel or is_correction]
        team = recipients.team("on_failed_edit", in_scope) if actor is None else []
        for recipient in unique([recipients.chosen_by(actor), others, team]):
            if recipient.settings.on_failed_edit or recipient in team:
                yield Candidate(
                    recipient,
                    Kind.EDIT,
                    event,
                    for_team=recipient in team,
                    instance_id=instance,
                    edit_id=edit,
                    moment=at if is_correction else finished_at,
                )


def missed_moments(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield moments that a schedule has missed, for the team."""
    missed = ScheduleRun.objects.filter(
        state=ScheduleRun.State.MISSED,
        schedule__mode=Schedule.Mode.ON,
        handled_at__gte=now - MAX_EVENT_AGE,
    )
    fleet = recipients.fleet("on_failed_edit")
    for run in missed.select_related("schedule").order_by("moment"):
        is_stop = run.kind == MomentKind.STOP
        subject = messages.MISSED_STOP if is_stop else messages.MISSED_START
        for recipient in recipients.team("on_failed_edit", fleet):
            yield Candidate(
                recipient,
                Kind.MISSED,
                f"{run.pk}",
                schedule_id=run.schedule_id,
                subject=subject(schedule=run.schedule.name),
                moment=run.moment,
                expires_at=run.handled_at + LIFETIME,
                for_team=True,
            )


def requests(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield requested exceptions for those who decide on them."""
    requested = RuleException.objects.filter(
        state=RuleException.State.ASKED, asked_at__gte=now - MAX_EVENT_AGE
    )
    for exception in requested.order_by("pk"):
        for recipient in recipients.team(
            "on_request", recipients.deciders, author=exception.asked_by_id
        ):
            yield Candidate(
                recipient,
                Kind.REQUEST,
                f"{exception.pk}",
                instance_id=exception.instance_id,
                exception_id=exception.pk,
                moment=exception.asked_at,
                expires_at=exception.until,
                for_team=True,
            )


def approvals(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield bulk changes that wait for an approval, for those who can give it."""
    for batch in batches_waiting_for_approval(now).defer("plan", "undo_of__plan"):
        owners = {
            Owner(*owner)
            for owner in Instance.objects.filter(pk__in=batch.selection)
            .order_by()
            .values_list("owner_id", "owner_name")
            .distinct()
        }
        able = [
            recipient
            for recipient in chain.from_iterable(recipients.by_person.values())
            if recipient.person
            and can_approve_bulk(recipient.person, batch.actor_id, owners)
        ]
        team = recipients.team("on_request", able, author=batch.actor_id)
        owning = [item for item in able if not item.is_of_team]
        for recipient in unique([team, owning]):
            yield Candidate(
                recipient,
                Kind.APPROVAL,
                f"{batch.pk}:{unix_ms(batch.approval_asked_at or now)}",
                batch_id=batch.pk,
                moment=batch.approval_asked_at,
                for_team=recipient in team,
            )


def published_handover(
    recipients: Recipients, handover: PublishedHandover
) -> Iterator[Candidate]:
    """Yield a handover for the next person, or else the team; and for channels."""
    author = handover.published_by.pk
    fleet = recipients.fleet("on_handover")
    for recipient in recipients.team("on_handover", fleet, author=author):
        yield Candidate(
            recipient,
            Kind.HANDOVER,
            f"{handover.number}",
            subject=handover.title,
            path=handover.path,
            moment=handover.published_at,
            for_team=True,
        )


def escalated(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield events that nobody acknowledged, for the next person, then for the team.

    Without anyone on call, the whole team has received them already.
    """
    every = timedelta(minutes=settings.CURFEW.escalation_minutes)
    if not every or recipients.duty.person_pk is None:
        return
    acknowledged = Acknowledgement.objects.filter(event=OuterRef("event"))
    waiting = Reminder.objects.filter(
        ~Exists(acknowledged),
        for_team=True,
        person__isnull=False,
        is_list=False,
        # A person takes over a handover on its page, and a budget has time until the
        # month ends. While Curfew reads nothing, no worker gets here.
        kind__in=TEAM_EVENTS.keys() - {Kind.HANDOVER, Kind.BUDGET, Kind.SILENCE},
        expires_at__gt=now,
        created_at__gt=now - LIFETIME,
    ).exclude(state__in=[State.CANCELLED, State.DROPPED])
    first = waiting.values("event").annotate(at=Min("created_at"), first=Min("pk"))
    overdue = {
        pk: now - at
        for at, pk in first.order_by().values_list("at", "first")
        if at <= now - every
    }
    if not overdue:
        return
    unanswered = Reminder.objects.filter(pk__in=overdue).select_related("exception")
    for reminder in unanswered.order_by("pk"):
        exception = reminder.exception
        event = reminder.event.removeprefix(f"{reminder.kind}:")
        setting = TEAM_EVENTS[reminder.kind]
        rounds = overdue[reminder.pk] // every
        for recipient in recipients.next_responders(setting, rounds):
            person = recipient.person
            if exception and person and exception.asked_by_id == person.pk:
                continue
            yield Candidate(
                recipient,
                reminder.kind,
                event,
                **{name: getattr(reminder, name) for name in _ESCALATED},
                for_team=True,
                is_escalated=True,
            )


_ESCALATED = (
    *("instance_id", "edit_id", "planned_stop_id", "exception_id", "cloud_id"),
    *("batch_id", "schedule_id"),
    *("subject", "path", "deadline_ms", "moment", "expires_at"),
)
