"""Headlines of reminders, for their pages and for messages."""

from collections.abc import Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import (
    get_language,
    gettext,
    gettext_lazy as _,
    ngettext_lazy,
)

from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.countdown import status_badge
from dashboard.policies.models import RuleException

from .models import Reminder

Kind = Reminder.Kind

BY_OTHERS = frozenset({Kind.STOPPED, Kind.CHANGED, Kind.WARNING})
"""What somebody else did to a person's instances, or will do."""

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
    if reminder.kind in BY_OTHERS and edits:
        number = sum(_instances_of(member) for member in members)
        return _done_by(edits[0], reminder.kind, number)
    return str(
        _LISTS[_LISTED_AS.get(reminder.kind, reminder.kind)] % {"number": number}
    )


_LISTED_AS: dict[str, str] = dict.fromkeys(BY_OTHERS, Kind.SEVERAL)


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
        label = label.lower() if get_language() == "en" else label
        return name + gettext(": ") + label
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
