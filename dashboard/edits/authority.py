"""Whether an edit may still go out: by its person's right, or by its rule's."""

from datetime import datetime

from django.utils import timezone

from dashboard.accounts.permissions import can_edit
from dashboard.policies import selectors as policies
from dashboard.policies.models import Rule
from dashboard.policies.runs import wanted_end
from dashboard.web.stored_messages import Message

from . import messages
from .models import Edit


def why_withdrawn(edit: Edit) -> Message:
    """Why nothing may be sent for an edit any more, one sentence; empty when it may.

    Args:
        edit: Read with its actor, its rule and its instance's cloud.
    """
    if edit.actor is None:
        return _why_rule_may_not(edit, edit.rule, timezone.now())
    if can_edit(edit.actor, edit.instance.owner):
        return Message()
    return messages.NOT_PERMITTED(username=edit.actor.get_username())


def _why_rule_may_not(edit: Edit, rule: Rule | None, now: datetime) -> Message:
    if rule is None or not rule.is_acting:
        return messages.POLICY_PAUSED(policy=edit.policy_name)
    if policies.exempt(now, [edit.instance_id]) & {(rule.pk, edit.instance_id)}:
        return messages.EXEMPT(policy=edit.policy_name)
    # A stop that was sent before may be what has ended the run.
    if (
        edit.kind == Edit.Kind.STOP
        and not edit.deliveries.exclude(sent_at=None).exists()
    ):
        end = wanted_end(rule, edit.instance, now)
        if end is None or end > now:
            return messages.NO_VIOLATION(policy=edit.policy_name)
    return Message()
