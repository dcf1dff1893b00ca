"""Texts about reminders, for their pages and for messages."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import (
    get_language,
    gettext,
    gettext_lazy as _,
    ngettext_lazy,
)

from dashboard.costs.display import amount_text
from dashboard.costs.models import BudgetWarning
from dashboard.edits.messages import MOMENT_MISSED
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.availability import why_not_extendable
from dashboard.instances.countdown import status_badge
from dashboard.instances.models import InstanceEvent
from dashboard.paths import MANAGE_NAME
from dashboard.policies.models import Question, RuleException
from dashboard.policies.rules import requirement

from .models import Reminder

Kind = Reminder.Kind


class Action(NamedTuple):
    """What a person can do about a reminder; links contain its name."""

    name: str
    label: Promise
    icon: str


_EXTEND = Action("extend", _("Extend"), "alarm-clock-plus")
_STOP = Action("stop", _("Stop now"), "square")
_START = Action("start", _("Start again"), "play")
_ACTIONS: dict[str, tuple[Action, ...]] = {
    Kind.STOP: (_EXTEND, _STOP),
    Kind.FAILURE: (_START,),
    Kind.STOPPED: (_START,),
    Kind.OVERDUE: (_STOP,),
    Kind.NO_END: (_STOP,),
    Kind.EDIT: (Action("retry", _("Retry the change"), "rotate-ccw"),),
}

_CORRECTIONS: dict[str, Promise] = {
    Edit.Outcome.APPLIED_LATE: _("A change to %(name)s was applied late"),
    Edit.Outcome.UNDONE: _("A change to %(name)s was applied late and undone"),
    Edit.Outcome.OVERWRITTEN: _("A change to %(name)s was overwritten by an older one"),
}
_APPROVED = _("Your exception for %(name)s was approved")
_OTHER_ANSWERS: dict[str, Promise] = {
    RuleException.State.DENIED: _("Your exception for %(name)s was denied"),
    RuleException.State.ENDED: _("Your exception for %(name)s was revoked"),
}
_MOMENT_LABELS: dict[str, Promise] = {
    Kind.STOP: _("Stops"),
    Kind.FAILURE: _("Failed"),
    Kind.EDIT: _("Failed"),
    Kind.POLICY: _("Will be stopped"),
    Kind.STOPPED: _("Stopped"),
    Kind.REQUEST: _("Requested"),
    Kind.ANSWER: _("Decided"),
    Kind.ENDING: _("Ends"),
    Kind.OVERRIDE: _("Ends"),
    Kind.CHANGED: _("Applied"),
    Kind.OVERDUE: _("Stop was due"),
    Kind.NO_END: _("Running since"),
    Kind.CLOUD: _("Since"),
    Kind.SILENCE: _("Last synced"),
    Kind.RESOLVED: _("Since"),
    Kind.HANDOVER: _("Published"),
    Kind.APPROVAL: _("Requested"),
    Kind.WARNING: _("Will be stopped"),
    Kind.SCHEDULE: _("Will be stopped"),
    Kind.MISSED: _("Planned for"),
    Kind.BUDGET: _("Reached"),
    Kind.QUESTION: _("Answer by"),
    Kind.SEVERAL: _("Since"),
    Kind.TEST: _("Sent"),
}
_CANCELLED: dict[str, Promise] = {
    Kind.STOP: _("No longer due: the stop was moved or removed."),
    Kind.FAILURE: _("The instance has recovered."),
    Kind.EDIT: _("The change was retried."),
    Kind.POLICY: _("The stop was cancelled, or the run has ended."),
    Kind.REQUEST: _("It was decided, or its last day has passed."),
    Kind.ENDING: _("The exception was revoked or replaced."),
    Kind.OVERRIDE: _("The override was ended or replaced."),
    Kind.OVERDUE: _("It has stopped, or is no longer due."),
    Kind.SILENCE: _("Curfew reads your clouds again."),
    Kind.NO_END: _("It has stopped, or has an end now."),
    Kind.CLOUD: _("The cloud can be read again."),
    Kind.APPROVAL: _("It was decided, or the request was withdrawn."),
    Kind.WARNING: _("The stop was cancelled."),
    Kind.SCHEDULE: _("The stop is skipped or was cancelled, or the run has ended."),
    Kind.QUESTION: _("It was answered, or the run has ended."),
}
_NO_LONGER_FAILED: dict[str, Promise] = {
    Edit.State.APPLIED: _("The change was applied late."),
    Edit.State.CANCELLED: _("The change was discarded."),
}


_LISTS: dict[str, Any] = {
    Kind.STOP: ngettext_lazy(
        "%(number)s instance stops soon", "%(number)s instances stop soon", "number"
    ),
    Kind.FAILURE: ngettext_lazy(
        "%(number)s instance failed", "%(number)s instances failed", "number"
    ),
    Kind.EDIT: ngettext_lazy(
        "%(number)s change failed", "%(number)s changes failed", "number"
    ),
    Kind.POLICY: ngettext_lazy(
        "A policy will stop %(number)s of your instances",
        "Policies will stop %(number)s of your instances",
        "number",
    ),
    Kind.REQUEST: ngettext_lazy(
        "%(number)s exception is requested",
        "%(number)s exceptions are requested",
        "number",
    ),
    Kind.ANSWER: ngettext_lazy(
        "%(number)s of your requests was decided",
        "%(number)s of your requests were decided",
        "number",
    ),
    Kind.OVERRIDE: ngettext_lazy(
        "Schedules apply to %(number)s instance again soon",
        "Schedules apply to %(number)s instances again soon",
        "number",
    ),
    Kind.ENDING: ngettext_lazy(
        "%(number)s of your exceptions ends soon",
        "%(number)s of your exceptions end soon",
        "number",
    ),
    Kind.OVERDUE: ngettext_lazy(
        "%(number)s late stop", "%(number)s late stops", "number"
    ),
    Kind.NO_END: ngettext_lazy(
        "%(number)s GPU instance is running without auto-stop",
        "%(number)s GPU instances are running without auto-stop",
        "number",
    ),
    Kind.CLOUD: ngettext_lazy(
        "%(number)s cloud can't be read", "%(number)s clouds can't be read", "number"
    ),
    Kind.APPROVAL: ngettext_lazy(
        "%(number)s bulk change needs approval",
        "%(number)s bulk changes need approval",
        "number",
    ),
    Kind.SCHEDULE: ngettext_lazy(
        "A schedule will stop %(number)s instance",
        "A schedule will stop %(number)s instances",
        "number",
    ),
    Kind.MISSED: ngettext_lazy(
        "Schedules missed %(number)s moment",
        "Schedules missed %(number)s moments",
        "number",
    ),
    Kind.BUDGET: ngettext_lazy(
        "%(number)s budget has reached a threshold",
        "%(number)s budgets have reached a threshold",
        "number",
    ),
    Kind.HANDOVER: ngettext_lazy(
        "%(number)s handover is waiting", "%(number)s handovers are waiting", "number"
    ),
    Kind.QUESTION: ngettext_lazy(
        "Is %(number)s instance still needed?",
        "Are %(number)s instances still needed?",
        "number",
    ),
    Kind.SEVERAL: ngettext_lazy(
        "%(number)s notification", "%(number)s notifications", "number"
    ),
}


def list_headline(reminder: Reminder, members: Sequence[Reminder]) -> str:
    """Return what the members of a list have in common."""
    number = len(members)
    edits = [member.edit for member in members if member.edit]
    if reminder.kind in _BY_OTHERS and edits:
        number = sum(_instances_of(member) for member in members)
        return _done_by(edits[0], reminder.kind, number)
    return str(
        _LISTS[_LISTED_AS.get(reminder.kind, reminder.kind)] % {"number": number}
    )


_BY_OTHERS = frozenset({Kind.STOPPED, Kind.CHANGED, Kind.WARNING})
_LISTED_AS: dict[str, str] = dict.fromkeys(_BY_OTHERS, Kind.SEVERAL)


def _done_by(edit: Edit, kind: str, number: int) -> str:
    values = {"actor": edit.actor_name, "number": number}
    if kind == Kind.WARNING:
        return gettext("%(actor)s will stop %(number)s of your instances") % values
    if kind == Kind.STOPPED:
        return gettext("%(actor)s stopped %(number)s of your instances") % values
    if edit.kind == Edit.Kind.START:
        return gettext("%(actor)s started %(number)s of your instances") % values
    return gettext("%(actor)s changed %(number)s of your instances") % values


def headline(reminder: Reminder, name: str) -> str:
    """Return what happened or will happen to the instance ``name``, without a time."""
    if reminder.is_list:
        members = list(reminder.members.all())
        current = [item for item in members if item.state == Reminder.State.GROUPED]
        return list_headline(reminder, current or members)
    if reminder.kind == Kind.CLOUD and reminder.cloud:
        return gettext("%(cloud)s can't be read") % {"cloud": reminder.cloud}
    if batch := reminder.batch:
        return _batch_headline(reminder, batch)
    if reminder.kind == Kind.HANDOVER:
        return gettext("Handover to take over: %(handover)s") % {
            "handover": reminder.subject
        }
    if reminder.kind == Kind.MISSED:
        return str(reminder.subject)
    if warning := reminder.budget_warning:
        return gettext("Budget “%(budget)s” has reached %(percent)s%%") % {
            "budget": warning.budget.name,
            "percent": warning.threshold,
        }
    if schedule := reminder.schedule:
        return gettext("Schedule “%(schedule)s” will stop %(name)s") % {
            "schedule": schedule.name,
            "name": name,
        }
    if reminder.kind == Kind.OVERDUE:
        return gettext("%(name)s should have stopped, but is still running") % {
            "name": name
        }
    if reminder.is_first_silence:
        return gettext("Curfew has not read any cloud yet")
    if reminder.kind == Kind.SILENCE:
        return gettext("Curfew no longer reads your clouds")
    if reminder.kind == Kind.RESOLVED:
        if reminder.resolves and reminder.resolves.is_first_silence:
            return gettext("Curfew reads your clouds now")
        if reminder.instance is None:
            return gettext("Curfew reads your clouds again")
        return gettext("%(name)s has stopped") % {"name": name}
    if reminder.kind == Kind.NO_END:
        return gettext("%(name)s is running on a GPU without auto-stop") % {
            "name": name
        }
    if reminder.kind == Kind.QUESTION:
        return gettext("Is %(name)s still needed?") % {"name": name}
    if reminder.kind == Kind.OVERRIDE:
        return gettext("Schedules apply to %(name)s again soon") % {"name": name}
    if plan := reminder.planned_stop:
        return gettext("Policy “%(policy)s” will stop %(name)s") % {
            "policy": plan.rule.name,
            "name": name,
        }
    if exception := reminder.exception:
        if reminder.kind == Kind.REQUEST:
            return gettext("%(person)s requests an exception for %(name)s") % {
                "person": exception.asked_by,
                "name": name,
            }
        if reminder.kind == Kind.ENDING:
            return gettext("Your exception for %(name)s ends soon") % {"name": name}
        answer = _OTHER_ANSWERS.get(exception.state, _APPROVED)
        return str(answer % {"name": name})
    if reminder.edit:
        return _edit_headline(reminder, reminder.edit, name)
    if reminder.kind == Kind.FAILURE and reminder.instance:
        label = status_badge(reminder.instance.status).label
        return f"{name}: {label.lower() if get_language() == 'en' else label}"
    if reminder.kind == Kind.STOP:
        return gettext("%(name)s stops soon") % {"name": name}
    return gettext("Test notification")


def _batch_headline(reminder: Reminder, batch: EditBatch) -> str:
    values = {"person": batch.actor_name, "number": len(batch.selection)}
    if reminder.kind == Kind.APPROVAL:
        return (
            gettext(
                "%(person)s asks you to approve a bulk change of %(number)s instances"
            )
            % values
        )
    values["person"] = str(batch.decided_by or "")
    if batch.confirmed_at:
        return gettext("%(person)s approved your bulk change") % values
    return gettext("%(person)s declined your bulk change") % values


def _edit_headline(reminder: Reminder, edit: Edit, name: str) -> str:
    if reminder.is_correction:
        return str(_CORRECTIONS[edit.outcome] % {"name": name})
    if reminder.kind == Kind.EDIT:
        if edit.batch_id:
            return gettext("A bulk change failed in part")
        return gettext("A change of %(name)s failed") % {"name": name}
    number = _instances_of(reminder)
    if number > 1:
        return _done_by(edit, reminder.kind, number)
    values = {"actor": edit.actor_name, "name": name}
    if reminder.kind == Kind.WARNING:
        return gettext("%(actor)s will stop %(name)s") % values
    if reminder.kind == Kind.STOPPED:
        return gettext("%(actor)s stopped %(name)s") % values
    if edit.kind == Edit.Kind.START:
        return gettext("%(actor)s started %(name)s") % values
    if edit.kind == Edit.Kind.EXTEND:
        return gettext("%(actor)s extended the run of %(name)s") % values
    return gettext("%(actor)s changed %(name)s") % values


def _instances_of(reminder: Reminder) -> int:
    """Return how many of the recipient's instances the same bulk change is about."""
    edit = reminder.edit
    if edit is None or edit.batch_id is None or reminder.person is None:
        return 1
    if not (edit.actor_id or edit.schedule_name):
        return 1
    identifiers = reminder.person.cloud_identifiers
    batch = Edit.objects.filter(batch=edit.batch_id)
    owners = batch.values_list("instance__owner_id", "instance__owner_name")
    return sum(bool({*owner} & identifiers) for owner in owners)


def details(
    reminder: Reminder, escape: Callable[[str], str] = str
) -> list[tuple[str, str]]:
    """Return labels and texts about a policy, an exception or who stopped a run."""
    if plan := reminder.planned_stop:
        return [
            (gettext("Why"), escape(f"{plan.sentence} {plan.rule.reason}")),
            kept_text(),
        ]
    if reminder.kind == Kind.SCHEDULE and (schedule := reminder.schedule):
        why = [(gettext("Why"), escape(schedule.reason))] if schedule.reason else []
        return [*why, kept_text()]
    if reminder.kind == Kind.MISSED:
        return [(gettext("Why"), str(MOMENT_MISSED()))]
    if warning := reminder.budget_warning:
        return budget_details(warning)
    if question := reminder.question:
        asks = question.rule
        return [
            (gettext("Why"), escape(f"{requirement(asks)} {asks.reason}")),
            (gettext("Without an answer"), no_answer_text(question)),
        ]
    if exception := reminder.exception:
        pairs = [
            (gettext("Policy"), escape(exception.rule.name)),
            (gettext("Last day"), exception.last_day_text),
        ]
        if reminder.kind == Kind.REQUEST:
            return [*pairs, (gettext("Reason"), escape(exception.reason))]
        pairs.append((gettext("By"), escape(str(exception.decided_by or ""))))
        if exception.answer:
            pairs.append((gettext("Answer"), escape(exception.answer)))
        return pairs
    if reminder.cloud:
        return [(gettext("Why"), escape(str(reminder.cloud.problem)))]
    if reminder.kind == Kind.OVERDUE:
        hint = gettext(
            "Stop it again. If that does not help, use the ModelArts console."
        )
        cause = (gettext("What should stop it"), escape(str(reminder.subject)))
        return [*([] if reminder.is_list else [cause]), (gettext("Next step"), hint)]
    if reminder.kind == Kind.SILENCE:
        hint = gettext(
            "Nothing is stopped or started until it does. Check the workers, beat and "
            "the broker: “%(manage)s doctor” says what is down."
        ) % {"manage": MANAGE_NAME}
        return [(gettext("Next step"), hint)]
    edit = reminder.edit
    if edit is None or reminder.kind not in _BY_OTHERS:
        return []
    pairs = [(gettext("By"), escape(edit.actor_name))]
    if edit.batch_id and edit.batch and edit.batch.reason:
        pairs.append((gettext("Why"), escape(edit.batch.reason)))
    if edit.actor_id is None and (rule := edit.rule):
        pairs.append((gettext("Why"), escape(f"{requirement(rule)} {rule.reason}")))
    return pairs


def budget_details(warning: BudgetWarning) -> list[tuple[str, str]]:
    """Return what a budget had spent when it reached a threshold, and the forecast."""
    currency = warning.currency
    used = gettext("%(spent)s of %(amount)s") % {
        "spent": amount_text(warning.spent, currency),
        "amount": amount_text(warning.amount, currency),
    }
    pairs = [(gettext("Spent this month"), used)]
    if warning.forecast is not None:
        forecast = amount_text(warning.forecast, currency)
        pairs.append((gettext("Forecast for the month"), forecast))
    return pairs


def escalation_text() -> str:
    """Return why a person is notified of an event that others know already."""
    minutes = settings.CURFEW.escalation_minutes
    return gettext("Nobody acknowledged this within %(minutes)s min.") % {
        "minutes": minutes
    }


def no_answer_text(question: Question) -> str:
    """Return what happens to a run if nobody answers the question about it."""
    if question.rule.is_acting:
        return gettext("it is stopped. Only the work directory is kept.")
    return gettext("it goes on.")


def kept_text() -> tuple[str, str]:
    """Return the label and text about what remains after a stop."""
    return (
        gettext("Kept"),
        gettext("only the work directory; save anything else you need"),
    )


def actions(reminder: Reminder) -> list[Action]:
    """Return what a person can do about a reminder, as far as the instance allows."""
    if reminder.is_correction:
        return []
    return [
        action
        for action in _ACTIONS.get(reminder.kind, ())
        if action is not _EXTEND
        or (reminder.instance and not why_not_extendable(reminder.instance))
    ]


def action_of(reminder: Reminder, name: str) -> Action | None:
    """Return an action by the name in its link; None if it does not fit."""
    if reminder.is_correction:
        return None
    actions = _ACTIONS.get(reminder.kind, ())
    return next((action for action in actions if action.name == name), None)


def why_not_extend(reminder: Reminder) -> str:
    """Return why the announced stop cannot be postponed; empty if it can."""
    if reminder.kind != Kind.STOP or reminder.instance is None:
        return ""
    return str(why_not_extendable(reminder.instance))


def extend_url(reminder: Reminder) -> str:
    """Return the path of the page that extends the run; empty where none does."""
    instance = reminder.instance
    if reminder.kind != Kind.STOP or instance is None or why_not_extendable(instance):
        return ""
    names = instance.cloud.name, instance.instance_id
    return reverse("edits:extend", args=names)


def moment_label(reminder: Reminder, *, is_over: bool = False) -> str:
    """Return the text before the time of a reminder."""
    if is_over and reminder.kind in {Kind.STOP, Kind.POLICY, Kind.SCHEDULE}:
        return gettext("Was due")
    if reminder.is_correction:
        return gettext("Corrected")
    if reminder.is_first_silence:
        return gettext("Since")
    return str(_MOMENT_LABELS[reminder.kind])


def cancelled_text(reminder: Reminder, end: InstanceEvent | None, actor: str) -> str:
    """Return why a cancelled reminder no longer applies.

    Args:
        end: The end of the run, if it was recorded.
        actor: Who requested that end in Curfew; empty for nobody.
    """
    if reminder.kind == Kind.STOP and end is not None:
        if actor:
            return gettext("No longer due: stopped by %(actor)s.") % {"actor": actor}
        return gettext("No longer due: it stopped earlier.")
    if reminder.edit and reminder.edit.state in _NO_LONGER_FAILED:
        return str(_NO_LONGER_FAILED[reminder.edit.state])
    return str(_CANCELLED.get(reminder.kind) or reminder.note)


_PAGES: dict[str, str] = {
    **dict.fromkeys((Kind.STOP, Kind.OVERDUE, Kind.NO_END), "handover:due"),
    Kind.SCHEDULE: "handover:due",
    Kind.REQUEST: "policies:exceptions",
    Kind.QUESTION: "home",
    Kind.BUDGET: "costs:budgets",
    Kind.EDIT: "edits:list",
}


def subject_url(reminder: Reminder) -> str:
    """Return the path of the page about the subject."""
    if reminder.is_list and reminder.channel_id:
        return reverse(_PAGES.get(reminder.kind, "instances:list"))
    if reminder.path:
        return reminder.path
    if reminder.kind == Kind.MISSED and reminder.schedule:
        return reminder.schedule.get_absolute_url()
    if reminder.budget_warning:
        return reminder.budget_warning.budget.get_absolute_url()
    if reminder.cloud:
        return (
            f"{reverse('instances:list')}?{urlencode({'cloud': reminder.cloud.name})}"
        )
    if reminder.question_id:
        return reverse("edits:question", args=[reminder.question_id])
    if reminder.exception_id:
        return reverse("policies:exceptions")
    if reminder.batch:
        return reminder.batch.get_absolute_url()
    if reminder.edit:
        if reminder.edit.batch_id and not reminder.is_correction:
            return reverse("edits:batch", args=[reminder.edit.batch_id])
        return reminder.edit.get_absolute_url()
    if reminder.instance:
        return reminder.instance.get_absolute_url()
    return reverse("reminders:inbox")


def exception_url(reminder: Reminder) -> str:
    """Return the path of the form for an exception; empty without a planned stop."""
    if plan := reminder.planned_stop:
        return reverse("policies:ask", args=[plan.rule_id, plan.instance_id])
    return ""
