"""Schedules on the pages of other apps."""

from django import template
from django.utils import timezone

from dashboard.instances.models import Instance
from dashboard.schedules import selectors
from dashboard.schedules.models import MomentKind, Override
from dashboard.schedules.selectors import Match

register = template.Library()


@register.simple_tag
def schedule_of(instance: Instance) -> Match | None:
    """Return the schedule that applies to an instance, with its next moments."""
    version = getattr(instance, "fleet_version", None)  # on its own page
    schedules = None if version is None else selectors.active_schedules_at(version)
    now = timezone.now()
    return selectors.for_instances([instance], now, schedules).get(instance.pk)


@register.simple_tag
def covers_stop(override: Override | None, applied: Match) -> bool:
    """Return whether the next stop of a schedule is not made because of an override."""
    stop = applied.next_stop
    return bool(override and stop and override.covers(stop.at, MomentKind.STOP))
