"""What a reminder about a policy, an exception or a stopped run says, in words."""

from collections.abc import Callable

from django.urls import reverse
from django.utils.translation import gettext

from dashboard.edits.models import Edit
from dashboard.policies.models import RuleException
from dashboard.policies.rules import requirement

from .models import Reminder

Kind = Reminder.Kind
KINDS = frozenset({Kind.POLICY, Kind.STOPPED, Kind.REQUEST, Kind.ANSWER})

Plain = Callable[[str], str]


def headline(reminder: Reminder, name: str) -> str:
    """What happened or will, without the moment."""
    plan, exception = reminder.planned_stop, reminder.exception
    if reminder.kind == Kind.POLICY:
        policy = plan.rule.name if plan else ""
        return gettext("Policy “%(policy)s” will stop %(name)s") % {
            "policy": policy,
            "name": name,
        }
    if reminder.kind == Kind.STOPPED:
        return _stopped(reminder, name)
    if exception is None:
        return ""
    if reminder.kind == Kind.REQUEST:
        return gettext("%(person)s requests an exception for %(name)s") % {
            "person": exception.asked_by,
            "name": name,
        }
    if exception.state == RuleException.State.DENIED:
        return gettext("Your exception for %(name)s was denied") % {"name": name}
    if exception.state == RuleException.State.ENDED:
        return gettext("Your exception for %(name)s was revoked") % {"name": name}
    return gettext("Your exception for %(name)s was approved") % {"name": name}


def facts(reminder: Reminder, plain: Plain) -> list[tuple[str, str]]:
    """What is to be said besides which instance it is, and when."""
    plan, exception, edit = reminder.planned_stop, reminder.exception, reminder.edit
    if plan is not None:
        return [
            (gettext("Why"), plain(f"{plan.sentence} {plan.rule.reason}")),
            (
                gettext("Kept"),
                gettext("only the work directory; save anything else you need"),
            ),
        ]
    if exception is not None:
        pairs = [
            (gettext("Policy"), plain(exception.rule.name)),
            (gettext("Last day"), exception.last_day_text),
        ]
        if reminder.kind == Kind.REQUEST:
            return [*pairs, (gettext("Reason"), plain(exception.reason))]
        pairs.append((gettext("By"), plain(str(exception.decided_by or ""))))
        if exception.answer:
            pairs.append((gettext("Answer"), plain(exception.answer)))
        return pairs
    return [(gettext("By"), plain(edit.by)), *why(edit, plain)] if edit else []


def why(edit: Edit, plain: Plain = str) -> list[tuple[str, str]]:
    """Why a policy stopped a run, as a label and a sentence; empty for people."""
    rule = edit.rule
    if edit.actor_id is not None or rule is None:
        return []
    return [(gettext("Why"), plain(f"{requirement(rule)} {rule.reason}"))]


def ask_url(reminder: Reminder) -> str:
    """Where an exception from the policy is asked for; empty without a planned stop."""
    plan = reminder.planned_stop
    if plan is None:
        return ""
    return reverse("policies:ask", args=[plan.rule_id, plan.instance_id])


def _stopped(reminder: Reminder, name: str) -> str:
    edit = reminder.edit
    if edit is None:
        return gettext("%(name)s was stopped") % {"name": name}
    number = _together(reminder, edit)
    if number > 1:
        return gettext("%(by)s stopped %(number)s of your instances") % {
            "by": edit.by,
            "number": number,
        }
    return gettext("%(by)s stopped %(name)s") % {"by": edit.by, "name": name}


def _together(reminder: Reminder, edit: Edit) -> int:
    """How many of the recipient's instances the same bulk edit stops."""
    if edit.batch_id is None or edit.actor_id is None or reminder.person is None:
        return 1
    mine = reminder.person.cloud_identifiers
    stops = Edit.objects.filter(batch=edit.batch_id, kind=Edit.Kind.STOP)
    owners = stops.values_list("instance__owner_id", "instance__owner_name")
    return sum(bool({*owner} & mine) for owner in owners)
