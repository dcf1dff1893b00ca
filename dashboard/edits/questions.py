"""Ask owners whether their long runs are still needed, and stop those that are not.

What nobody answers in time is stopped in the name of the policy, if it acts. See
``docs/decisions/0029-still-needed.md``.
"""

from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from dashboard.instances.models import Instance
from dashboard.policies import questions
from dashboard.policies.models import Rule
from dashboard.schedules.models import Override

from . import automatic_batches, messages
from .models import Edit
from .plans import BulkChange

log = structlog.get_logger(__name__)


@transaction.atomic
def ask_owners(rule: Rule) -> int:
    """Ask about a policy's long runs, and stop those that nobody answered for in time.

    The question is closed in the transaction that creates the edit: a process that dies
    in between leaves both undone, and another one waits for the policy's row.

    Returns:
        How many runs the policy asks about now.
    """
    rows = Rule.objects.select_for_update(no_key=True).exclude(mode=Rule.Mode.OFF)
    locked = rows.filter(pk=rule.pk, kind=Rule.Kind.STILL_NEEDED).first()
    if locked is None:
        return 0
    now = timezone.now()
    runs = _without_kept(questions.long_runs(locked, now), now)
    questions.withdraw_obsolete(locked, runs)
    unanswered = questions.overdue(locked, now)
    questions.close_unanswered(unanswered)
    if unanswered and locked.is_acting:
        number = automatic_batches.create_for_rule(
            rule=locked,
            selection=[question.instance_id for question in unanswered],
            change=BulkChange(Edit.Kind.STOP, {}),
            source=messages.NO_ANSWERS(policy=locked.name),
        )
        log.info("runs without answer stopped", rule=locked.name, edits=number)
    questions.ask(rule=locked, instances=runs, now=now)
    return len(runs)


def number_asked(rule: Rule, now: datetime) -> int:
    """Return how many runs a policy would ask about at ``now``."""
    return len(_without_kept(questions.long_runs(rule, now), now))


def _without_kept(runs: list[Instance], now: datetime) -> list[Instance]:
    """Leave out what someone keeps running anyway by an override."""
    kept = set(
        Override.objects.filter(
            kind=Override.Kind.KEEP, ended_at=None, until__gt=now, instance__in=runs
        ).values_list("instance_id", flat=True)
    )
    return [instance for instance in runs if instance.pk not in kept]
