"""Pages of schedules and holiday calendars."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import FleetVersion, Instance
from dashboard.schedules.models import HolidayCalendar, Override, Schedule, ScheduleRun
from tests.factories import make_instance

from .conftest import make_schedule
from .test_holiday_files import FILE

LIST, HOLIDAYS = "/policies/schedules/", "/policies/schedules/holidays/"
MONDAY_NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
# Session, user, bell, three of schedules, days, numbers and runs.
QUERIES = 12


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture(autouse=True)
def _monday() -> Any:
    with time_machine.travel(MONDAY_NOON, tick=False):
        yield


def typed(**fields: Any) -> dict[str, Any]:
    """The form of office hours, as sent."""
    return {
        "name": "Office hours",
        "time_zone": "Europe/Berlin",
        "times-TOTAL_FORMS": "3",
        "times-INITIAL_FORMS": "1",
        "times-0-weekdays": ["0", "1", "2", "3", "4"],
        "times-0-start": "08:00",
        "times-0-stop": "19:00",
        "times-1-start": "",
        "times-2-stop": "",
    } | fields


def test_an_admin_writes_a_schedule(as_admin: Client) -> None:
    make_instance(name="only-me", workspace_id="ml")
    calendar = HolidayCalendar.objects.create(name="Berlin")
    page = as_admin.get(f"{LIST}new/")
    assert "A new schedule is a dry run" in page.text
    data = typed(
        **{"workspace_id": "ml", "tag": "a=b", "only_instance": "only-me"},
        **{"holidays": [calendar.pk], "starts": "on", "last_day": "2027-01-31"},
        **{"times-2-weekdays": ["5"], "times-2-stop": "13:00"},
    )
    answer = as_admin.post(f"{LIST}new/", data)
    schedule = Schedule.objects.get()
    assert (answer.status_code, answer["Location"]) == (
        303,
        f"{LIST}{schedule.pk}/",
    )
    assert schedule.scope_words == ["ml", "a=b", "only-me"]
    assert (schedule.mode, schedule.starts) == (Schedule.Mode.DRY_RUN, True)
    assert [
        (row.weekdays, row.start, row.stop) for row in schedule.working_times.all()
    ] == [([0, 1, 2, 3, 4], time(8), time(19)), ([5], None, time(13))]
    assert list(schedule.holidays.all()) == [calendar]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"time_zone": "Mars/Olympus"}, "Unknown time zone"),
        ({"first_day": "2027-01-02", "last_day": "2027-01-01"}, "before the first day"),
        ({"tag": 'a"b'}, "no quotation marks"),
        ({"only_instance": "nobody"}, "No instance has this name or ID."),
        ({"only_instance": "twin"}, "Several instances have this name."),
        ({"times-0-weekdays": []}, "Choose at least one day."),
        ({"times-0-stop": ""}, "Enter a time, such as 19:00."),
        ({"times-0-stop": "08:00"}, "Start and stop must differ."),
        ({"times-0-remove": "on"}, "Enter at least one working time."),
        ({"times-0-stop": "25:00"}, "Enter a valid time."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_a_wrong_form_says_what_to_correct(
    as_admin: Client, fields: dict[str, Any], error: str
) -> None:
    make_instance(name="twin")
    make_instance(name="twin")
    answer = as_admin.post(f"{LIST}new/", typed(**fields))
    assert answer.status_code == 422
    assert error in answer.text
    assert not Schedule.objects.exists()


def test_a_change_says_that_it_is_a_dry_run_again(as_admin: Client) -> None:
    schedule = make_schedule(name="Office hours")
    url = f"{schedule.get_absolute_url()}edit/"
    assert "returns this schedule to its dry run" in as_admin.get(url).text
    answer = as_admin.post(url, typed(**{"times-0-stop": "20:00"}), follow=True)
    assert "It is a dry run again" in answer.text
    assert [row.stop for row in schedule.working_times.all()] == [time(20)]


def test_a_row_is_removed(as_admin: Client) -> None:
    schedule = make_schedule(name="Office hours")
    schedule.working_times.create(weekdays=[5], stop=time(13))
    data = typed(**{"times-INITIAL_FORMS": "2", "times-1-remove": "on"})
    url = f"{schedule.get_absolute_url()}edit/"
    assert as_admin.post(url, data).status_code == 303
    assert schedule.working_times.count() == 1


def test_the_list_in_order(
    as_admin: Client, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    gpu = make_schedule(name="GPUs off", flavor_type="GPU")
    rest = make_schedule(name="All off", mode=Schedule.Mode.DRY_RUN)
    for flavor_type in ("GPU", "GPU", "CPU"):
        make_instance(flavor_type=flavor_type)
    ScheduleRun.objects.create(
        schedule=gpu,
        kind="stop",
        moment=MONDAY_NOON,
        handled_at=MONDAY_NOON,
        state="missed",
    )
    with django_assert_max_num_queries(QUERIES):
        html = as_admin.get(LIST).text
    assert html.index("GPUs off") < html.index("All off")
    assert "<strong>2</strong>" in html
    assert "1 if on" in html
    assert "Missed" in html
    assert "Mon\N{EN DASH}Fri 08:00\N{EN DASH}19:00 (Europe/Berlin)" in html
    moved = as_admin.post(f"{LIST}{rest.pk}/move/", {"to": "up"}, follow=True).text
    assert moved.index("All off") < moved.index("GPUs off")


def test_the_page_shows_the_effect_the_weeks_and_the_past(as_admin: Client) -> None:
    make_schedule(name="GPUs off", flavor_type="GPU")
    schedule = make_schedule(
        name="All off",
        mode=Schedule.Mode.DRY_RUN,
        holidays=[date(2026, 12, 8)],
        reason="Nobody works at night.",
    )
    seen = datetime(2026, 1, 1, tzinfo=UTC)
    make_instance(name="shadowed", first_seen_at=seen)
    make_instance(name="concerned", flavor_type="CPU", first_seen_at=seen)
    html = as_admin.get(schedule.get_absolute_url()).text
    assert "It applies to <strong>1 instance</strong>." in html
    assert "“<bdi>GPUs off</bdi>” comes first." in html
    assert "It would have stopped 5 runs" in html
    assert html.count("concerned</bdi>") > 1
    assert ">shadowed<" not in html
    assert "A holiday" in html
    assert html.count('class="bar-stop"') == 9
    assert "style=" not in html.split("<main")[1]


def test_switching_on_asks_for_the_number(as_admin: Client, settings: Any) -> None:
    schedule = make_schedule(mode=Schedule.Mode.DRY_RUN)
    for _ in range(6):
        make_instance()
    url = schedule.get_absolute_url()
    assert "Type <strong>6</strong>" in as_admin.get(url).text
    answer = as_admin.post(f"{url}switch/", {"mode": "on", "number": "5"})
    assert answer.status_code == 422
    assert "Type 6 to confirm." in answer.text
    schedule.refresh_from_db()
    assert not schedule.is_on
    answer = as_admin.post(
        f"{url}switch/", {"mode": "on", "number": "6", "shown": "6"}, follow=True
    )
    assert "The schedule is on." in answer.text
    schedule.refresh_from_db()
    assert schedule.is_on
    as_admin.post(f"{url}switch/", {"mode": "off"})
    schedule.refresh_from_db()
    assert schedule.mode == Schedule.Mode.OFF
    assert as_admin.post(f"{url}switch/", {"mode": "?"}).status_code == 422


def test_more_instances_than_the_page_showed_need_their_own_number(
    as_admin: Client,
) -> None:
    schedule = make_schedule(mode=Schedule.Mode.DRY_RUN)
    for _ in range(7):
        make_instance()
    answer = as_admin.post(
        f"{schedule.get_absolute_url()}switch/",
        {"mode": "on", "number": "6", "shown": "6"},
    )
    assert answer.status_code == 422


def test_a_schedule_is_removed(as_admin: Client) -> None:
    schedule = make_schedule()
    answer = as_admin.post(f"{schedule.get_absolute_url()}delete/", follow=True)
    assert "removed" in answer.text
    assert "No schedules yet" in answer.text


def test_others_read_and_write_nothing(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    schedule = make_schedule(holidays=[date(2026, 12, 25)])
    calendar = schedule.holidays.get()
    for url in (LIST, schedule.get_absolute_url(), HOLIDAYS):
        html = client.get(url).text.split("<main")[1].split("</main>")[0]
        assert "<form" not in html
    page = client.get(f"{HOLIDAYS}{calendar.pk}/").text
    assert "A holiday" in page
    assert "<form" not in page.split("<main")[1].split("</main>")[0]
    for url in (f"{LIST}new/", f"{schedule.get_absolute_url()}edit/"):
        assert client.get(url).status_code == 403
    own, of_calendar = schedule.get_absolute_url(), f"{HOLIDAYS}{calendar.pk}/"
    for url in (
        *(f"{LIST}new/", f"{own}edit/", f"{own}switch/", f"{own}move/"),
        *(f"{own}delete/", HOLIDAYS, of_calendar, f"{of_calendar}file/"),
        *(f"{of_calendar}days/delete/", f"{of_calendar}delete/"),
        f"{of_calendar}rename/",
    ):
        assert client.post(url).status_code == 403, url


def test_days_are_typed_and_deleted(as_admin: Client) -> None:
    answer = as_admin.post(HOLIDAYS, {"name": "Berlin"})
    calendar = HolidayCalendar.objects.get()
    url = f"{HOLIDAYS}{calendar.pk}/"
    assert answer["Location"] == url
    assert as_admin.post(HOLIDAYS, {"name": "Berlin"}).status_code == 422
    answer = as_admin.post(url, {"days": "tomorrow\n2026-12-25 Christmas"})
    assert answer.status_code == 422
    assert "Line 1: “tomorrow” is no date." in answer.text
    answer = as_admin.post(
        url, {"days": "2026-12-25 Christmas\n2026-01-01 New Year"}, follow=True
    )
    assert "2 days added." in answer.text
    assert "Past days (1)" in answer.text
    answer = as_admin.post(f"{url}days/delete/", {"day": "2026-12-25"}, follow=True)
    assert "1 day deleted." in answer.text
    answer = as_admin.post(f"{url}days/delete/", {"day": "2026-12-25"}, follow=True)
    assert "Choose the days to delete." in answer.text


def test_a_file_is_reviewed_before_its_days_are_added(as_admin: Client) -> None:
    calendar = HolidayCalendar.objects.create(name="Berlin")
    calendar.holidays.create(day=date(2026, 12, 25))
    url = f"{HOLIDAYS}{calendar.pk}/"
    file = SimpleUploadedFile("berlin.ics", FILE.encode())
    page = as_admin.post(f"{url}file/", {"file": file})
    assert page.status_code == 200
    assert "<strong>8 days read from the file.</strong>" in page.text
    assert "1 is already in the calendar." in page.text
    assert "“<bdi>Standup</bdi>”" in page.text
    assert "2026-12-26 Christmas" in page.text
    assert calendar.holidays.count() == 1
    file = SimpleUploadedFile("berlin.ics", b"\xff\xfe")
    page = as_admin.post(f"{url}file/", {"file": file})
    assert page.status_code == 422
    assert "The file is not text." in page.text
    empty = FILE.replace("VALUE=DATE:2026", "VALUE=DATE:2006").replace(
        "RRULE:FREQ=YEARLY\r\n", ""
    )
    file = SimpleUploadedFile("berlin.ics", empty.encode())
    assert "no all-day events" in as_admin.post(f"{url}file/", {"file": file}).text


def test_a_calendar_gets_another_name(as_admin: Client) -> None:
    calendar = HolidayCalendar.objects.create(name="Berlin")
    HolidayCalendar.objects.create(name="Hesse")
    url = f"{HOLIDAYS}{calendar.pk}/"
    taken = as_admin.post(f"{url}rename/", {"name": "Hesse"})
    assert taken.status_code == 422
    assert "already exists" in taken.text
    # The page is still that of the stored name.
    assert "<title>Berlin" in taken.text
    answer = as_admin.post(f"{url}rename/", {"name": "Berlin, Brandenburg"})
    assert answer.headers["Location"] == url
    assert "“Berlin, Brandenburg” saved." in as_admin.get(url).text
    event = AuditEvent.objects.get(action="holiday_calendar.changed")
    assert (event.before, event.after) == (
        {"name": "Berlin"},
        {"name": "Berlin, Brandenburg"},
    )


def test_a_calendar_in_use_is_not_deleted(as_admin: Client) -> None:
    schedule = make_schedule(holidays=[date(2026, 12, 25)])
    url = f"{HOLIDAYS}{schedule.holidays.get().pk}/delete/"
    answer = as_admin.post(url, follow=True)
    assert "1 schedule uses this calendar." in answer.text
    schedule.holidays.clear()
    assert as_admin.post(url)["Location"] == HOLIDAYS


def test_the_instance_says_which_schedule_applies_and_why(
    as_admin: Client, instance: Instance
) -> None:
    url = instance.get_absolute_url()
    assert "No schedule applies." in as_admin.get(url).text
    make_schedule(
        name="Office hours",
        workspace_id=instance.workspace_id,
        reason="Nights cost money.",
        starts=True,
    )
    FleetVersion.stamp()  # as each change of a schedule does
    section = _schedules_of(as_admin, instance)
    assert "Office hours" in section
    assert "Mon 18:00 UTC" in section
    assert "this instance is in workspace 0." in section
    assert "Nights cost money." in section
    assert "Next start" in section
    assert "stops it" in section
    assert "?kind=skip" in section


def test_the_instance_says_that_an_override_covers_the_stop(
    as_admin: Client, instance: Instance, admin: User
) -> None:
    make_schedule(workspace_id=instance.workspace_id)
    until = MONDAY_NOON + timedelta(days=30)
    Override.objects.create(
        instance=instance, kind=Override.Kind.IGNORE, until=until, created_by=admin
    )
    section = _schedules_of(as_admin, instance)
    assert "would stop it" in section
    assert "?kind=skip" not in section


def test_the_form_suggests_time_zones(as_admin: Client) -> None:
    text = as_admin.get(f"{LIST}new/").text
    assert 'list="time_zone-suggestions"' in text
    assert '<option value="Asia/Shanghai"></option>' in text


def _schedules_of(client: Client, instance: Instance) -> str:
    text = client.get(instance.get_absolute_url()).text
    return text.split(f'id="override-{instance.pk}"')[1].split("</section>")[0]
