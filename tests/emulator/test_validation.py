"""Refusals by code, as the documents name them. All are HTTP 400."""

from typing import Any

import pytest

from dashboard.emulator import Behavior, Emulator

from .conftest import Api


def stop(**members: Any) -> dict[str, Any]:
    return {"spec": {"auto_stop": members}}


UPDATES = [
    ({"description": 5}, "6332"),
    ({"description": None}, "6332"),
    *(({"description": f"a{c}b"}, "6334") for c in "&<>\"'/"),
    ({"description": "x" * 513}, "6336"),
    ({"spec": "none"}, "6332"),
    (stop(enable="true", duration=3_600), "6332"),
    (stop(enable=True, duration="3600"), "6332"),
    (stop(enable=True, duration=3_600.0), "6332"),
    (stop(enable=True, duration=True), "6332"),
    (stop(enable=True, duration=3_600, prompt="no"), "6332"),
    (stop(enable=True), "6348"),
    (stop(enable=True, duration=3_599), "6349"),
    (stop(enable=True, duration=86_401), "6349"),
    (stop(enable=False, duration=0), "6349"),
    (b"{", "6400"),
    (b"", "6400"),
    (b"[]", "6400"),
    (b"[" * 100_000, "6400"),
]


@pytest.mark.parametrize(("body", "code"), UPDATES)
def test_a_wrong_update_is_refused_and_changes_nothing(
    api: Api, body: Any, code: str
) -> None:
    instance_id = api.id_of("weekend-job")
    before = api.show(instance_id).json
    refusal = api.update(instance_id, body)
    assert (refusal.status, refusal.code) == (400, code)
    assert refusal.json.keys() == {"error_code", "error_message"}
    assert api.show(instance_id).json == before


def test_refusals_name_the_character_and_the_range(api: Api) -> None:
    instance_id = api.id_of("weekend-job")
    assert (
        api.update(instance_id, {"description": "a/b"})
        .json["error_message"]
        .endswith("/.")
    )
    message = api.update(instance_id, stop(enable=True, duration=1)).json[
        "error_message"
    ]
    assert "3600" in message
    assert "86400" in message


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"description": ""},
        {"description": "x" * 512},
        {"description": "説" * 512},
        {"description": "Grüße, 試験"},
        {"unknown": 1},
        {"spec": {}},
        stop(),
        stop(enable=False),
        stop(duration=5_000),
        stop(enable=True, duration=3_600),
        stop(enable=True, duration=86_400, prompt=False),
    ],
)
def test_a_valid_update_is_accepted(api: Api, body: Any) -> None:
    assert api.update(api.id_of("weekend-job"), body).status == 200


def test_absent_members_stay(api: Api) -> None:
    instance_id = api.id_of("weekend-job")
    api.update(instance_id, {"description": "kept"} | stop(enable=True, duration=7_200))
    api.update(instance_id, stop(prompt=False))
    document = api.update(instance_id, {}).json
    assert document["description"] == "kept"
    expected = {"enable": True, "duration": 7_200, "prompt": False}
    assert document["spec"]["auto_stop"] == expected


ACTIONS = [
    ("churn-forecast-v2", "start", "6305"),  # RUNNING
    ("anna-scratch", "start", "6306"),  # STARTING
    ("kernel-stuck", "start", "6306"),  # RESTARTING
    ("going-home", "start", "6308"),  # STOPPING
    ("segmentation-new", "start", "6357"),  # CREATING
    ("account-in-arrears", "start", "6326"),
    ("sold-out-a100", "start", "6329"),
    ("weekend-job", "stop", "6307"),  # STOPPED
    ("going-home", "stop", "6308"),  # STOPPING
    ("anna-scratch", "stop", "6306"),  # STARTING
    ("needs-a-gpu", "stop", "6357"),  # START_QUEUING
    ("bucket-gone", "stop", "6327"),  # CREATE_FAILED
    ("weekend-job", "restart", "6327"),
    ("weekend-job", "queue", "6336"),
    ("weekend-job", 5, "6332"),
    ("weekend-job", None, "6335"),
]


@pytest.mark.parametrize(("name", "action", "code"), ACTIONS)
def test_an_invalid_action_is_refused(
    api: Api, name: str, action: Any, code: str
) -> None:
    refusal = api.act(api.id_of(name), action)
    assert (refusal.status, refusal.code) == (400, code)


def test_an_unknown_instance_is_a_400(api: Api) -> None:
    for reply in (
        api.show("DE-nowhere"),
        api.update("DE-nowhere", b"{"),
        api.act("DE-nowhere", "start"),
        api.send("DELETE", f"{api.base}/DE-nowhere"),
        api.send("GET", f"{api.base}/DE-nowhere/token"),
    ):
        assert (reply.status, reply.code) == (400, "6309")


def test_auto_stop_is_fixed_in_some_statuses(api: Api) -> None:
    instance_id = api.id_of("bigger-please")
    assert api.update(instance_id, stop(enable=True, duration=3_600)).code == "6347"
    assert api.update(instance_id, {"description": "still free"}).status == 200


LISTS = [
    ("", "6335"),
    ("de_type=notebook", "6336"),
    ("de_type=Notebook&status=SLEEPING", "6336"),
    ("de_type=Notebook&sortby=owner", "6303"),
    ("de_type=Notebook&order=up", "6336"),
    ("de_type=Notebook&limit=many", "6332"),
    ("de_type=Notebook&offset=-1", "6336"),
    ("de_type=Notebook&show_self=False", "6336"),
    ("de_type=Notebook&provision_type=VM", "6336"),
]


@pytest.mark.parametrize(("query", "code"), LISTS)
def test_a_wrong_list_request_is_refused(api: Api, query: str, code: str) -> None:
    refusal = api.list(query)
    assert (refusal.status, refusal.code) == (400, code)


def storage(**location: Any) -> dict[str, Any]:
    return {"spec": {"storage": {"type": "obs", "location": location}}}


CREATIONS = [
    ({"name": "weekend-job"}, "6301"),
    ({"name": "no blanks"}, "6334"),
    ({"name": "x" * 65}, "6336"),
    ({"name": None}, "6335"),
    ({"profile_id": "Fortran"}, "6336"),
    ({"flavor": "modelarts.abacus"}, "6323"),
    ({"flavor": "modelarts.kat1.xlarge"}, "6330"),
    ({"flavor": "modelarts.bm.gpu.a100NV80"}, "6329"),
    ({"spec": None}, "6335"),
    ({"spec": {}}, "6316"),
    ({"spec": {"storage": {"type": "efs"}}}, "6324"),
    (
        {"spec": {"storage": {"type": "evs", "location": {"volume_size": 4}}}},
        "6331",
    ),
    (storage(), "6317"),
    (storage(path="/bucket/dir"), "6318"),
    (storage(path="/bucket/"), "6358"),
    ({"workspace": {"id": "elsewhere"}}, "0102"),
    ({"pool": {"id": "pool-none"}}, "6336"),
    ({"pool": {}}, "6335"),
]


@pytest.mark.parametrize(("changes", "code"), CREATIONS)
def test_a_wrong_creation_is_refused(
    api: Api, cloud: Emulator, changes: dict[str, Any], code: str
) -> None:
    refusal = api.create(**changes)
    assert (refusal.status, refusal.code) == (400, code)
    assert len(cloud.fleet) == 60


def test_the_browser_token_is_for_running_instances(api: Api) -> None:
    running = api.send("GET", f"{api.base}/{api.id_of('ocr-finetune')}/token")
    assert len(running.json["token"]) == 32
    stopped = api.send("GET", f"{api.base}/{api.id_of('weekend-job')}/token")
    assert stopped.code == "6327"


def test_behavior_allows_the_other_readings() -> None:
    behavior = Behavior(
        prompt_absent="default", enable_absent="default", update_answer="no_spec"
    )
    with Emulator(fleet=60, behavior=behavior) as cloud:
        api = Api(cloud)
        api.sign_in()
        instance_id = api.id_of("weekend-job")
        api.update(instance_id, stop(enable=True, duration=3_600, prompt=False))
        answer = api.update(instance_id, stop(duration=7_200)).json
        assert "spec" not in answer
        assert "annotations" not in answer["profile"]["provision"]
        document = api.show(instance_id).json["spec"]["auto_stop"]
        assert document == {"enable": False, "duration": 7_200, "prompt": True}
