"""The demo's data is worth looking at."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import CloudUser, User
from dashboard.emulator import Emulator
from dashboard.handover.models import Handover, Note, WallLink
from dashboard.instances.models import Cloud
from dashboard.ops import demo_data, working_day
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import compliance
from dashboard.schedules import selectors
from dashboard.schedules.models import Schedule
from dashboard.schedules.overrides import covered
from tests.factories import make_instance


@pytest.mark.parametrize("empty_cloud", [{"fleet": 60}], indirect=True)
def test_violations_worth_looking_at(
    cloud: Emulator, admin: User, scientist: User
) -> None:
    CloudUser.objects.create(account=scientist, identifier="li.wei")
    assert demo_data.add_policies() == "4 policies"
    results = compliance(admin, timezone.now(), limit=50)
    policies = {result.rule.name: result for result in results}
    assert len(policies["GPUs need auto-stop"].findings) == 3
    assert policies["Runs end after 10 hours"].findings
    assert RuleException.objects.filter(state="approved").exists()
    assert not any(result.rule.acts for result in results)


def test_three_schedules_none_of_which_acts_today(
    admin: User, operator: User, cloud_row: Cloud
) -> None:
    for name in ("anna", "li"):
        User.objects.create_user(username=name, role="scientist")
    demo_data.add_teams()
    assert demo_data.add_schedules() == "3 schedules"
    modes = dict(Schedule.objects.values_list("name", "mode"))
    assert modes == {
        "Forecasting: office hours": "on",
        "GPUs off at night": "dry_run",
        "Trade show": "off",
    }
    [active] = selectors.active_schedules()
    now = timezone.now()
    soon = now + timedelta(hours=6)
    assert not selectors.moments_of(active, since=now, until=soon)
    assert selectors.upcoming(active, now)


@pytest.mark.parametrize("minutes", [2, 10])
@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 30, 12, 0, 31, tzinfo=UTC),
        datetime(2026, 11, 30, 23, 58, 10, tzinfo=UTC),
    ],
)
def test_a_working_day_in_minutes(
    admin: User, scientist: User, cloud_row: Cloud, now: datetime, minutes: int
) -> None:
    with time_machine.travel(now, tick=False):
        instance = make_instance(cloud=cloud_row)
        day = working_day.add(minutes)
        assert timedelta(seconds=30) <= day.morning - now <= timedelta(seconds=90)
        assert day.evening - day.morning == timedelta(minutes=minutes - 1)
        assert day.morning < day.noon <= day.evening
        trial, schedule = Schedule.objects.all()
        assert (trial.mode, schedule.mode) == ("dry_run", "on")
        moments = selectors.moments_of(
            schedule, since=now, until=now + timedelta(hours=2)
        )
        assert [moment.at for moment in moments] == [day.morning, day.evening]
        assert [moment.kind for moment in moments] == ["start", "stop"]
        skipped = covered([instance], day.evening)
    assert skipped == {instance.pk}


def test_an_empty_fleet_violates_nothing(admin: User) -> None:
    assert demo_data.add_policies() == "4 policies"


def test_one_published_one_draft_and_two_wallboards(
    client: Client, admin: User, operator: User, cloud_row: Cloud
) -> None:
    demo_data.save_views()
    assert demo_data.hand_over() == "2 handovers, 2 wallboards"
    published, draft = Handover.objects.order_by("pk")
    assert (published.published_by, published.taken_over_by) == (operator, admin)
    assert draft.notes.count() == 2
    assert Note.objects.carried_into(draft).count() == 2
    assert [link.masked for link in WallLink.objects.order_by("pk")] == [False, True]
    url = demo_data.wallboard_url("http://testserver/")
    assert "Control room" in client.get(url).text
