"""Overrides on the pages of other apps."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.instances.models import Instance
from dashboard.instances.selectors import override_of as stored_override_of
from dashboard.schedules.models import Override
from dashboard.schedules.selectors import for_instances
from dashboard.web.templatetags.pages import stop_text

register = template.Library()

_ICONS: dict[str, str] = {
    Override.Kind.KEEP: "pin",
    Override.Kind.SKIP: "skip-forward",
    Override.Kind.IGNORE: "calendar-off",
}


@register.simple_tag
def override_of(instance: Instance) -> Override | None:
    """Return the override in effect; a query unless the row was read with it."""
    override: Override | None = stored_override_of(instance, timezone.now())
    return override


@register.simple_tag
def next_stop_of(instance: Instance) -> datetime | None:
    """Return the next stop of the schedule of an instance; a few queries."""
    matched = for_instances([instance], timezone.now()).get(instance.pk)
    return matched.next_stop.at if matched and matched.next_stop else None


@register.filter
def override_text(override: Override) -> str:
    """Return what an override does, such as ``Kept until Fri 4 Dec, 18:00``."""
    if override.kind == Override.Kind.SKIP and override.skips:
        return _("Skips the stop %(stop)s") % {"stop": stop_text(override.skips)}
    end = {"end": stop_text(override.until)}
    is_kept = override.starts_again or override.instance.capabilities.has_lease
    if override.kind == Override.Kind.KEEP and not is_kept:
        # Its run ends when it ends.
        return _("No scheduled stop until %(end)s") % end
    if override.kind == Override.Kind.KEEP:
        return _("Kept until %(end)s") % end
    return _("Ignores schedules until %(end)s") % end


@register.filter
def override_end(override: Override) -> str:
    """Return the moment in it, such as ``Fri 4 Dec, 18:00``."""
    return stop_text(override.skips or override.until)


@register.filter
def override_icon(override: Override) -> str:
    return _ICONS[override.kind]
