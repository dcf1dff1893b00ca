"""Which schedule applies to an instance, and its next moments."""

from datetime import UTC, date, datetime, time

import pytest
from django.utils import timezone

from dashboard.accounts.models import Team, TeamOwner
from dashboard.instances.models import Instance
from dashboard.schedules import selectors
from dashboard.schedules.models import Schedule
from tests.factories import make_instance, make_notebook

from .conftest import make_schedule

pytestmark = pytest.mark.django_db

MONDAY_NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_the_first_schedule_that_includes_an_instance_applies() -> None:
    make_schedule(workspace_id="ml", mode=Schedule.Mode.OFF)
    make_schedule(workspace_id="ml", mode=Schedule.Mode.DRY_RUN)
    narrow = make_schedule(workspace_id="ml", tag="team=vision")
    make_schedule()
    instance = make_notebook(workspace_id="ml")
    found = selectors.match(selectors.active_schedules(), instance)
    assert found is not None
    assert found.schedule == narrow
    assert str(found.because) == (
        "It applies because this instance is in workspace ml, tagged team=vision."
    )


def test_a_dry_run_is_judged_at_its_place_and_shadows_nothing() -> None:
    first = make_schedule(flavor_type="GPU")
    dry = make_schedule(mode=Schedule.Mode.DRY_RUN)
    last = make_schedule()
    gpu, cpu = make_instance(), make_instance(flavor_type="CPU")
    assert list(selectors.concerned(first)) == [gpu]
    assert list(selectors.concerned(dry)) == [cpu]
    assert list(selectors.concerned(last)) == [cpu]
    schedules = selectors.active_schedules()
    assert selectors.numbers_of_instances(schedules) == {first.pk: 1, last.pk: 1}


def test_the_database_finds_the_same_first_match() -> None:
    team = Team.objects.create(name="vision")
    TeamOwner.objects.create(team=team, identifier="li.wei")
    instances = [
        make_notebook(workspace_id="ml", tags={"team": "vision"}),
        make_notebook(owner_name="li.wei", tags={}),
        make_instance(flavor_type="CPU"),
        make_instance(workspace_id="ml", flavor_type="CPU"),
    ]
    make_schedule(instance=instances[3])
    make_schedule(tag="team")
    make_schedule(team=team)
    make_schedule(cloud="nowhere")
    make_schedule(flavor_type="cpu")
    schedules = selectors.active_schedules()
    rows = Instance.objects.annotate(first=selectors.first_match(schedules))
    assert dict(rows.values_list("pk", "first")) == {
        instance.pk: found.schedule.pk if found else None
        for instance in instances
        for found in [selectors.match(schedules, instance)]
    }


def test_an_instance_that_is_gone_is_not_concerned() -> None:
    schedule = make_schedule()
    make_instance(missing_since=timezone.now())
    assert not selectors.concerned(schedule).exists()
    assert selectors.numbers_of_instances([schedule]) == {}
    assert selectors.numbers_of_instances([]) == {}


def test_schedules_of_instances_take_a_fixed_number_of_queries(
    django_assert_max_num_queries: object,
) -> None:
    office = make_schedule(flavor_type="GPU", starts=True, holidays=[date(2026, 12, 1)])
    make_schedule(flavor_type="CPU", first_day=date(2027, 9, 1), start=None)
    make_schedule(flavor_type="ASCEND", last_day=date(2026, 11, 1))
    for flavor_type in ("GPU", "CPU", "ASCEND", "OTHER") * 3:
        make_instance(flavor_type=flavor_type)
    instances = list(Instance.objects.select_related("cloud").order_by("pk"))
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        found = selectors.for_instances(instances, MONDAY_NOON)
    assert len(found) == 9
    gpu, cpu, ascend = (found[instances[place].pk] for place in range(3))
    assert gpu.schedule == office
    assert gpu.next_stop is not None
    assert gpu.next_stop.at == datetime(2026, 11, 30, 18, tzinfo=UTC)
    assert gpu.next_start is not None
    assert gpu.next_start.at == datetime(2026, 12, 2, 7, tzinfo=UTC)
    assert gpu.next_moment == gpu.next_stop
    assert cpu.next_stop is not None
    assert cpu.next_stop.at == datetime(2027, 9, 1, 17, tzinfo=UTC)
    assert cpu.next_start is None
    assert ascend.next_moment is None


def test_a_schedule_far_west_has_a_moment_on_its_first_day() -> None:
    schedule = make_schedule(
        time_zone="Pacific/Apia", first_day=date(2026, 12, 7), stop=time(0, 30)
    )
    found = selectors.upcoming(selectors.with_times(schedule.pk), MONDAY_NOON)
    assert found["stop"].at == datetime(2026, 12, 7, 11, 30, tzinfo=UTC)
