"""What runs cost, on the pages of other apps."""

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.html import format_html

from dashboard.costs import estimates
from dashboard.costs.estimates import Estimate
from dashboard.costs.money import Money
from dashboard.instances.countdown import unix_ms
from dashboard.instances.models import Instance

from .costs import money

register = template.Library()

register.simple_tag(estimates.price_now, name="price_of")


@register.simple_tag
def run_ahead(instance: Instance) -> Estimate | None:
    """Return what the rest of the run costs from now on."""
    return estimates.run_ahead(instance, timezone.now())


@register.simple_tag
def saved_by_stop(instance: Instance) -> Estimate | None:
    """Return what a stop saves from now on."""
    return estimates.saved_by_stop(instance, timezone.now())


@register.simple_tag
def run_so_far(instance: Instance) -> Money:
    """Return what the current run has cost until now."""
    return estimates.run_so_far(instance, timezone.now())


@register.simple_tag
def live_cost(
    estimate: Estimate, until: datetime | None = None, after: datetime | None = None
) -> str:
    """Render an amount that ``static/countdown.js`` keeps right.

    Args:
        estimate: With a length.
        until: The end of the time that it is about, if that has begun.
        after: The end that this time begins at, while it is ahead.
    """
    amount = estimate.amount or Decimal(0)
    length = ("until", unix_ms(until)) if until else ("seconds", estimate.seconds)
    return format_html(
        '<strong data-price="{}" data-currency="{}" data-cost-{}="{}"{}>{}</strong>',
        f"{estimate.rate:f}",
        estimate.price.currency,
        *length,
        format_html(' data-cost-after="{}"', unix_ms(after)) if after else "",
        money(amount, estimate.price.currency),
    )
