"""The state machine, with the clock moved."""

from collections.abc import Iterator

import pytest

from dashboard.emulator import Behavior, Emulator, Failure

from .conftest import START_MS, STILL, Api

STOPPED = "weekend-job"  # auto stop after 24 h
RUNNING = "churn-forecast-v2"  # 1 h, stops two minutes after the start
FREE = "free-gpu-lab"  # stopped, on a free flavour that is sold out


def status(api: Api, instance_id: str) -> str:
    return api.show(instance_id).json["status"]


def auto_stop(api: Api, instance_id: str) -> dict[str, object]:
    return api.show(instance_id).json["spec"]["auto_stop"]


def test_a_started_run_ends_at_its_auto_stop(api: Api, cloud: Emulator) -> None:
    instance_id = api.id_of(STOPPED)
    answer = api.act(instance_id, "start")
    assert answer.status == 200
    assert answer.json == {"current_status": "STARTING", "previous_state": "STOPPED"}
    assert status(api, instance_id) == "STARTING"

    cloud.clock.advance(8)
    document = api.show(instance_id).json
    assert document["status"] == "RUNNING"
    assert document["spec"]["annotations"]["url"].startswith("https://")
    run = document["spec"]["auto_stop"]
    assert run["remain_time"] == 86_400
    started_ms = cloud.fleet.get(instance_id).run_started_ms
    assert started_ms is not None
    assert run["stop_timestamp"] == started_ms + 86_400_000

    cloud.clock.advance(run["remain_time"])
    assert status(api, instance_id) == "STOPPING"
    cloud.clock.advance(5)
    document = api.show(instance_id).json
    assert document["status"] == "STOPPED"
    assert document["spec"]["annotations"]["url"] == ""
    assert document["spec"]["auto_stop"].keys() == {"enable", "duration", "prompt"}


def test_one_long_step_passes_every_status(api: Api, cloud: Emulator) -> None:
    instance_id = api.id_of(STOPPED)
    api.act(instance_id, "start")
    cloud.clock.advance(2 * 86_400)
    assert status(api, instance_id) == "STOPPED"


def test_a_changed_duration_counts_from_the_next_start(
    api: Api, cloud: Emulator
) -> None:
    instance_id = api.id_of(RUNNING)
    before = auto_stop(api, instance_id)["stop_timestamp"]
    change = {"spec": {"auto_stop": {"enable": True, "duration": 7_200}}}
    changed = api.update(instance_id, change).json["spec"]["auto_stop"]
    assert changed["duration"] == 7_200
    assert changed["stop_timestamp"] == before == START_MS + 120_000

    cloud.clock.advance(130)
    assert status(api, instance_id) == "STOPPED"
    api.act(instance_id, "start")
    cloud.clock.advance(8)
    assert auto_stop(api, instance_id)["remain_time"] == 7_200


def test_switching_off_while_running_waits_for_the_next_start(
    api: Api, cloud: Emulator
) -> None:
    instance_id = api.id_of(RUNNING)
    changed = api.update(instance_id, {"spec": {"auto_stop": {"enable": False}}}).json
    assert changed["spec"]["auto_stop"]["enable"] is False
    assert changed["spec"]["auto_stop"]["stop_timestamp"] == START_MS + 120_000
    cloud.clock.advance(130)
    assert status(api, instance_id) == "STOPPED"
    api.act(instance_id, "start")
    cloud.clock.advance(7 * 86_400)
    assert status(api, instance_id) == "RUNNING"


@pytest.fixture
def at_once() -> Iterator[Api]:
    behavior = Behavior(enable_while_running="at_once")
    with Emulator(fleet=60, speed=STILL, start_ms=START_MS, behavior=behavior) as cloud:
        api = Api(cloud)
        api.sign_in()
        yield api


def test_switching_may_take_effect_at_once(at_once: Api) -> None:
    instance_id = at_once.id_of(RUNNING)
    off = at_once.update(instance_id, {"spec": {"auto_stop": {"enable": False}}}).json
    assert "stop_timestamp" not in off["spec"]["auto_stop"]
    at_once.cloud.clock.advance(3_600)
    assert status(at_once, instance_id) == "RUNNING"

    # The run is now 118 minutes old: one hour would have ended in the past.
    hour = {"spec": {"auto_stop": {"enable": True, "duration": 3_600}}}
    assert at_once.update(instance_id, hour).code == "6346"
    day = {"spec": {"auto_stop": {"enable": True, "duration": 86_400}}}
    on = at_once.update(instance_id, day).json["spec"]["auto_stop"]
    assert on["stop_timestamp"] == START_MS + 120_000 - 3_600_000 + 86_400_000


def test_a_stop_ends_the_run(api: Api, cloud: Emulator) -> None:
    instance_id = api.id_of("llm-eval-nightly")
    assert "stop_timestamp" not in auto_stop(api, instance_id)
    answer = api.act(instance_id, "stop").json
    assert answer == {"current_status": "STOPPING", "previous_state": "RUNNING"}
    cloud.clock.advance(5)
    assert status(api, instance_id) == "STOPPED"


def test_a_restart_is_a_new_run(api: Api, cloud: Emulator) -> None:
    instance_id = api.id_of(RUNNING)
    assert api.act(instance_id, "restart").json["current_status"] == "RESTARTING"
    cloud.clock.advance(8)
    assert status(api, instance_id) == "RUNNING"
    assert auto_stop(api, instance_id)["remain_time"] == 3_600


def test_a_sold_out_free_flavor_queues(api: Api, cloud: Emulator) -> None:
    instance_id = api.id_of(FREE)
    assert api.act(instance_id, "start").json["current_status"] == "START_QUEUING"
    first = api.show(instance_id).json["queuing_info"]
    assert first["status"] == "START_QUEUING"
    assert first["rank"] == 8
    assert first["remain_time"] == 1_560
    cloud.clock.advance(1_300)
    later = api.show(instance_id).json["queuing_info"]
    assert later["remain_time"] == 260
    assert later["rank"] == 2
    cloud.clock.advance(260)
    document = api.show(instance_id).json
    assert document["status"] == "STARTING"
    assert "queuing_info" not in document
    cloud.clock.advance(8)
    assert status(api, instance_id) == "RUNNING"


def test_a_start_may_fail_with_reasons(api: Api, cloud: Emulator) -> None:
    instance_id = api.id_of("fails-on-start")
    api.act(instance_id, "start")
    cloud.clock.advance(8)
    document = api.show(instance_id).json
    assert document["status"] == "START_FAILED"
    assert document["error_code"] == "ModelArts.6200"
    assert document["spec"]["failed_reasons"]["message"] == "No resources available."
    # The next try succeeds, and nothing of the failure is left.
    api.act(instance_id, "start")
    cloud.clock.advance(8)
    document = api.show(instance_id).json
    assert document["status"] == "RUNNING"
    assert document["spec"]["failed_reasons"] is None
    assert "error_code" not in document


def test_the_update_time_follows_updates_only(api: Api, cloud: Emulator) -> None:
    instance_id = api.id_of(STOPPED)
    before = api.show(instance_id).json["latest_update_timestamp"]
    api.act(instance_id, "start")
    cloud.clock.advance(8)
    assert api.show(instance_id).json["latest_update_timestamp"] == before
    api.update(instance_id, {"description": "moved"})
    after = api.show(instance_id).json["latest_update_timestamp"]
    assert after == str(START_MS + 8_000)


def test_a_created_instance_comes_up_and_can_be_deleted(
    api: Api, cloud: Emulator
) -> None:
    created = api.create().json
    instance_id = created["id"]
    assert created["status"] == "CREATING"
    assert created["user"]["name"] == "curfew-service"
    cloud.clock.advance(10)
    assert status(api, instance_id) == "RUNNING"
    delete = f"{api.base}/{instance_id}"
    assert api.send("DELETE", delete).code == "6304"
    api.act(instance_id, "stop")
    cloud.clock.advance(5)
    assert api.send("DELETE", delete).json == {"instance_id": instance_id}
    assert api.show(instance_id).code == "6309"


def test_time_may_run_faster(cloud: Emulator, api: Api) -> None:
    instance_id = api.id_of(RUNNING)
    cloud.clock.set_speed(100_000)
    # Two minutes pass within milliseconds; the deadline belongs to the test run.
    for _ in range(1_000):
        if status(api, instance_id) == "STOPPED":
            break
    assert status(api, instance_id) == "STOPPED"


def test_remain_time_is_rounded_up() -> None:
    with Emulator(fleet=3, start_ms=START_MS) as cloud:
        instance_id = next(i for i in cloud.fleet.instances() if i.name == RUNNING)
        now_ms = START_MS + 120_000 - 1_535_846
        document = instance_id.document(now_ms, cloud.project_id)
        assert document["spec"]["auto_stop"]["remain_time"] == 1_536


def test_a_run_may_be_overdue(cloud: Emulator, api: Api) -> None:
    instance_id = api.id_of(RUNNING)
    cloud.fleet.force(instance_id, stops_in_seconds=10, late_seconds=60)
    cloud.clock.advance(69)
    assert status(api, instance_id) == "RUNNING"
    assert auto_stop(api, instance_id)["remain_time"] == 0
    cloud.clock.advance(2)
    assert status(api, instance_id) == "STOPPING"
    cloud.clock.advance(5)
    assert status(api, instance_id) == "STOPPED"


def test_any_state_can_be_forced(cloud: Emulator, api: Api) -> None:
    instance_id = api.id_of(STOPPED)
    doom = Failure("ModelArts.6360", "No room.")
    cloud.fleet.force(instance_id, status="RUNNING", stops_in_seconds=61, doomed=doom)
    assert auto_stop(api, instance_id)["remain_time"] == 61
    cloud.fleet.force(
        instance_id, status="HIBERNATING", overrides={"user": {"name": "<b>"}}
    )
    document = api.show(instance_id).json
    assert document["status"] == "HIBERNATING"
    assert document["user"]["name"] == "<b>"
    assert document["user"]["id"]
