"""How many run, end soon, are overdue or have no end: every page says the same."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import CloudUser, User
from dashboard.handover import report_data, services
from dashboard.handover.lanes import Lane, LaneBounds
from dashboard.handover.models import WallLink
from dashboard.instances import run_state
from dashboard.instances.filters import InstanceFilter
from dashboard.instances.models import Cloud, Instance
from dashboard.web import process_cache
from tests.api.conftest import Programs, program
from tests.factories import make_cloud, make_instance, make_notebook
from tests.metrics.test_metrics import scrape

from .test_due import numbers as lanes_of
from .test_wallboard import numbers as tiles_of
from .wall_pages import of

__all__ = ["program"]

NOON = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)
MINUTE, HOUR = 60, 3_600

pytestmark = pytest.mark.usefixtures("_empty_cache", "_no_news")


@pytest.fixture
def _fleet(cloud_row: Cloud) -> Iterator[None]:
    """Every way to run and not to run, in two clouds."""
    with time_machine.travel(NOON, tick=False):
        Cloud.objects.update(refreshed_at=NOON)
        make_cloud("lab")
        ends = (-2 * HOUR, -5 * MINUTE, -MINUTE, 0, 5 * MINUTE, 15 * MINUTE)
        for stops_in in (*ends, 40 * MINUTE, HOUR, 5 * HOUR, 13 * HOUR, 50 * HOUR):
            make_instance(stops_in=stops_in)
        # The setting counts from the next start, so it means nothing for this run.
        make_instance(stops_in=30 * MINUTE, auto_stop_enable=False)
        make_instance(stops_in=None, auto_stop_enable=False)
        make_instance(stops_in=None, auto_stop_enable=True)
        make_instance(stops_in=None, auto_stop_enable=None, cloud=make_cloud("lab"))
        for status in ("STOPPED", "STOPPING", "CREATE_FAILED", "DREAMING", "running"):
            make_instance(status=status, stops_in=None, auto_stop_enable=False)
        make_instance(status="STOPPING", stops_in=MINUTE)
        make_instance(stops_in=MINUTE, missing_since=NOON)
        make_instance(stops_in=None, auto_stop_enable=False, missing_since=NOON)
        make_notebook(stops_in=5 * HOUR)
        # Idle leases have an end, though nobody knows when.
        make_notebook(idle_seconds=HOUR)
        make_notebook(idle_seconds=HOUR, auto_stop_enable=None)
        make_notebook(idle_seconds=HOUR, status="STOPPED")
        make_notebook(idle_seconds=HOUR, auto_stop_enable=False)
        yield


EXPECTED = {
    "running": 19,
    "without_end": 4,
    "idle": 2,
    "overdue": 2,
    "soon": 4,
    "due": 9,
}


def of_the_database(_client: Client) -> dict[str, int]:
    now = timezone.now()
    conditions = {
        "running": run_state.RUNNING,
        "without_end": run_state.WITHOUT_END,
        "idle": run_state.WHEN_IDLE,
        "overdue": run_state.overdue(now),
        "soon": run_state.ends_within_quarter(now),
        "due": run_state.ends_within_hour(now),
    }
    return {
        name: Instance.objects.filter(condition).count()
        for name, condition in conditions.items()
    }


def of_the_model(_client: Client) -> dict[str, int]:
    everything = list(Instance.objects.all())
    return {
        "running": sum(map(run_state.is_running, everything)),
        "without_end": sum(map(run_state.is_without_end, everything)),
    }


def of_the_tiles_of_the_list(client: Client) -> dict[str, int]:
    page = client.get(reverse("instances:list")).text
    tiles = re.findall(
        r'href="/instances/\?([\w=]+)"\s+data-tone="\w+"\s+data-number="(\d+)"', page
    )
    numbers = {query: int(number) for query, number in tiles}
    return {
        "running": numbers["status=RUNNING"],
        "due": numbers["autostop=due"],
        "without_end": numbers["autostop=never"],
    }


def of_the_list(client: Client) -> dict[str, int]:
    def rows(query: str) -> int:
        page = client.get(f"{reverse('instances:list')}?{query}&per_page=100").text
        return len(re.findall(r'<tr id="instance-\d+"', page))

    return {
        "running": rows("status=RUNNING"),
        "without_end": rows("autostop=never"),
        "idle": rows("autostop=idle"),
        "overdue": rows("autostop=overdue"),
        "due": rows("autostop=due"),
    }


def of_the_lanes(client: Client) -> dict[str, int]:
    page = client.get(reverse("handover:due")).text
    numbers = lanes_of(page)
    running = sum(numbers)
    idle = numbers.pop(5) if len(numbers) == 7 else 0
    now, quarter, hour, _eight_hours, _later, never = numbers
    (overdue,) = re.findall(r">\s*(\d+) overdue", page) or [0]
    return {
        "running": running,
        "without_end": never,
        "idle": idle,
        "overdue": int(overdue),
        "soon": now - int(overdue) + quarter,
        "due": now + quarter + hour,
    }


def of_what_the_lanes_list(client: Client) -> dict[str, int]:
    """How many instances each lane's link lists, by the same conditions."""
    now = timezone.now()
    listed = {
        lane: InstanceFilter(
            LaneBounds(now).query(lane), queryset=Instance.objects.all()
        ).qs.count()
        for lane in Lane
    }
    return {
        "running": sum(listed.values()),
        "without_end": listed[Lane.NEVER],
        "idle": listed[Lane.IDLE],
        "due": listed[Lane.NOW] + listed[Lane.QUARTER] + listed[Lane.HOUR],
    }


def of_the_timeline(client: Client) -> dict[str, int]:
    page = client.get(reverse("handover:due")).text
    cells = {
        name: sum(map(int, re.findall(rf'<td data-label="{name}">(\d+)</td>', page)))
        for name in ("Running", "Within the hour", "When idle", "No auto-stop")
    }
    return {
        "running": cells["Running"],
        "due": cells["Within the hour"],
        "idle": cells["When idle"],
        "without_end": cells["No auto-stop"],
    }


def of_home(client: Client) -> dict[str, int]:
    cards = client.get(reverse("home")).text.split("<article ")[1:]
    states = [
        re.findall(r'class="clock"\s+data-state="([\w-]+)"', card)[0] for card in cards
    ]
    urgencies = [re.findall(r'data-urgency="(\w+)"', card)[0] for card in cards]
    counting = [state for state in states if state in {"counting", "due", "overdue"}]
    no_auto_stop = [
        state for state in states if state in {"no-auto-stop", "no-stop-time"}
    ]
    return {
        "running": len(counting) + len(no_auto_stop) + states.count("idle"),
        "idle": states.count("idle"),
        "without_end": len(no_auto_stop),
        "overdue": urgencies.count("overdue"),
    }


def of_the_metrics(client: Client) -> dict[str, int]:
    metrics = scrape(client)

    def total(name: str, *labels: str) -> int:
        return int(
            sum(
                number
                for key, number in metrics.items()
                if key.startswith(f"curfew_instances{name}{{")
                and all(label in key for label in labels)
            )
        )

    return {
        "running": total("", 'status="RUNNING"'),
        "without_end": total("_without_end"),
        "overdue": total("_overdue"),
        "soon": total("_due"),
    }


PLACES: list[Callable[[Client], dict[str, int]]] = [
    of_the_database,
    of_the_model,
    of_the_tiles_of_the_list,
    of_the_list,
    of_the_lanes,
    of_what_the_lanes_list,
    of_the_timeline,
    of_home,
    of_the_metrics,
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.usefixtures("_fleet")
def test_every_place_gives_the_same_number(
    client: Client, scientist: User, place: Callable[[Client], dict[str, int]]
) -> None:
    client.force_login(scientist)
    numbers = place(client)
    assert numbers == {name: EXPECTED[name] for name in numbers}


@pytest.mark.usefixtures("_fleet")
def test_the_wallboard_gives_the_same_number(client: Client, link: WallLink) -> None:
    tiles = tiles_of(client.get(of(link)).text)
    assert tiles.pop("failed") == 1
    assert tiles == {
        "running": EXPECTED["running"],
        "soon": EXPECTED["soon"],
        "overdue": EXPECTED["overdue"],
        "no_auto_stop": EXPECTED["without_end"],
    }


@pytest.mark.usefixtures("_fleet")
def test_a_handover_gives_the_same_number(operator: User) -> None:
    draft = services.draft(actor=operator, ahead_hours=1, since=timezone.now())
    document = report_data.build_document(draft, user=operator, now=timezone.now())
    assert document.counts == {
        "total": Instance.objects.count(),
        **{name: EXPECTED[name] for name in ("running", "due", "without_end")},
    }
    sections = {section.key: section.total for section in document.sections}
    assert sections["no_auto_stop"] == EXPECTED["without_end"]
    assert sections["stops"] == EXPECTED["due"]


@pytest.mark.usefixtures("_fleet")
def test_the_api_gives_the_same_number(program: Programs, viewer: User) -> None:
    asks = program(viewer)
    lanes: dict[str, Any] = {
        lane["lane"]: lane["total"] for lane in asks.get("/due")["lanes"]
    }
    assert sum(lanes.values()) == EXPECTED["running"]
    assert lanes["never"] == EXPECTED["without_end"]
    assert lanes["idle"] == EXPECTED["idle"]
    assert lanes["now"] + lanes["quarter"] + lanes["hour"] == EXPECTED["due"]
    for autostop, name in [
        ("never", "without_end"),
        ("overdue", "overdue"),
        ("due", "due"),
        ("idle", "idle"),
    ]:
        listed = asks.get(f"/instances?autostop={autostop}")
        assert listed["count"] == EXPECTED[name]


@pytest.mark.usefixtures("_fleet")
def test_how_long_a_stop_may_take_is_the_same_everywhere(
    client: Client, scientist: User, link: WallLink, settings: Any
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"overdue_after_minutes": 0})
    client.force_login(scientist)
    for place in PLACES:
        assert place(client).get("overdue", 4) == 4, place.__name__
    assert tiles_of(client.get(of(link)).text)["overdue"] == 4


def test_a_run_that_is_overdue_is_so_by_time_alone(
    client: Client, scientist: User, cloud_row: Cloud
) -> None:
    CloudUser.objects.get_or_create(account=scientist, identifier="anna.schmidt")
    client.force_login(scientist)
    with time_machine.travel(NOON, tick=False) as clock:
        make_instance(stops_in=60)
        for minutes, overdue in [(1, 0), (4, 0), (1, 1)]:
            clock.shift(timedelta(minutes=minutes))
            process_cache.clear_all()  # goes by a clock that does not travel
            numbers = [place(client).get("overdue", overdue) for place in PLACES]
            assert set(numbers) == {overdue}
