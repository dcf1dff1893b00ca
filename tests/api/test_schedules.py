"""Schedules: reading, and writing for admins."""

from datetime import date, datetime, time
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import Team, User
from dashboard.instances.models import Instance
from dashboard.schedules.models import HolidayCalendar, Schedule, ScheduleRun
from tests.factories import make_instance
from tests.schedules.conftest import WORKDAYS, make_schedule

from .conftest import Program, Programs

pytestmark = pytest.mark.django_db

type ProblemCheck = Any

OFFICE = {"weekdays": WORKDAYS, "start": "08:00", "stop": "19:00"}
BODY = {"name": "Office", "time_zone": "Europe/Berlin", "working_times": [OFFICE]}


@pytest.fixture
def asks(program: Programs, admin: User) -> Program:
    return program(admin)


def test_they_are_listed_in_order(program: Programs, viewer: User) -> None:
    gpu = make_schedule(flavor_type="GPU", tag="team")
    rest = make_schedule(mode="off", starts=True, holidays=[date(2026, 12, 25)])
    make_instance(flavor_type="CPU")
    first, second = program(viewer).get("/schedules")["items"]
    assert (first["id"], second["id"]) == (gpu.pk, rest.pk)
    assert first["scope"] == {
        **dict.fromkeys(("cloud", "workspace", "owner", "team", "instance"), ""),
        "flavor_type": "GPU",
        "tag": "team",
    }
    assert (first["instances"], second["instances"]) == (0, 1)
    assert first["working_times"] == [OFFICE]
    assert first["next_moment"]["kind"] == "stop"
    assert second["next_moment"] is None
    assert second["holidays"] == ["Holidays 2"]


def test_one_has_its_moments_and_runs(program: Programs, viewer: User) -> None:
    schedule = make_schedule(weekdays=range(7))
    now = timezone.now()
    ScheduleRun.objects.create(
        schedule=schedule, kind="stop", moment=now, handled_at=now, state="done"
    )
    found = program(viewer).get(f"/schedules/{schedule.pk}")
    assert len(found["moments"]) == 14
    assert {moment["kind"] for moment in found["moments"]} == {"stop"}
    assert [run["state"] for run in found["runs"]] == ["done"]


def test_an_admin_writes_all_of_one(asks: Program) -> None:
    instance = make_instance(workspace_id="ml")
    HolidayCalendar.objects.create(name="Berlin")
    Team.objects.create(name="Vision")
    body = {
        **BODY,
        **{"reason": "Money.", "starts": True, "holidays": ["Berlin"]},
        **{"workspace": "ml", "team": "Vision", "instance": instance.instance_id},
        **{"first_day": "2026-12-01", "last_day": "2026-12-31", "tag": "a=b"},
    }
    response = asks("post", "/schedules", body)
    assert response.status_code == 201, response.content
    created = response.json()
    assert response["Location"] == f"/api/v1/schedules/{created['id']}"
    assert created["mode"] == "dry_run"
    assert created["scope"]["instance"] == instance.instance_id
    assert created["scope"]["team"] == "Vision"
    assert (created["first_day"], created["starts"]) == ("2026-12-01", True)
    path = f"/schedules/{created['id']}"
    row = {"weekdays": [5], "start": None, "stop": "13:00"}
    replaced = asks("put", path, BODY | {"working_times": [row]}).json()
    assert replaced["working_times"] == [row]
    assert replaced["scope"]["workspace"] == ""
    assert replaced["holidays"] == []
    assert asks("delete", path).status_code == 204
    assert asks("get", path).status_code == 404


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"time_zone": "Mars"}, "time_zone"),
        ({"workspace": "nowhere"}, "workspace"),
        ({"instance": "nobody"}, "instance"),
        ({"team": "nobody"}, "team"),
        ({"holidays": ["nowhere"]}, "holidays"),
        ({"first_day": "soon"}, "first_day"),
        ({"working_times": []}, "working_times"),
        ({"working_times": [OFFICE | {"stop": "25:00"}]}, "working_times.0.stop"),
        ({"working_times": [OFFICE | {"weekdays": []}]}, "working_times.0.weekdays"),
        ({"working_times": [OFFICE | {"weekdays": [7]}]}, "working_times.0.weekdays.0"),
        ({"working_times": [OFFICE] * 15}, "working_times"),
        ({"name": " "}, "name"),
        ({"mode": "on"}, "mode"),
    ],
)
def test_wrong_values_are_named(
    asks: Program, problem: ProblemCheck, fields: dict[str, Any], field: str
) -> None:
    found = problem(asks("post", "/schedules", BODY | fields), 422, "invalid")
    assert field in {error["field"] for error in found["errors"]}
    assert not Schedule.objects.exists()


def test_switching_on_needs_the_number(asks: Program, problem: ProblemCheck) -> None:
    schedule = make_schedule(mode="off")
    for _ in range(5):
        make_instance()
    path = f"/schedules/{schedule.pk}/mode"
    problem(asks("post", path, {"mode": "on"}), 409, "not-now")
    problem(asks("post", path, {"mode": "on", "number": 4}), 409, "not-now")
    response = asks("post", path, {"mode": "on", "number": 5})
    assert response.json()["mode"] == "on"
    assert asks("post", path, {"mode": "dry_run"}).json()["mode"] == "dry_run"
    make_instance(flavor_type="CPU")
    schedule.flavor_type = "CPU"
    schedule.save()
    assert asks("post", path, {"mode": "on"}).json()["mode"] == "on"


def test_moving(asks: Program, problem: ProblemCheck) -> None:
    first, second = make_schedule(), make_schedule()
    moved = asks("post", f"/schedules/{second.pk}/move", {"to": "up"}).json()
    assert moved["position"] == 1
    path = f"/schedules/{first.pk}/move"
    problem(asks("post", path, {"to": "down"}), 409, "not-now")


@pytest.mark.parametrize("person", ["viewer", "scientist", "operator"])
def test_others_write_nothing(
    program: Programs,
    problem: ProblemCheck,
    person: str,
    request: pytest.FixtureRequest,
) -> None:
    schedule = make_schedule()
    path, asks = f"/schedules/{schedule.pk}", program(request.getfixturevalue(person))
    for method, at, body in (
        ("post", "/schedules", BODY),
        ("put", path, BODY),
        ("delete", path, None),
        ("post", f"{path}/mode", {"mode": "off"}),
        ("post", f"{path}/move", {"to": "up"}),
    ):
        problem(asks(method, at, body), 403, "forbidden")
    schedule.refresh_from_db()
    assert schedule.is_on


def test_a_token_for_reading_does_not_write(
    program: Programs, problem: ProblemCheck, admin: User
) -> None:
    asks = program(admin, "read")
    problem(asks("post", "/schedules", BODY), 403, "insufficient-scope")


def test_an_instance_says_which_one_applies(asks: Program, instance: Instance) -> None:
    path = f"/instances/{instance.reference}"
    assert asks.get(path)["schedule"] is None
    schedule = make_schedule(weekdays=range(7), stop=time(19), flavor_type="GPU")
    found = asks.get(path)["schedule"]
    assert (found["id"], found["name"]) == (schedule.pk, schedule.name)
    assert found["because"] == (
        "It applies because this instance is of flavor type GPU."
    )
    assert datetime.fromisoformat(found["next_stop"]) > timezone.now()
    assert found["next_start"] is None


def test_admins_set_the_days_of_a_calendar(asks: Program) -> None:
    christmas = {"2026-12-26": "Boxing Day", "2026-12-25": "Christmas"}
    saved = asks("put", "/holidays/Home", {"days": christmas}).json()
    assert list(saved["days"].items()) == sorted(christmas.items())
    saved = asks("put", "/holidays/Home", {"days": {"2026-12-25": ""}}).json()
    assert saved == {"name": "Home", "days": {"2026-12-25": ""}}
    assert asks.get("/holidays")["items"] == [saved]
    assert asks("delete", "/holidays/Home").status_code == 204
    assert asks.get("/holidays")["items"] == []


@pytest.mark.parametrize(
    ("name", "days", "field"),
    [
        ("Home", {"2026-02-30": "x"}, "days"),
        ("Home", {"2026-12-25 2026-12-26": "x"}, "days"),
        ("Home", {"2026-12-25": "x" * 121}, "days"),
        ("x" * 81, {"2026-12-25": "x"}, "calendar"),
    ],
)
def test_days_and_names_that_do_not_fit(
    asks: Program, problem: ProblemCheck, name: str, days: dict[str, str], field: str
) -> None:
    response = asks("put", f"/holidays/{name}", {"days": days})
    content = problem(response, 422, "invalid")
    assert {item["field"] for item in content["errors"]} == {field}
    assert not HolidayCalendar.objects.exists()


def test_a_name_with_a_line_break_adds_no_day(asks: Program) -> None:
    days = {"2026-12-25": "Christmas\n2026-12-26 More"}
    saved = asks("put", "/holidays/Home", {"days": days}).json()
    assert saved["days"] == {"2026-12-25": "Christmas 2026-12-26 More"}


def test_a_calendar_in_use_stays(asks: Program, problem: ProblemCheck) -> None:
    make_schedule(holidays=[date(2026, 12, 25)])
    (calendar,) = asks.get("/holidays")["items"]
    problem(asks("delete", f"/holidays/{calendar['name']}"), 409, "not-now")


def test_only_admins_set_days(program: Programs, operator: User) -> None:
    asks = program(operator)
    assert asks("put", "/holidays/Home", {"days": {}}).status_code == 403
    assert asks("delete", "/holidays/Home").status_code == 403
