"""Writes of the questions whether long runs are still needed.

``edits.questions`` stops the runs whose questions were not answered.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.audit.services import record_event
from dashboard.instances.models import FleetVersion, Instance
from dashboard.instances.run_state import PRESENT, RUNNING

from .messages import POLICY
from .models import Question, Rule
from .rules import applicable
from .runs import current_run, is_long
from .selectors import exempt, shadowing

State = Question.State


class QuestionClosedError(Exception):
    """A question can no longer be answered; the message says why."""


def long_runs(rule: Rule, now: datetime) -> list[Instance]:
    """Return what a rule asks about at ``now``, whether or not it has asked before."""
    rules, exceptions = [*shadowing(rule), rule], exempt(now)
    running = Instance.objects.filter(PRESENT & RUNNING, rule.as_q())
    return [
        instance
        for instance in running.prefetch_related("cloud").defer(
            "document", "problems", "search_text", "description"
        )
        if is_long(rule, instance, now)
        and rule in applicable(rules, instance)
        and (rule.pk, instance.pk) not in exceptions
    ]


@transaction.atomic
def ask(*, rule: Rule, instances: Iterable[Instance], now: datetime) -> int:
    """Ask the owners of long runs, each run no more often than the rule says.

    Call it under the lock of the rule's row.

    Returns:
        How many questions are new.
    """
    instances = list(instances)
    former = Question.objects.filter(instance__in=instances)
    is_open = set(
        former.filter(state=State.ASKED).values_list("instance_id", flat=True)
    )
    by_run = former.order_by().values_list("instance_id", "run_seen_since")
    asked_at = {
        (pk, since): last for pk, since, last in by_run.annotate(Max("asked_at"))
    }
    again = timedelta(seconds=rule.again_seconds or 0)
    new = []
    for instance in instances:
        since = observed_since(instance)
        last = asked_at.get((instance.pk, since))
        if instance.pk in is_open or (last and last + again > now):
            continue
        new.append(
            Question(
                rule=rule,
                instance=instance,
                run_seen_since=since,
                asked_at=now,
                deadline=now + timedelta(seconds=rule.answer_seconds or 0),
            )
        )
    Question.objects.bulk_create(new)
    for question in new:
        _record(question, None)
    _stamp(new)
    return len(new)


@transaction.atomic
def record_announcement(*, questions: Iterable[Question], now: datetime) -> None:
    """Record that owners were told, and leave them the whole time to answer."""
    for question in questions:
        time = timedelta(seconds=question.rule.answer_seconds or 0)
        Question.objects.filter(pk=question.pk, announced_at=None).update(
            announced_at=now, deadline=max(question.deadline, now + time)
        )


@transaction.atomic
def record_answer(*, question: Question, actor: User, is_needed: bool) -> Question:
    """Record the answer of an owner; the caller stops a run that is not needed.

    Raises:
        PermissionDenied: The actor may not act on the instance.
        QuestionClosedError: It cannot be answered any more.
    """
    if not can_edit(actor, question.instance.owner):
        raise PermissionDenied
    locked = _locked(Question.objects.filter(pk=question.pk))
    if not locked or not locked[0].is_open(timezone.now()):
        raise QuestionClosedError(closed_text(locked[0] if locked else None))
    state = State.KEPT if is_needed else State.STOPPED
    _close(locked, state, actor)
    return locked[0]


def overdue(rule: Rule, now: datetime) -> list[Question]:
    """Return and lock a rule's open questions whose time is over.

    A question of which no owner was notified stays open: its time has not begun.
    """
    return _locked(
        Question.objects.filter(
            rule=rule,
            state=State.ASKED,
            announced_at__isnull=False,
            deadline__lte=now,
        )
    )


def close_unanswered(questions: list[Question]) -> None:
    """Close locked questions that nobody answered in time."""
    _close(questions, State.UNANSWERED, None)


@transaction.atomic
def withdraw(questions: QuerySet[Question]) -> None:
    """Withdraw those of the questions that are open."""
    _close(_locked(questions), State.WITHDRAWN, None)


def withdraw_obsolete(rule: Rule, instances: Iterable[Instance]) -> None:
    """Withdraw a rule's questions about runs that it no longer asks about.

    Args:
        instances: What it asks about now.
    """
    runs = {(instance.pk, observed_since(instance)) for instance in instances}
    pks = [
        question.pk
        for question in Question.objects.filter(rule=rule, state=State.ASKED)
        if (question.instance_id, question.run_seen_since) not in runs
    ]
    if pks:
        withdraw(Question.objects.filter(pk__in=pks))


def observed_since(instance: Instance) -> datetime:
    """Return what identifies the current run."""
    return instance.status_since or instance.first_seen_at


def is_about_current_run(question: Question, instance: Instance) -> bool:
    return (
        current_run(instance) is not None
        and observed_since(instance) == question.run_seen_since
    )


def may_stop(rule: Rule, instance: Instance) -> bool:
    """Whether the last question of a rule about the current run was not answered."""
    asked = Question.objects.filter(rule=rule, instance=instance)
    last = asked.order_by("asked_at", "pk").last()
    return (
        last is not None
        and last.state == State.UNANSWERED
        and is_about_current_run(last, instance)
    )


def closed_text(question: Question | None) -> str:
    """Return why a question cannot be answered any more."""
    state = question.state if question else State.WITHDRAWN
    by = question.answered_by if question else None
    if state == State.KEPT:
        return _("%(person)s has already answered: still needed.") % {"person": by}
    if state == State.STOPPED:
        return _("%(person)s has already answered: stop it.") % {"person": by}
    if state == State.WITHDRAWN:
        return _("The question was withdrawn, or the run has ended.")
    return _("The time to answer is over.")


def _locked(questions: QuerySet[Question]) -> list[Question]:
    rows = questions.select_for_update(of=("self",))
    return list(rows.select_related("rule", "instance__cloud", "answered_by"))


def _close(questions: list[Question], state: str, actor: User | None) -> None:
    closed = [question for question in questions if question.state == State.ASKED]
    for question in closed:
        question.state, question.closed_at = state, timezone.now()
        question.answered_by = actor
        question.save(update_fields=["state", "closed_at", "answered_by"])
        _record(question, actor)
    _stamp(closed)


def _record(question: Question, actor: User | None) -> None:
    is_new = question.state == State.ASKED
    record_event(
        actor=actor,
        actor_label=POLICY(policy=question.rule.name),
        action=f"question.{question.state}",
        target=question,
        instance=question.instance.reference,
        before={} if is_new else {"state": State.ASKED},
        after={"state": question.state, "deadline": question.deadline.isoformat()},
    )


def _stamp(questions: Iterable[Question]) -> None:
    if pks := [question.instance_id for question in questions]:
        FleetVersion.stamp(Instance.objects.filter(pk__in=pks), only_shown=True)
