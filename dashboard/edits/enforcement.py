"""Rules that act: Curfew files the edits that put their violations right.

Every such edit goes the way of all others, in the name of the admin who let the rule
act, and ends with that person's right to it.
"""

from datetime import timedelta

import structlog
from django.utils import timezone
from django.utils.translation import gettext_noop

from dashboard.accounts.permissions import can_write_rules
from dashboard.policies import selectors, services
from dashboard.policies.models import Rule
from dashboard.policies.rules import remedy

from . import batches
from .models import Edit
from .plans import BulkWish

log = structlog.get_logger(__name__)

ONCE_IN = timedelta(hours=1)
"""An instance that breaks a rule again, or whose edit failed, is left so long."""


def enforce_rules() -> None:
    """Look for work for every enforced rule; do it where that is allowed."""
    services.expire_exceptions()
    for rule in selectors.enforced():
        try:
            found = put_right(rule) if _may_act(rule) else len(_to_do(rule))
        except batches.BatchError as error:
            log.info("rule not acted on", rule=rule.name, reason=str(error))
            continue
        services.note_check(rule=rule, found=found)


def put_right(rule: Rule) -> int:
    """File the edits for what breaks a rule; how many that were."""
    assert rule.acting_for is not None  # noqa: S101 (asked by the caller)
    selection = _to_do(rule)[: batches.MOST]
    if not selection:
        return 0
    batch = batches.draft_batch(
        actor=rule.acting_for,
        selection=selection,
        source=gettext_noop("Rule “%(rule)s”, by itself") % {"rule": rule.name},
        rule=rule,
    )
    batch = batches.preview_batch(batch=batch, wish=wish_for(rule))
    if not batch.plan:
        batch.delete()
        return 0
    batches.confirm_batch(batch=batch, preview=batches.preview_of(batch))
    return batch.edits.count()


def wish_for(rule: Rule) -> BulkWish:
    """What puts right whatever breaks the rule."""
    kind, patch = remedy(rule)
    keeps = kind == Edit.Kind.UPDATE and "auto_stop_duration" not in patch
    return BulkWish(Edit.Kind(kind), patch, keeps_hours=keeps)


def _may_act(rule: Rule) -> bool:
    return (
        rule.acts and rule.acting_for is not None and can_write_rules(rule.acting_for)
    )


def _to_do(rule: Rule) -> list[int]:
    now = timezone.now()
    done = Edit.objects.filter(batch__rule=rule, created_at__gte=now - ONCE_IN)
    lately = set(done.values_list("instance_id", flat=True))
    return [pk for pk in selectors.breaking(rule, now) if pk not in lately]
