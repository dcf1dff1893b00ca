"""Details, actions and addresses of reminders, for their pages and for messages."""

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import (
    gettext,
    gettext_lazy as _,
)

from dashboard.costs.display import amount_text
from dashboard.costs.models import BudgetWarning
from dashboard.edits.messages import MOMENT_MISSED
from dashboard.edits.models import Edit
from dashboard.instances.availability import why_not_extendable
from dashboard.instances.models import InstanceEvent
from dashboard.paths import MANAGE_NAME
from dashboard.policies.models import Question
from dashboard.policies.rules import requirement

from .headlines import BY_OTHERS
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
    if edit is None or reminder.kind not in BY_OTHERS:
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
