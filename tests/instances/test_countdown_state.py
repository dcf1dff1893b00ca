"""What people read about the time that is left."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.instances import countdown
from dashboard.instances.countdown import State, Urgency
from dashboard.instances.durations import ago_text, remaining_text
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.statuses import InstanceStatus

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def an_instance(status: str = "RUNNING", **fields: Any) -> Instance:
    fields.setdefault("auto_stop_enable", True)
    fields.setdefault("auto_stop_duration", 8 * 3600)
    return Instance(
        cloud=Cloud(name="demo", skew_ms=fields.pop("skew_ms", 0)),
        status=status,
        **fields,
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (299, "4 min 59 s"),
        (300, "5 min"),
        (3_599, "59 min"),
        (3_600, "1 h 0 min"),
        (11_520, "3 h 12 min"),
        (172_800, "48 h 0 min"),
        (172_801, "2 d 0 h"),
        (360_000, "4 d 4 h"),
    ],
)
def test_remaining_time_is_no_finer_than_it_matters(seconds: int, text: str) -> None:
    assert remaining_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "just now"),
        (4, "just now"),
        (5, "5 s ago"),
        (60, "1 min ago"),
        (3_600, "1 h ago"),
        (172_800, "2 d ago"),
    ],
)
def test_past_time_is_shown_in_its_largest_unit(seconds: int, text: str) -> None:
    assert ago_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "urgency"),
    [
        (3_600, Urgency.NONE),
        (3_599, Urgency.SOON),
        (900, Urgency.SOON),
        (899, Urgency.NEAR),
        (300, Urgency.NEAR),
        (299, Urgency.NOW),
        (1, Urgency.NOW),
        (0, Urgency.DUE),
        (-299, Urgency.DUE),
        (-300, Urgency.OVERDUE),
    ],
)
def test_urgency_rises_at_60_15_and_5_minutes(seconds: int, urgency: Urgency) -> None:
    assert countdown.urgency(seconds) == urgency


def test_a_running_instance_counts_down_to_its_moment() -> None:
    stops_at = NOW + timedelta(hours=3, minutes=12)
    run = countdown.this_run(an_instance(stops_at=stops_at), NOW)
    assert run[:4] == (State.COUNTING, "3 h 12 min", Urgency.NONE, stops_at)


def test_a_part_of_a_second_left_is_not_zero() -> None:
    run = countdown.this_run(an_instance(stops_at=NOW + timedelta(milliseconds=1)), NOW)
    assert (run.state, run.text) == (State.COUNTING, "1 s")


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=4, seconds=59)])
def test_a_stop_may_take_its_time(late: timedelta) -> None:
    run = countdown.this_run(an_instance(stops_at=NOW - late), NOW)
    assert run.state == State.DUE
    assert run.text == "stopping…"
    assert run.urgency == Urgency.DUE
    assert run.verb == "scheduled for"


@pytest.mark.parametrize("late", [timedelta(minutes=5), timedelta(hours=7)])
def test_after_five_minutes_a_stop_is_overdue(late: timedelta) -> None:
    run = countdown.this_run(an_instance(stops_at=NOW - late), NOW)
    assert run.state == State.OVERDUE
    assert run.text == "overdue"
    assert run.urgency == Urgency.OVERDUE
    assert run.verb == "was due"


def test_how_long_a_stop_may_take_is_a_setting(settings: Any) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"overdue_after_minutes": 0})
    assert countdown.this_run(an_instance(stops_at=NOW), NOW).state == State.OVERDUE


def test_switching_auto_stop_off_does_not_lengthen_this_run() -> None:
    instance = an_instance(auto_stop_enable=False, stops_at=NOW + timedelta(minutes=10))
    assert countdown.this_run(instance, NOW).text == "10 min"
    assert countdown.next_run(instance) == "No auto-stop"


@pytest.mark.parametrize(
    ("enabled", "state", "text"),
    [
        (False, State.NO_AUTO_STOP, "No auto-stop"),
        (True, State.NO_STOP_TIME, "No end reported"),
        (None, State.NO_STOP_TIME, "No end reported"),
    ],
)
def test_running_without_a_stop_time(
    enabled: bool | None, state: State, text: str
) -> None:
    run = countdown.this_run(an_instance(auto_stop_enable=enabled), NOW)
    assert (run.state, run.text) == (state, text)


@pytest.mark.parametrize(
    ("ahead", "not_before"), [(timedelta(hours=2), True), (timedelta(0), False)]
)
def test_an_idle_lease_has_no_countdown(ahead: timedelta, not_before: bool) -> None:
    lease = {"lease_type": "idle", "idle_seconds": 3_600, "idle_stop_at": NOW + ahead}
    run = countdown.this_run(an_instance(generation="notebooks", **lease), NOW)
    assert (run.state, run.text) == (State.IDLE, "stops after 1 h idle")
    assert (run.urgency, run.stops_at) == (Urgency.NONE, None)
    assert run.not_before == (NOW + ahead if not_before else None)
    assert not run.expects_change


def test_an_idle_lease_of_unknown_length() -> None:
    run = countdown.this_run(an_instance(lease_type="idle"), NOW)
    assert (run.text, run.not_before) == ("stops when idle", None)


def test_a_notebook_without_auto_stop() -> None:
    instance = an_instance(
        generation="notebooks", auto_stop_enable=False, lease_type="timing"
    )
    assert countdown.this_run(instance, NOW).state == State.NO_AUTO_STOP
    assert countdown.next_run(instance) == "Set at each start"


def test_stopped_shows_since_when_if_observed() -> None:
    since = NOW - timedelta(minutes=3, seconds=20)
    run = countdown.this_run(an_instance("STOPPED", status_since=since), NOW)
    assert (run.text, run.stopped_at) == ("stopped 3 min ago", since)
    assert countdown.this_run(an_instance("STOPPED"), NOW).text == "stopped"


def test_a_queued_instance_shows_place_and_wait_by_the_cloud_s_clock() -> None:
    ends = NOW + timedelta(minutes=21, seconds=30)
    instance = an_instance(
        "START_QUEUING",
        skew_ms=30_000,
        document={
            "queuing_info": {"rank": 3, "end_timestamp": countdown.unix_ms(ends)},
        },
    )
    assert countdown.this_run(instance, NOW).text == "queued, position 3, about 21 min"


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({}, "queued"),
        ({"rank": 1}, "queued, position 1"),
        ({"remain_time": 7_200}, "queued, about 2 h 0 min"),
        ({"remain_time": 20}, "queued, about 5 min"),
    ],
)
def test_a_queue_without_details(info: dict[str, int], text: str) -> None:
    instance = an_instance("CREATE_QUEUING", document={"queuing_info": info})
    assert countdown.this_run(instance, NOW).text == text


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("STARTING", State.STARTING),
        ("READY_TO_START", State.STARTING),
        ("STOPPING", State.STOPPING),
        ("START_FAILED", State.FAILED),
        ("UNAVAILABLE", State.FAILED),
        ("DELETED", State.GONE),
        ("SNAPSHOTTING", State.STARTING),
        ("DELETING", State.STOPPING),
        ("FROZEN", State.FAILED),
        ("MOLTEN", State.UNKNOWN),
        ("", State.UNKNOWN),
    ],
)
def test_other_statuses(status: str, state: State) -> None:
    # A stop time that was left over must not start a countdown.
    run = countdown.this_run(
        an_instance(status, stops_at=NOW + timedelta(hours=1)), NOW
    )
    assert (run.state, run.stops_at) == (state, None)


def test_what_vanished_has_no_countdown() -> None:
    instance = an_instance(missing_since=NOW, stops_at=NOW + timedelta(hours=1))
    run = countdown.this_run(instance, NOW)
    assert (run.state, run.stops_at) == (State.GONE, None)
    assert countdown.badge(instance).label == "Missing"


@pytest.mark.parametrize("status", InstanceStatus)
def test_every_documented_status_has_a_badge_and_a_state(status: str) -> None:
    assert countdown.status_badge(status).tone != "unknown"
    assert countdown.this_run(an_instance(status), NOW).state != State.UNKNOWN


def test_an_unknown_status_stands_verbatim_and_neutral() -> None:
    badge = countdown.status_badge("MOLTEN")
    assert (badge.label, badge.tone) == ("MOLTEN", "unknown")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"auto_stop_duration": 8 * 3600}, "8 h"),
        ({"auto_stop_duration": 5_000}, "1 h 23 min 20 s"),
        ({"auto_stop_duration": 1_800}, "30 min"),
        ({"auto_stop_duration": 0}, "0 s"),
        ({"auto_stop_duration": None}, "Not reported"),
        ({"auto_stop_enable": False}, "No auto-stop"),
        ({"auto_stop_enable": None}, "Not reported"),
    ],
)
def test_the_next_run_is_shown_to_the_second(fields: dict[str, Any], text: str) -> None:
    assert countdown.next_run(an_instance(**fields)) == text


@pytest.mark.parametrize(
    ("begun", "ends", "percent"),
    [(-3, 1, 75), (-1, 3, 25), (2, 4, 0), (None, 1, 0), (3, 1, 0)],
)
def test_the_bar_shows_how_much_of_the_run_has_passed(
    begun: int | None, ends: int, percent: int
) -> None:
    started_at = None if begun is None else NOW + timedelta(hours=begun)
    instance = an_instance(
        run_started_at=started_at, stops_at=NOW + timedelta(hours=ends)
    )
    this_run = countdown.this_run(instance, NOW)
    assert (this_run.started_at, this_run.passed_percent) == (started_at, percent)
