"""Confirms a change of many instances: a person types their number."""

import re

from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext

from dashboard.accounts.models import User

from .models import Instance

WHOLE_FLEET_FROM = 5
"""Smaller fleets are seen at a glance, so no one must type their number."""


def asks_number(number: int, user: User) -> bool:
    """Whether a person must type the number of instances to confirm a change.

    So it is for more than ``CURFEW_BULK_CONFIRM_ABOVE``, and for all that they see.
    """
    if number > settings.CURFEW.bulk_confirm_above:
        return True
    if number < WHOLE_FLEET_FROM:
        return False
    fleet = Instance.objects.visible_to(user).filter(missing_since=None)
    return number >= fleet.count()


def number_fault(data: QueryDict, number: int, user: User) -> str:
    """Return why a confirmation is invalid; empty if it is valid.

    Args:
        data: ``number``: the number of instances, typed; with or without separators.
        number: How many there are.
        user: Who confirms.
    """
    typed = re.sub(r"[\s.,'\u2019\u202f\u00a0]", "", data.get("number", ""))
    if typed == str(number) or not asks_number(number, user):
        return ""
    return gettext("Type %(number)s to confirm.") % {"number": number}
