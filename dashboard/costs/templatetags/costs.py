"""Amounts of money and hours, in the reader's language."""

from django import template

from dashboard.costs import display

register = template.Library()

money = register.simple_tag(display.amount_text, name="money")
amounts = register.filter("amounts", display.money_text)
hours = register.filter("hours", display.hours_text)
percent = register.filter("percent", display.percent_text)
share = register.filter("share", display.share_text)
