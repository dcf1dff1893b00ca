"""Numbers of reports, and the runs of an instance on its page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.permissions import cost_scope
from dashboard.costs import display, instance_runs
from dashboard.costs.periods import this_month
from dashboard.costs.savings import Because
from dashboard.costs.scopes import scope_for
from dashboard.costs.usage import Dimension, Reading, Usage, report
from dashboard.instances.models import Instance
from dashboard.web.process_cache import ProcessCache

register = template.Library()

OWN_SECONDS = 300
_own = ProcessCache(max_size=1_000, seconds=OWN_SECONDS)

register.filter("hours_number", display.hours_number)
register.filter("amount", display.amount_number)
register.filter("money_texts", display.money_texts)
register.filter("usage_text", display.usage_text)
register.filter("start_known", display.start_known)
register.filter("end_known", display.end_known)


@register.filter
def at(values: Sequence[Any], index: int) -> Any:
    """Return an item of a sequence."""
    return values[index]


@register.filter
def because_text(because: str) -> str:
    """Return why nothing is saved after ``Avoided.until``."""
    return str(Because(because).label)


@register.simple_tag
def own_costs(user: User) -> Usage | None:
    """Return what the user's instances have cost this month; None for nothing.

    It is up to five minutes old.
    """
    if cost_scope(user) != "own":
        return None
    now = timezone.now()
    key = (user.cloud_identifiers, int(now.timestamp()) // OWN_SECONDS)
    usage = _own.get_or_compute(key, lambda: _own_usage(user, now))
    return usage if usage.running or usage.stopped else None


def _own_usage(user: User, now: datetime) -> Usage:
    reading = Reading(this_month(now), scope_for(user), now)
    return report(reading, Dimension.CLOUD).total


@register.simple_tag
def runs_of(instance: Instance, user: User) -> instance_runs.InstanceRuns | None:
    """Return the last runs; None if there are none that the user may see."""
    return instance_runs.runs_of(instance, user)
