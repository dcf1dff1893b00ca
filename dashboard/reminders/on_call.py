"""Who is on call: the person who took over the shift, or else the roster's."""

from datetime import datetime
from typing import NamedTuple

from dashboard.accounts.permissions import can_remind_of_others
from dashboard.accounts.shifts import person_on_shift

from .models import OnCall


class Duty(NamedTuple):
    """Who is on call, and who is next, as ``User.pk``; None for nobody."""

    person_pk: int | None = None
    next_pk: int | None = None


def duty_at(now: datetime) -> Duty:
    """Return who is on call.

    Next is the next other person of the roster, for events that nobody acknowledges.
    People without the role are skipped: the roster may be older than their role.
    """
    person = person_on_shift.get()(now)
    people = [person.pk] if person and can_remind_of_others(person) else []
    shifts = OnCall.objects.filter(ends_at__gt=now, person__is_active=True)
    for shift in shifts.select_related("person").order_by("starts_at", "pk")[:50]:
        if not people and shift.starts_at > now:
            return Duty()
        person = shift.person
        if person and person.pk not in people and can_remind_of_others(person):
            people.append(person.pk)
        if len(people) > 1:
            break
    return Duty(*people[:2])
