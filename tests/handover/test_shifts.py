"""Who is on shift."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.shifts import person_on_shift
from dashboard.handover import services

from .handovers import make_draft, publish


@pytest.mark.usefixtures("cloud_row")
def test_a_shift_ends_with_the_next_take_over_or_after_12_hours(
    operator: User, admin: User
) -> None:
    on_shift = person_on_shift.get()
    assert on_shift(timezone.now()) is None
    first = publish(make_draft(operator), operator)
    services.take_over(handover=first, actor=admin)
    second = publish(make_draft(admin), admin)
    now = timezone.now()
    assert on_shift(now) == admin
    assert on_shift(now + timedelta(hours=13)) is None
    services.take_over(handover=second, actor=operator)
    assert on_shift(timezone.now()) == operator
    User.objects.filter(pk=operator.pk).update(is_active=False)
    assert on_shift(timezone.now()) is None
