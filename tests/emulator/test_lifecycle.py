"""The state machine, with the clock moved."""

from collections.abc import Iterator

import pytest

from dashboard.emulator import Behaviour, Emulator, Failure

from .conftest import START_MS, STILL, Api

STOPPED = "weekend-job"  # auto stop after 24 h
RUNNING = "churn-forecast-v2"  # 1 h, stops two minutes after the start
FREE = "free-gpu-lab"  # stopped, on a free flavour that is sold out


def status(api: Api, instance_id: str) -> str:
    return api.show(instance_id).json["status"]


def auto_stop(api: Api, instance_id: str) -> dict[str, object]:
    return api.show(instance_id).json["spec"]["auto_stop"]


def test_a_start_leads_to_a_run_that_ends_by_itself(api: Api, cloud: Emulator) -> None:
    one = api.id_of(STOPPED)
    answer = api.act(one, "start")
    assert answer.status == 200
    assert answer.json == {"current_status": "STARTING", "previous_state": "STOPPED"}
    assert status(api, one) == "STARTING"

    cloud.clock.advance(8)
    shown = api.show(one).json
    assert shown["status"] == "RUNNING"
    assert shown["spec"]["annotations"]["url"].startswith("https://")
    run = shown["spec"]["auto_stop"]
    assert run["remain_time"] == 86_400
    started_ms = cloud.fleet.get(one).run_started_ms
    assert started_ms is not None
    assert run["stop_timestamp"] == started_ms + 86_400_000

    cloud.clock.advance(run["remain_time"])
    assert status(api, one) == "STOPPING"
    cloud.clock.advance(5)
    shown = api.show(one).json
    assert shown["status"] == "STOPPED"
    assert shown["spec"]["annotations"]["url"] == ""
    assert shown["spec"]["auto_stop"].keys() == {"enable", "duration", "prompt"}


def test_one_long_leap_crosses_every_stage(api: Api, cloud: Emulator) -> None:
    one = api.id_of(STOPPED)
    api.act(one, "start")
    cloud.clock.advance(2 * 86_400)
    assert status(api, one) == "STOPPED"


def test_a_changed_duration_counts_from_the_next_start(
    api: Api, cloud: Emulator
) -> None:
    one = api.id_of(RUNNING)
    before = auto_stop(api, one)["stop_timestamp"]
    wish = {"spec": {"auto_stop": {"enable": True, "duration": 7_200}}}
    changed = api.update(one, wish).json["spec"]["auto_stop"]
    assert changed["duration"] == 7_200
    assert changed["stop_timestamp"] == before == START_MS + 120_000

    cloud.clock.advance(130)
    assert status(api, one) == "STOPPED"
    api.act(one, "start")
    cloud.clock.advance(8)
    assert auto_stop(api, one)["remain_time"] == 7_200


def test_switching_off_while_running_waits_for_the_next_start(
    api: Api, cloud: Emulator
) -> None:
    one = api.id_of(RUNNING)
    changed = api.update(one, {"spec": {"auto_stop": {"enable": False}}}).json
    assert changed["spec"]["auto_stop"]["enable"] is False
    assert changed["spec"]["auto_stop"]["stop_timestamp"] == START_MS + 120_000
    cloud.clock.advance(130)
    assert status(api, one) == "STOPPED"
    api.act(one, "start")
    cloud.clock.advance(7 * 86_400)
    assert status(api, one) == "RUNNING"


@pytest.fixture
def at_once() -> Iterator[Api]:
    behaviour = Behaviour(enable_while_running="at_once")
    with Emulator(
        fleet=60, speed=STILL, start_ms=START_MS, behaviour=behaviour
    ) as cloud:
        api = Api(cloud)
        api.sign_in()
        yield api


def test_switching_may_be_made_to_count_at_once(at_once: Api) -> None:
    one = at_once.id_of(RUNNING)
    off = at_once.update(one, {"spec": {"auto_stop": {"enable": False}}}).json
    assert "stop_timestamp" not in off["spec"]["auto_stop"]
    at_once.cloud.clock.advance(3_600)
    assert status(at_once, one) == "RUNNING"

    # The run is now 118 minutes old: one hour would have ended in the past.
    hour = {"spec": {"auto_stop": {"enable": True, "duration": 3_600}}}
    assert at_once.update(one, hour).code == "6346"
    day = {"spec": {"auto_stop": {"enable": True, "duration": 86_400}}}
    on = at_once.update(one, day).json["spec"]["auto_stop"]
    assert on["stop_timestamp"] == START_MS + 120_000 - 3_600_000 + 86_400_000


def test_a_stop_ends_the_run(api: Api, cloud: Emulator) -> None:
    one = api.id_of("llm-eval-nightly")
    assert "stop_timestamp" not in auto_stop(api, one)
    answer = api.act(one, "stop").json
    assert answer == {"current_status": "STOPPING", "previous_state": "RUNNING"}
    cloud.clock.advance(5)
    assert status(api, one) == "STOPPED"


def test_a_restart_is_a_new_run(api: Api, cloud: Emulator) -> None:
    one = api.id_of(RUNNING)
    assert api.act(one, "restart").json["current_status"] == "RESTARTING"
    cloud.clock.advance(8)
    assert status(api, one) == "RUNNING"
    assert auto_stop(api, one)["remain_time"] == 3_600


def test_a_sold_out_free_flavor_queues(api: Api, cloud: Emulator) -> None:
    one = api.id_of(FREE)
    assert api.act(one, "start").json["current_status"] == "START_QUEUING"
    first = api.show(one).json["queuing_info"]
    assert first["status"] == "START_QUEUING"
    assert first["rank"] == 8
    assert first["remain_time"] == 1_560
    cloud.clock.advance(1_300)
    later = api.show(one).json["queuing_info"]
    assert later["remain_time"] == 260
    assert later["rank"] == 2
    cloud.clock.advance(260)
    shown = api.show(one).json
    assert shown["status"] == "STARTING"
    assert "queuing_info" not in shown
    cloud.clock.advance(8)
    assert status(api, one) == "RUNNING"


def test_a_start_may_fail_with_reasons(api: Api, cloud: Emulator) -> None:
    one = api.id_of("fails-on-start")
    api.act(one, "start")
    cloud.clock.advance(8)
    shown = api.show(one).json
    assert shown["status"] == "START_FAILED"
    assert shown["error_code"] == "ModelArts.6200"
    assert shown["spec"]["failed_reasons"]["message"] == "No resources available."
    # The next try succeeds, and nothing of the failure is left.
    api.act(one, "start")
    cloud.clock.advance(8)
    shown = api.show(one).json
    assert shown["status"] == "RUNNING"
    assert shown["spec"]["failed_reasons"] is None
    assert "error_code" not in shown


def test_the_update_time_follows_updates_only(api: Api, cloud: Emulator) -> None:
    one = api.id_of(STOPPED)
    before = api.show(one).json["latest_update_timestamp"]
    api.act(one, "start")
    cloud.clock.advance(8)
    assert api.show(one).json["latest_update_timestamp"] == before
    api.update(one, {"description": "moved"})
    after = api.show(one).json["latest_update_timestamp"]
    assert after == str(START_MS + 8_000)


def test_a_created_instance_comes_up_and_can_be_deleted(
    api: Api, cloud: Emulator
) -> None:
    created = api.create().json
    one = created["id"]
    assert created["status"] == "CREATING"
    assert created["user"]["name"] == "curfew-service"
    cloud.clock.advance(10)
    assert status(api, one) == "RUNNING"
    delete = f"{api.base}/{one}"
    assert api.send("DELETE", delete).code == "6304"
    api.act(one, "stop")
    cloud.clock.advance(5)
    assert api.send("DELETE", delete).json == {"instance_id": one}
    assert api.show(one).code == "6309"


def test_time_may_run_faster(cloud: Emulator, api: Api) -> None:
    one = api.id_of(RUNNING)
    cloud.clock.set_speed(100_000)
    # Two minutes pass within milliseconds; the deadline belongs to the test run.
    for _ in range(1_000):
        if status(api, one) == "STOPPED":
            break
    assert status(api, one) == "STOPPED"


def test_remain_time_is_rounded_up() -> None:
    with Emulator(fleet=3, start_ms=START_MS) as cloud:
        one = next(i for i in cloud.fleet.instances() if i.name == RUNNING)
        now_ms = START_MS + 120_000 - 1_535_846
        document = one.document(now_ms, cloud.project_id)
        assert document["spec"]["auto_stop"]["remain_time"] == 1_536


def test_a_run_may_be_overdue(cloud: Emulator, api: Api) -> None:
    one = api.id_of(RUNNING)
    cloud.fleet.force(one, stops_in_seconds=10, late_seconds=60)
    cloud.clock.advance(69)
    assert status(api, one) == "RUNNING"
    assert auto_stop(api, one)["remain_time"] == 0
    cloud.clock.advance(2)
    assert status(api, one) == "STOPPING"
    cloud.clock.advance(5)
    assert status(api, one) == "STOPPED"


def test_any_state_can_be_forced(cloud: Emulator, api: Api) -> None:
    one = api.id_of(STOPPED)
    doom = Failure("ModelArts.6360", "No room.")
    cloud.fleet.force(one, status="RUNNING", stops_in_seconds=61, doomed=doom)
    assert auto_stop(api, one)["remain_time"] == 61
    cloud.fleet.force(one, status="HIBERNATING", overrides={"user": {"name": "<b>"}})
    shown = api.show(one).json
    assert shown["status"] == "HIBERNATING"
    assert shown["user"]["name"] == "<b>"
    assert shown["user"]["id"]
