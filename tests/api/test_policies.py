"""Policies and overrides as programs read them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.policies.models import Rule
from dashboard.schedules.models import Override
from tests.factories import make_instance

from .conftest import Programs

pytestmark = pytest.mark.django_db


def test_policies_are_listed_in_order(program: Programs, viewer: User) -> None:
    fields = {"kind": "max_hours", "max_seconds": 8 * 3600, "reason": "Costs"}
    Rule.objects.create(name="A", position=2, **fields)
    Rule.objects.create(name="B", position=1, mode="enforce", tag="team=a", **fields)
    first, second = program(viewer).get("/policies")["items"]
    assert (first["name"], second["name"]) == ("B", "A")
    assert (first["mode"], first["acts"]) == ("enforce", False)
    assert first["requirement"] == "The maximum run time is 8 h."
    assert {name for name, value in first["scope"].items() if value} == {"tag"}


def test_overrides_in_effect_are_listed(
    program: Programs, viewer: User, operator: User
) -> None:
    now = timezone.now()
    for hours, name in ((5, "later"), (2, "sooner"), (-1, "over")):
        Override.objects.create(
            instance=make_instance(name=name),
            kind="ignore",
            until=now + timedelta(hours=hours),
            created_by=operator,
        )
    found = program(viewer).get("/overrides")["items"]
    assert [item["instance_name"] for item in found] == ["sooner", "later"]
    assert found[0]["created_by"] == "operator"
