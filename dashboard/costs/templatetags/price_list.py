from datetime import date
from decimal import Decimal

from django import template
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _

from dashboard.costs.amounts import decimals
from dashboard.costs.models import Price

register = template.Library()


@register.simple_tag
def hourly(amount: Decimal | None, currency: str) -> str:
    """Render a price of the list, which is not rounded: 4.20 EUR, 0.0045 EUR."""
    if amount is None:
        return format_html('<span class="soft">{}</span>', _("unknown"))
    text = number_format(amount, decimals(amount), force_grouping=True)
    return format_html(
        '<span class="nowrap">{}\N{NO-BREAK SPACE}{}</span>', text, currency
    )


@register.filter
def day(value: date) -> str:
    """Format a day: 1 Dec 2026."""
    return date_format(value, _("j M Y"))


@register.filter
def of_all_clouds(price: Price) -> bool:
    return price.cloud == Price.ANY_CLOUD
