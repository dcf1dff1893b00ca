"""The notifications that are due now, whether or not they have been created before.

Those of the team are in ``team_events``. Each function reads the events of one kind
with a fixed number of queries.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.selectors import (
    announced_stops as announced_edits,
)
from dashboard.instances.mapping import SAME_RUN_MS
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.instances.run_state import RUNNING, ends_by
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.policies.models import PlannedStop, Question, RuleException
from dashboard.policies.selectors import planned_stops
from dashboard.schedules import overrides
from dashboard.schedules.models import MomentKind, Override
from dashboard.schedules.selectors import active_schedules, concerned, moments_of

from .models import (
    LIFETIME,
    MAX_EVENT_AGE,
    NotificationSettings,
    Reminder,
)
from .recipients import Recipient, Recipients, Subject, unique

Kind, Medium, State = Reminder.Kind, Reminder.Medium, Reminder.State

SUBJECT = (
    *("instance__cloud_id", "instance__owner_id", "instance__owner_name"),
    "instance__workspace_id",
)


_NEAR = frozenset({NotificationSettings.Scope.OWNER, NotificationSettings.Scope.TEAM})
"""Scopes of channels that are about the instances of few owners."""

OVERRIDE_ENDS_SOON = timedelta(minutes=15)
"""How long before the end of an override its author and the owners are notified."""

ENDS_SOON = timedelta(days=1)
"""How long before the end of an exception its requester is notified."""


class Candidate:
    """A notification for one recipient, and the fields of its reminder.

    Args:
        event: Names the event and its moment among those of its kind.
        cause: What it shares with others of its kind, such as who did it.
    """

    def __init__(
        self,
        recipient: Recipient,
        kind: str,
        event: str,
        *,
        cause: str = "",
        **fields: Any,
    ) -> None:
        self.recipient = recipient
        self.event = f"{kind}:{event}"
        self.key = f"{recipient.name}:{self.event}"
        self.cause = f"{kind}:{cause}" if cause else kind
        if recipient.channel:
            # A channel gets one message a minute, whatever it is about.
            self.cause = ""
        expires_at = fields["moment"] + LIFETIME
        self.fields = {"kind": kind, "expires_at": expires_at} | fields

    def reminder(self, now: datetime) -> Reminder:
        recipient = self.recipient
        is_page = recipient.medium == Medium.PAGE
        # Whether quiet hours delay it is decided when it is sent, by who is on call.
        is_urgent = self.fields["kind"] in Reminder.URGENT
        return Reminder(
            key=self.key,
            event=self.event,
            cause=self.cause,
            person=recipient.person,
            channel=recipient.channel,
            medium=recipient.medium,
            # The row itself is the entry of the page.
            state=State.SENT if is_page else State.WAITING,
            sent_at=now if is_page else None,
            created_at=now,
            due_at=now if is_urgent else recipient.due_at(now),
            **self.fields,
        )


class AnnouncedStops:
    """The stops of recent reminders, by recipient and instance.

    The reported end of a run varies by some seconds, so keys do not identify a run.
    """

    def __init__(self, now: datetime, instances: Iterable[int] | None = None) -> None:
        reminders = Reminder.objects.filter(
            kind=Kind.STOP, moment__gt=now - MAX_EVENT_AGE
        )
        if instances is not None:
            reminders = reminders.filter(instance__in=instances)
        self._stops: dict[tuple[str, int | None], list[tuple[int, int]]]
        self._stops = defaultdict(list)
        for key, instance, lead, deadline_ms in reminders.order_by().values_list(
            "key", "instance_id", "lead_minutes", "deadline_ms"
        ):
            name = key.partition(f":{Kind.STOP}:")[0]
            self._stops[name, instance].append((lead or 0, deadline_ms or 0))

    def include(self, candidate: Candidate) -> bool:
        """Return whether a stop has a reminder for its lead time or a shorter one."""
        fields = candidate.fields
        if fields["kind"] != Kind.STOP:
            return False
        stops = self._stops.get((candidate.recipient.name, fields["instance_id"]), ())
        return any(
            lead <= fields["lead_minutes"]
            and abs(fields["deadline_ms"] - deadline_ms) <= SAME_RUN_MS
            for lead, deadline_ms in stops
        )


def stops(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    announced = AnnouncedStops(now)
    running = Instance.objects.filter(
        ends_by(now + recipients.longest_lead),
        run_ends_at__gt=now,
        stop_timestamp_ms__isnull=False,
    ).values_list(
        *("pk", "run_ends_at", "stop_timestamp_ms"),
        *("cloud_id", "owner_id", "owner_name", "workspace_id"),
    )
    for instance, stops_at, deadline_ms, *subject in running.order_by():
        about = Subject(*subject)
        for recipient in recipients.for_instance(about):
            lead = recipient.lead(stops_at - now, about)
            if lead is None:
                continue
            candidate = Candidate(
                recipient,
                Kind.STOP,
                f"{instance}:{lead}:{deadline_ms}",
                instance_id=instance,
                lead_minutes=lead,
                deadline_ms=deadline_ms,
                moment=stops_at,
                expires_at=stops_at,
            )
            if not announced.include(candidate):
                yield candidate


def scheduled_stops(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield the next stops of schedules, by the lead times of each recipient.

    Runs that end before the stop, and those of an override, are left out.
    """
    for schedule in active_schedules():
        until = now + recipients.longest_lead
        moments = moments_of(schedule, since=now, until=until)
        stops = (moment for moment in moments if moment.kind == MomentKind.STOP)
        if (stop := next(stops, None)) is None:
            continue
        running = (
            concerned(schedule)
            .filter(RUNNING)
            .exclude(run_ends_at__lte=stop.at)
            .values_list("pk", "cloud_id", "owner_id", "owner_name", "workspace_id")
            .order_by()
        )
        overridden = overrides.covered([pk for pk, *_ in running], stop.at)
        for instance, cloud, owner_id, owner_name, workspace_id in running:
            if instance in overridden:
                continue
            about = Subject(cloud, owner_id, owner_name, workspace_id)
            for recipient in recipients.for_instance(about):
                lead = recipient.lead(stop.at - now, about)
                if lead is not None:
                    yield Candidate(
                        recipient,
                        Kind.SCHEDULE,
                        f"{schedule.pk}:{instance}:{lead}:{unix_ms(stop.at)}",
                        cause=f"{schedule.pk}",
                        instance_id=instance,
                        schedule_id=schedule.pk,
                        lead_minutes=lead,
                        moment=stop.at,
                        expires_at=stop.at,
                    )


def policy_stops(now: datetime) -> list[PlannedStop]:
    """Return the stops by policies that are near enough to warn of."""
    longest = timedelta(minutes=max(settings.CURFEW.policy_warning_minutes))
    near = planned_stops().filter(
        stops_at__lte=now + longest,
        instance__missing_since=None,
        instance__status=InstanceStatus.RUNNING,
    )
    return list(near.select_related("instance").defer("instance__document"))


def warnings(
    plans: Iterable[PlannedStop], recipients: Recipients, now: datetime
) -> Iterator[Candidate]:
    """Yield warnings for the owners of runs that a policy is going to stop."""
    lead_times = [
        timedelta(minutes=minutes) for minutes in settings.CURFEW.policy_warning_minutes
    ]
    for plan in plans:
        stops_at = plan.stops_at
        if plan.warned_at is None:
            # However late the first warning is, owners have the shortest lead time.
            stops_at = max(stops_at, now + min(lead_times))
        if stops_at <= now:
            continue
        lead = min(lead for lead in lead_times if stops_at - now <= lead)
        minutes = lead // timedelta(minutes=1)
        instance = plan.instance
        for recipient in recipients.owners_of(Subject.of(instance)):
            yield Candidate(
                recipient,
                Kind.POLICY,
                f"{plan.pk}:{minutes}",
                instance_id=instance.pk,
                planned_stop_id=plan.pk,
                lead_minutes=minutes,
                moment=stops_at,
                expires_at=stops_at,
            )


def open_questions(now: datetime) -> list[Question]:
    """Return the questions whether runs are still needed that can be answered."""
    asked = Question.objects.filter(
        Q(deadline__gt=now) | Q(announced_at=None), state=Question.State.ASKED
    )
    related = asked.select_related("rule", "instance")
    return list(related.defer("instance__document"))


def questions(
    asked: Iterable[Question], recipients: Recipients, now: datetime
) -> Iterator[Candidate]:
    """Yield questions for the owners of long runs, and for the channels about them."""
    for question in asked:
        deadline = question.deadline
        if question.announced_at is None:
            # However late they hear of it, owners have the whole time.
            time = timedelta(seconds=question.rule.answer_seconds or 0)
            deadline = max(deadline, now + time)
        about = Subject.of(question.instance)
        channels = (
            recipient
            for recipient in recipients.for_instance(about)
            if recipient.channel and recipient.settings.scope in _NEAR
        )
        for recipient in (*recipients.owners_of(about), *channels):
            yield Candidate(
                recipient,
                Kind.QUESTION,
                f"{question.pk}",
                # Never in a list: each has links of its own.
                cause=f"{question.pk}",
                instance_id=question.instance_id,
                question_id=question.pk,
                moment=deadline,
                expires_at=deadline,
            )


def done_by_others(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield for owners what policies, schedules and others did to their instances.

    A stop counts once it is observed. What one bulk change of a person, or a schedule
    at one moment, does is one message.
    """
    earliest = now - MAX_EVENT_AGE
    stopped = InstanceEvent.objects.filter(
        at__gte=earliest,
        to_status__in=[InstanceStatus.STOPPING, InstanceStatus.STOPPED],
        edit_id__isnull=False,
    ).order_by("at", "pk")
    stops_at = dict(reversed(stopped.values_list("edit_id", "at")))
    stops = Q(pk__in=stops_at, kind=Edit.Kind.STOP)
    changes = Q(state=Edit.State.APPLIED, finished_at__gte=earliest) & ~Q(
        kind=Edit.Kind.STOP
    )
    edits = Edit.objects.filter(stops | changes).order_by("finished_at", "pk")
    for edit in edits.values(
        *("pk", "kind", "actor_id", "rule_id", "batch_id", "instance_id"),
        *("finished_at", "schedule_id", "schedule_name", *SUBJECT),
    ):
        actor, batch = edit["actor_id"], edit["batch_id"]
        schedule = edit["schedule_name"]
        kind = Kind.STOPPED if edit["kind"] == Edit.Kind.STOP else Kind.CHANGED
        about = Subject(
            edit["instance__cloud_id"],
            edit["instance__owner_id"],
            edit["instance__owner_name"],
            edit["instance__workspace_id"],
        )
        for recipient in recipients.owners_of(about):
            assert recipient.person is not None  # noqa: S101 (owners are people)
            if recipient.person.pk == actor:
                continue
            # Schedules announce their stops, and act every day.
            is_optional = bool(actor or schedule or kind == Kind.CHANGED)
            if is_optional and not recipient.wants_others:
                continue
            yield Candidate(
                recipient,
                kind,
                f"b{batch}" if batch and (actor or schedule) else f"{edit['pk']}",
                cause=_cause(edit),
                instance_id=edit["instance_id"],
                edit_id=edit["pk"],
                moment=stops_at.get(edit["pk"]) or edit["finished_at"],
            )


def _cause(edit: dict[str, Any]) -> str:
    author = f"{edit['actor_id'] or ''}:{edit['rule_id'] or ''}"
    if edit["schedule_name"]:
        author = f"s{edit['schedule_id'] or ''}"
    return f"{edit['kind']}:{author}"


def answers(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield decisions for those who requested an exception."""
    decided = RuleException.objects.filter(decided_at__gte=now - MAX_EVENT_AGE)
    for exception in decided.order_by("pk"):
        if exception.decided_by_id == exception.asked_by_id:
            continue
        for recipient in recipients.by_person.get(exception.asked_by_id, ()):
            yield Candidate(
                recipient,
                Kind.ANSWER,
                f"{exception.pk}:{exception.state}",
                instance_id=exception.instance_id,
                exception_id=exception.pk,
                moment=exception.decided_at,
            )


def approval_answers(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield decisions on bulk changes, for their authors."""
    decided = EditBatch.objects.filter(decided_at__gte=now - MAX_EVENT_AGE)
    for batch in decided.defer("selection", "plan"):
        for recipient in recipients.by_person.get(batch.actor_id or 0, ()):
            yield Candidate(
                recipient,
                Kind.ANSWER,
                f"{batch.pk}:{unix_ms(batch.decided_at or now)}",
                batch_id=batch.pk,
                moment=batch.decided_at,
            )


def announced_stops(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield stops of bulk changes that wait until the owners know of them."""
    # Without the batch of each edit: its preview is as large as the batch.
    announced = announced_edits(now).select_related(None).select_related("instance")
    for edit in announced.defer("instance__document").order_by("not_before", "pk"):
        instance = edit.instance
        for recipient in recipients.owners_of(Subject.of(instance)):
            if recipient.person and recipient.person.pk != edit.actor_id:
                yield Candidate(
                    recipient,
                    Kind.WARNING,
                    f"b{edit.batch_id}",
                    instance_id=instance.pk,
                    edit_id=edit.pk,
                    moment=edit.not_before,
                    expires_at=edit.not_before,
                )


def ending_exceptions(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield exceptions that end within a day, for those who requested them."""
    ending = RuleException.objects.filter(
        state=RuleException.State.APPROVED,
        until__gt=now,
        until__lte=now + ENDS_SOON,
        # A shorter exception was granted less than a day ago, with its end.
        decided_at__lte=now - ENDS_SOON,
    )
    for exception in ending.order_by("pk"):
        for recipient in recipients.by_person.get(exception.asked_by_id, ()):
            yield Candidate(
                recipient,
                Kind.ENDING,
                f"{exception.pk}:{unix_ms(exception.until)}",
                instance_id=exception.instance_id,
                exception_id=exception.pk,
                moment=exception.until,
                expires_at=exception.until,
            )


def overrides_to_announce(now: datetime) -> list[Override]:
    """Return the overrides whose end is near and was not announced yet.

    One that skips a stop ends with that stop, and needs no announcement.
    """
    ending = overrides.in_effect(now).filter(
        reminded_at=None,
        until__lte=now + OVERRIDE_ENDS_SOON,
        # A shorter one was created a short time ago, with its end.
        created_at__lte=F("until") - 2 * OVERRIDE_ENDS_SOON,
    )
    return list(ending.exclude(kind=Override.Kind.SKIP))


def ending_overrides(
    ending: Iterable[Override], recipients: Recipients
) -> Iterator[Candidate]:
    """Yield overrides that end soon, for the owners and for their authors."""
    for override in ending:
        owners = recipients.owners_of(Subject.of(override.instance))
        author = recipients.by_person.get(override.created_by_id, ())
        for recipient in unique([owners, author]):
            yield Candidate(
                recipient,
                Kind.OVERRIDE,
                f"{override.pk}",
                instance_id=override.instance_id,
                moment=override.until,
                expires_at=override.until,
            )


def unix_ms(at: datetime) -> int:
    """Return a moment in Unix ms, as the keys of reminders name it."""
    return round(at.astimezone(UTC).timestamp() * 1e3)
