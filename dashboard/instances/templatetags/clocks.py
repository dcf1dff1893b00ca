from datetime import timedelta

from django import template

from dashboard.instances import countdown, run_state
from dashboard.instances.models import Instance

register = template.Library()


@register.filter
def status_label(instance: Instance) -> str:
    return countdown.badge(instance).label


@register.simple_tag
def overdue_after_ms() -> int:
    """Return how long after its stop time a run is overdue, **ms**."""
    return run_state.overdue_after() // timedelta(milliseconds=1)
