"""The demo's rules have something to say."""

import pytest
from django.utils import timezone

from dashboard.accounts.models import CloudUser, User
from dashboard.emulator import Emulator
from dashboard.ops import demo_rules
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import compliance


@pytest.mark.parametrize("empty_cloud", [{"fleet": 60}], indirect=True)
def test_violations_worth_looking_at(
    cloud: Emulator, admin: User, scientist: User
) -> None:
    CloudUser.objects.create(account=scientist, identifier="li.wei")
    assert demo_rules.write() == "3 rules"
    found = {one.rule.name: one for one in compliance(admin, timezone.now(), most=50)}
    assert len(found["GPUs switch themselves off"].findings) == 3
    assert found["Runs end after 10 hours"].findings
    assert RuleException.objects.filter(state="approved").exists()
    assert not any(one.rule.acts for one in found.values())


def test_an_empty_fleet_breaks_nothing(admin: User) -> None:
    assert demo_rules.write() == "3 rules"
