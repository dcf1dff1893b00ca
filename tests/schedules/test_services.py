"""Writes of schedules and holiday calendars."""

from collections.abc import Iterator
from datetime import date, time
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import Instance
from dashboard.schedules import services
from dashboard.schedules.models import (
    HolidayCalendar,
    Schedule,
    WorkingTime,
)
from dashboard.schedules.signals import acting_ended
from tests.factories import make_instance

from .conftest import WORKDAYS, make_schedule

pytestmark = pytest.mark.django_db

CHRISTMAS = date(2026, 12, 25)


@pytest.fixture
def cancelled() -> Iterator[list[Schedule]]:
    """The schedules whose waiting edits were cancelled, two each."""
    schedules: list[Schedule] = []

    def receiver(schedule: Schedule, **_: object) -> int:
        schedules.append(schedule)
        return 2

    acting_ended.connect(receiver)
    yield schedules
    acting_ended.disconnect(receiver)


def save(schedule: Schedule, actor: User, *, stop: time = time(19)) -> Schedule:
    rows = [WorkingTime(weekdays=WORKDAYS, start=time(8), stop=stop)]
    return services.save_schedule(
        schedule=schedule, working_times=rows, holidays=[], actor=actor
    )


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_a_new_schedule_is_a_dry_run_at_the_end(admin: User) -> None:
    make_schedule()
    schedule = save(
        Schedule(name="Nights", time_zone="UTC", mode=Schedule.Mode.ON), admin
    )
    schedule.refresh_from_db()
    assert (schedule.position, schedule.mode) == (2, Schedule.Mode.DRY_RUN)
    assert schedule.checked_until is not None
    event = AuditEvent.objects.get(action="schedule.added")
    assert event.after["working_times"] == "MO,TU,WE,TH,FR 08:00-19:00"


def test_changing_what_it_does_returns_it_to_the_dry_run(
    admin: User, cancelled: list[Schedule]
) -> None:
    schedule = save(make_schedule(), admin, stop=time(20))
    schedule.refresh_from_db()
    assert schedule.mode == Schedule.Mode.DRY_RUN
    assert schedule.checked_until is not None
    assert cancelled == [schedule]
    assert [row.stop for row in schedule.working_times.all()] == [time(20)]
    event = AuditEvent.objects.get(action="schedule.changed")
    assert (event.before["mode"], event.after["mode"]) == ("on", "dry_run")
    assert event.after["cancelled"] == 2


def test_a_new_name_leaves_it_on(admin: User, cancelled: list[Schedule]) -> None:
    schedule = make_schedule()
    schedule.name = "Office"
    save(schedule, admin)
    schedule.refresh_from_db()
    assert (schedule.name, schedule.mode) == ("Office", Schedule.Mode.ON)
    assert schedule.checked_until is None
    assert cancelled == []


def test_switching_cancels_and_does_not_look_back(
    admin: User, cancelled: list[Schedule]
) -> None:
    schedule = make_schedule(mode=Schedule.Mode.DRY_RUN)
    before = timezone.now()
    services.switch(schedule=schedule, mode=Schedule.Mode.ON, actor=admin)
    schedule.refresh_from_db()
    assert schedule.is_on
    assert schedule.switched_on_by == admin
    assert schedule.checked_until is not None
    assert schedule.checked_until >= before
    assert services.switch(schedule=schedule, mode="off", actor=admin) == 2
    schedule.refresh_from_db()
    assert schedule.switched_on_by is None
    # Nothing happens when it is off already.
    assert services.switch(schedule=schedule, mode="off", actor=admin) == 0
    assert actions()[-2:] == ["schedule.switched", "schedule.switched"]
    assert cancelled == [schedule, schedule]


def test_open_pages_of_its_instances_are_drawn_again(
    admin: User, django_capture_on_commit_callbacks: Any
) -> None:
    gpu, cpu = make_instance(), make_instance(flavor_type="CPU")
    schedule = make_schedule(flavor_type="GPU")
    with django_capture_on_commit_callbacks(execute=True):
        services.switch(schedule=schedule, mode="off", actor=admin)
    versions = dict(Instance.objects.values_list("pk", "version"))
    assert versions[gpu.pk] > versions[cpu.pk] == 0


def test_schedules_move_one_place(admin: User) -> None:
    first, second, third = (make_schedule() for _ in range(3))
    assert services.move(schedule=third, up=True, actor=admin)
    assert list(Schedule.objects.all()) == [first, third, second]
    assert not services.move(schedule=first, up=True, actor=admin)
    assert not services.move(schedule=second, up=False, actor=admin)
    assert services.move(schedule=first, up=False, actor=admin)
    assert list(Schedule.objects.values_list("position", flat=True)) == [1, 2, 3]
    assert list(Schedule.objects.all()) == [third, first, second]
    moved = AuditEvent.objects.filter(action="schedule.moved")
    assert [(event.target_label, event.after) for event in moved.order_by("pk")] == [
        (third.name, {"position": 2}),
        (first.name, {"position": 2}),
    ]


def test_a_deleted_schedule_leaves_a_gap_that_the_next_move_closes(
    admin: User, cancelled: list[Schedule]
) -> None:
    first, second, third = (make_schedule() for _ in range(3))
    assert services.delete_schedule(schedule=second, actor=admin) == 2
    assert services.move(schedule=third, up=True, actor=admin)
    assert list(Schedule.objects.values_list("pk", "position")) == [
        (third.pk, 1),
        (first.pk, 2),
    ]


@pytest.mark.parametrize("person", ["viewer", "scientist", "operator"])
def test_only_admins_write_schedules(
    person: str, request: pytest.FixtureRequest
) -> None:
    actor = request.getfixturevalue(person)
    schedule, calendar = make_schedule(), HolidayCalendar.objects.create(name="Berlin")
    for write in (
        lambda: save(schedule, actor),
        lambda: services.switch(schedule=schedule, mode="off", actor=actor),
        lambda: services.move(schedule=schedule, up=True, actor=actor),
        lambda: services.delete_schedule(schedule=schedule, actor=actor),
        lambda: services.add_calendar(name="Hamburg", actor=actor),
        lambda: services.add_holidays(calendar=calendar, days={}, actor=actor),
        lambda: services.delete_holidays(calendar=calendar, days=[], actor=actor),
        lambda: services.delete_calendar(calendar=calendar, actor=actor),
    ):
        with pytest.raises(PermissionDenied):
            write()
    assert actions() == []


def test_days_are_added_renamed_and_deleted(admin: User) -> None:
    calendar = services.add_calendar(name="Berlin", actor=admin)
    days = {CHRISTMAS: "Christmas", date(2027, 1, 1): ""}
    add = {"calendar": calendar, "actor": admin}
    assert services.add_holidays(days=days, **add) == 2
    assert services.add_holidays(days={CHRISTMAS: "Weihnachten"}, **add) == 0
    # A day without a name does not lose the one it has.
    assert services.add_holidays(days={CHRISTMAS: ""}, **add) == 0
    assert calendar.holidays.get(day=CHRISTMAS).name == "Weihnachten"
    gone = services.delete_holidays(
        calendar=calendar, days=[CHRISTMAS, date(2030, 1, 1)], actor=admin
    )
    assert gone == 1
    assert actions() == [
        "holiday_calendar.added",
        *["holiday_calendar.changed"] * 3,
    ]


def test_pages_that_show_its_days_are_drawn_again(
    admin: User, django_capture_on_commit_callbacks: Any
) -> None:
    instance = make_instance()
    make_schedule(holidays=[CHRISTMAS])
    calendar = HolidayCalendar.objects.get()
    for change in (
        partial(services.add_holidays, days={date(2027, 1, 1): ""}),
        partial(services.delete_holidays, days=[CHRISTMAS]),
    ):
        before = Instance.objects.get(pk=instance.pk).version
        with django_capture_on_commit_callbacks(execute=True):
            change(calendar=calendar, actor=admin)
        assert Instance.objects.get(pk=instance.pk).version > before


def test_a_calendar_in_use_stays(admin: User) -> None:
    schedule = make_schedule(holidays=[CHRISTMAS])
    calendar = schedule.holidays.get()
    with pytest.raises(services.ScheduleError, match="1 schedule uses"):
        services.delete_calendar(calendar=calendar, actor=admin)
    schedule.holidays.clear()
    services.delete_calendar(calendar=calendar, actor=admin)
    assert not HolidayCalendar.objects.exists()
