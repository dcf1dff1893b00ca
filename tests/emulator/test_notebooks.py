"""The life of emulated notebooks, and what may be changed when."""

from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.emulator import Emulator, Fault
from dashboard.emulator.hostile import PAYLOADS

from .conftest import START_MS, NotebookApi


def statuses(api: NotebookApi, notebook_id: str, steps: list[float]) -> list[str]:
    """Return the statuses now and after each step, in seconds."""
    seen = [api.show(notebook_id).json["status"]]
    for seconds in steps:
        api.cloud.clock.advance(seconds)
        seen.append(api.show(notebook_id).json["status"])
    return seen


def test_a_new_notebook_becomes_running_step_by_step(notebooks: NotebookApi) -> None:
    created = notebooks.create().json
    assert created["status"] == "INIT"
    assert {step["status"] for step in created["action_progress"]} == {"WAITING"}
    progress = []
    for _ in range(4):
        notebooks.cloud.clock.advance(2.4)
        shown = notebooks.show(created["id"]).json
        assert shown["status"] == "CREATING"
        progress.append({s["step"]: s["status"] for s in shown["action_progress"]})
    assert progress[0] == {
        **{1: "PROCESSING", 2: "WAITING"},
        **{3: "WAITING", 4: "WAITING"},
    }
    assert progress[-1] == {
        **{1: "COMPLETED", 2: "COMPLETED"},
        **{3: "COMPLETED", 4: "PROCESSING"},
    }
    notebooks.cloud.clock.advance(1)
    shown = notebooks.show(created["id"]).json
    assert shown["status"] == "RUNNING"
    assert "action_progress" not in shown
    assert [e["service"] for e in shown["endpoints"]] == ["NOTEBOOK"]
    assert shown["user"]["name"] == "curfew-service"


def test_starts_and_stops(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("customer-segments")
    updated_ms = notebooks.show(one).json["update_at"]
    started = notebooks.start(one).json
    # Not yet moved by the request, as in the samples.
    assert (started["status"], started["update_at"]) == ("STARTING", updated_ms)
    assert statuses(notebooks, one, [8]) == ["STARTING", "RUNNING"]
    assert notebooks.stop(one).json["status"] == "STOPPING"
    assert statuses(notebooks, one, [5]) == ["STOPPING", "STOPPED"]


def test_a_start_may_fail(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("fails-at-start")
    assert notebooks.start(one).status == 200
    assert statuses(notebooks, one, [8]) == ["STARTING", "START_FAILED"]
    shown = notebooks.show(one).json
    assert shown["fail_reason"] == "No resources available."
    assert "FAILED" in {step["status"] for step in shown["action_progress"]}
    assert notebooks.start(one).status == 200
    assert statuses(notebooks, one, [8]) == ["STARTING", "RUNNING"]


@pytest.mark.parametrize(
    ("name", "call", "code"),
    [
        ("defect-detector-v5", "start", "6305"),
        ("morning-start", "start", "6306"),
        ("lunch-break", "start", "6308"),
        ("image-with-drivers", "start", "6357"),
        ("arrears", "start", "6326"),
        ("a100-dream", "start", "6716"),
        ("customer-segments", "stop", "6357"),
        ("lunch-break", "stop", "6308"),
        ("morning-start", "stop", "6306"),
        ("image-with-drivers", "stop", "6357"),
        ("arrears", "stop", "6327"),
        ("defect-detector-v5", "delete", "6304"),
        ("to-be-removed", "delete", "6357"),
    ],
)
def test_refusals_by_status(
    notebooks: NotebookApi, name: str, call: str, code: str
) -> None:
    reply = getattr(notebooks, call)(notebooks.id_of(name))
    assert (reply.status, reply.code) == (400, code)


def test_the_code_for_a_second_stop_can_be_chosen(notebooks: NotebookApi) -> None:
    notebooks.behave(already_stopped="6307")
    assert notebooks.stop(notebooks.id_of("customer-segments")).code == "6307"


def test_a_deleted_notebook_disappears(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("customer-segments")
    assert notebooks.delete(one).json["status"] == "DELETING"
    notebooks.cloud.clock.advance(5)
    assert notebooks.show(one).status == 404
    assert notebooks.list("limit=50&name=customer-segments").json["total"] == 0


def test_a_deleted_notebook_may_linger(notebooks: NotebookApi) -> None:
    notebooks.behave(deleted="linger", delete_answer="nothing")
    one = notebooks.id_of("customer-segments")
    assert notebooks.delete(one).status == 204
    assert statuses(notebooks, one, [5]) == ["DELETING", "DELETED"]


@pytest.mark.parametrize("name", ["customer-segments", "defect-detector-v5"])
def test_name_and_description_can_be_changed(notebooks: NotebookApi, name: str) -> None:
    one = notebooks.id_of(name)
    reply = notebooks.update(one, {"name": "other", "description": ""})
    assert reply.status == 200
    shown = notebooks.show(one).json
    assert (shown["name"], shown["description"]) == ("other", "")
    assert shown["update_at"] == START_MS
    (entry,) = notebooks.cloud.log.entries(route="notebooks.update")
    assert entry.applied is not None
    assert entry.applied.values == {"name": "other", "description": ""}


def test_an_update_without_members_changes_nothing(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("customer-segments")
    before = notebooks.show(one).json
    assert notebooks.update(one, {}).status == 200
    assert notebooks.show(one).json | {"update_at": 0} == before | {"update_at": 0}


def test_running_notebooks_may_refuse_every_update(notebooks: NotebookApi) -> None:
    notebooks.behave(update_while_running="refuse")
    body = {"description": "Later"}
    refused = notebooks.update(notebooks.id_of("defect-detector-v5"), body)
    assert (refused.status, refused.code) == (400, "6347")
    assert notebooks.update(notebooks.id_of("customer-segments"), body).status == 200


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("brand-new", "6357"),
        ("morning-start", "6357"),
        ("image-with-drivers", "6357"),
        ("arrears", "6347"),
        ("no-such-bucket", "6347"),
    ],
)
def test_what_cannot_be_updated_in_which_status(
    notebooks: NotebookApi, name: str, code: str
) -> None:
    refused = notebooks.update(notebooks.id_of(name), {"description": "Later"})
    assert (refused.status, refused.code) == (400, code)


def test_flavor_and_image_need_a_stop(notebooks: NotebookApi) -> None:
    body = {"flavor": "modelarts.vm.cpu.2u"}
    refused = notebooks.update(notebooks.id_of("forecast-2027"), body)
    assert refused.code == "6347"
    one = notebooks.id_of("customer-segments")
    assert notebooks.update(one, body).json["flavor"] == "modelarts.vm.cpu.2u"


def test_a_disk_only_grows(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("defect-detector-v5")
    assert notebooks.update(one, {"storage_new_size": 10}).code == "6331"
    grown = notebooks.update(one, {"storage_new_size": 70}).json["volume"]
    assert (grown["capacity"], grown["status"]) == (70, "RESIZING")
    notebooks.cloud.clock.advance(10)
    assert "status" not in notebooks.show(one).json["volume"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "with space"}, "6334"),
        ({"name": ""}, "6336"),
        ({"name": "n" * 129}, "6336"),
        ({"description": "a/b"}, "6334"),
        ({"description": "it's"}, "6334"),
        ({"description": "d" * 513}, "6336"),
        ({"description": None}, "6332"),
        ({"flavor": "none.such"}, "6323"),
        ({"image_id": "none"}, "6797"),
        ({"storage_new_size": "10"}, "6332"),
        ({"endpoints": [{"allowed_access_ips": ["192.0.2.1"] * 6}]}, "6336"),
    ],
)
def test_invalid_updates(
    notebooks: NotebookApi, body: dict[str, object], code: str
) -> None:
    refused = notebooks.update(notebooks.id_of("customer-segments"), body)
    assert (refused.status, refused.code) == (400, code)


def test_otc_allows_the_apostrophe(notebooks: NotebookApi) -> None:
    notebooks.behave(cloud="otc")
    one = notebooks.id_of("customer-segments")
    assert notebooks.update(one, {"description": "it's"}).status == 200


def test_the_newest_answer_to_an_update_is_nearly_empty(notebooks: NotebookApi) -> None:
    notebooks.behave(notebook_update_answer="partial")
    one = notebooks.id_of("customer-segments")
    reply = notebooks.update(one, {"description": "Later"})
    assert reply.json.keys() == {"name", "description", "flavor", "endpoints"}
    assert notebooks.show(one).json["description"] == "Later"


def test_tags_can_be_changed_in_any_status(notebooks: NotebookApi) -> None:
    for name in ("defect-detector-v5", "image-with-drivers", "arrears"):
        one = notebooks.id_of(name)
        tags = [{"key": "team", "value": "new"}, {"key": "empty", "value": ""}]
        assert notebooks.change_tags(one, tags, add=True).status == 204
        shown = notebooks.show(one).json["tags"]
        assert {"key": "team", "value": "new"} in shown
        assert notebooks.change_tags(one, [{"key": "team"}], add=False).status == 204
        assert "team" not in {t["key"] for t in notebooks.show(one).json["tags"]}
        assert notebooks.change_tags(one, [{"key": "team"}], add=False).status == 204


def test_the_values_of_all_tags_are_listed(notebooks: NotebookApi) -> None:
    tags = notebooks.send("GET", f"{notebooks.base}/tags").json["tags"]
    values = {tag["key"]: tag["values"] for tag in tags}
    assert {"4711", "4712"} <= set(values["cost-center"])
    assert values["team"] == sorted(values["team"])


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (None, "6335"),
        ({"key": "a"}, "6332"),
        ([{"value": "a"}], "6335"),
        ([{"key": "k" * 129, "value": ""}], "6336"),
        ([{"key": "k", "value": "v" * 256}], "6336"),
    ],
)
def test_invalid_tags(notebooks: NotebookApi, tags: object, code: str) -> None:
    one = notebooks.id_of("customer-segments")
    refused = notebooks.change_tags(one, tags, add=True)
    assert (refused.status, refused.code) == (400, code)


def test_otc_knows_neither_tags_nor_quota(notebooks: NotebookApi) -> None:
    notebooks.behave(cloud="otc")
    one = notebooks.id_of("customer-segments")
    feature = f"/v1/{notebooks.cloud.project_id}/authoring/features/NOTEBOOK"
    for reply in (
        notebooks.change_tags(one, [{"key": "a", "value": ""}], add=True),
        notebooks.send("GET", f"{notebooks.base}/tags"),
        notebooks.send("GET", feature),
    ):
        assert (reply.status, reply.json["error_code"]) == (404, "APIG.0101")
    assert not {"tags", "user_id", "ip"} & notebooks.show(one).json.keys()


def test_flavors_and_quota(notebooks: NotebookApi) -> None:
    flavors = notebooks.send("GET", f"{notebooks.base}/flavors").json
    assert flavors["total"] == len(flavors["data"])
    gpus = notebooks.send("GET", f"{notebooks.base}/flavors?category=gpu").json
    assert {flavor["category"] for flavor in gpus["data"]} == {"GPU"}
    one = notebooks.id_of("customer-segments")
    switchable = notebooks.send("GET", f"{notebooks.base}/{one}/flavors").json
    assert "modelarts.vm.cpu.8u" not in {f["id"] for f in switchable["data"]}
    feature = f"/v1/{notebooks.cloud.project_id}/authoring/features/NOTEBOOK"
    quota = notebooks.send("GET", feature).json
    assert (quota["enabled"], quota["used"]) == (True, 60)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": None}, "6335"),
        ({"volume": None}, "6316"),
        ({"volume": {"category": "obsfs", "ownership": "managed"}}, "6702"),
        ({"image_id": "none"}, "6797"),
        ({"flavor": "modelarts.bm.snt9.xlarge.2"}, "6870"),
        ({"workspace_id": "none"}, "0102"),
        ({"pool_id": "none"}, "6336"),
        ({"duration": 1}, "6349"),
    ],
)
def test_invalid_creations(
    notebooks: NotebookApi, changes: dict[str, object], code: str
) -> None:
    refused = notebooks.create(**changes)
    assert (refused.status, refused.code) == (400, code)


def test_names_need_not_be_unique(notebooks: NotebookApi) -> None:
    assert notebooks.create(duration=-1).json["lease"]["enable"] is False
    assert notebooks.create().status == 200


@pytest.mark.parametrize("choice", ["404 6404", "400 6404", "404 6309", "400 6309"])
def test_unknown_notebooks(notebooks: NotebookApi, choice: str) -> None:
    notebooks.behave(missing_notebook=choice)
    for reply in (notebooks.show("nowhere"), notebooks.stop("nowhere")):
        assert f"{reply.status} {reply.code}" == choice


def test_the_error_text_has_either_name(notebooks: NotebookApi) -> None:
    assert notebooks.show("nowhere").json.keys() == {"error_code", "error_msg"}
    notebooks.behave(error_text="error_message")
    assert notebooks.show("nowhere").json.keys() == {"error_code", "error_message"}


def test_the_current_time_is_in_the_answer_to_show_only(
    notebooks: NotebookApi,
) -> None:
    one = notebooks.id_of("defect-detector-v5")
    assert notebooks.show(one).json["current_time"] == START_MS
    assert "current_time" not in notebooks.list().json["data"][0]
    assert "current_time" not in notebooks.lease(one).json
    notebooks.behave(current_time=False)
    assert "current_time" not in notebooks.show(one).json


def test_members_that_some_samples_lack(notebooks: NotebookApi) -> None:
    notebooks.behave(top_level_times=False, lease_type="absent")
    shown = notebooks.show(notebooks.id_of("interactive-lab")).json
    assert not {"create_at", "update_at"} & shown.keys()
    assert "type" not in shown["lease"]


def test_a_lost_renewal_may_have_been_carried_out(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("defect-detector-v5")
    fault = Fault("status", route="notebooks.renew", status=504, applied=True)
    notebooks.cloud.faults.add(fault)
    assert notebooks.renew(one, {"duration": 7_200_000}).status == 504
    (entry,) = notebooks.cloud.log.entries(route="notebooks.renew")
    assert entry.applied is not None
    assert entry.applied.values["lease"] == notebooks.lease(one).json
    assert entry.instance_id == one


def test_a_renewal_may_be_acknowledged_and_not_carried_out(
    notebooks: NotebookApi,
) -> None:
    one = notebooks.id_of("defect-detector-v5")
    before = notebooks.lease(one).json
    notebooks.cloud.faults.add(Fault("not_changed", route="notebooks.renew", times=1))
    assert notebooks.renew(one, {"duration": 7_200_000}).json == before
    fault = Fault("not_changed", route="notebooks.renew", times=1, echo=True)
    notebooks.cloud.faults.add(fault)
    assert notebooks.renew(one, {"duration": 7_200_000}).json != before
    assert notebooks.lease(one).json == before


def test_a_late_renewal_counts_from_when_it_takes_effect(
    notebooks: NotebookApi,
) -> None:
    one = notebooks.id_of("weekend-sweep")
    notebooks.cloud.faults.add(Fault("late", route="notebooks.renew", seconds=3_600))
    assert notebooks.renew(one, {"duration": 3_600_000}).status == 504
    notebooks.cloud.clock.advance(60)
    notebooks.cloud.land_late_writes()
    assert notebooks.lease(one).json["update_at"] == START_MS + 60_000


@pytest.mark.parametrize("kind", ["wrong_types", "unknown_enum", "nan"])
def test_faults_spoil_notebooks(notebooks: NotebookApi, kind: str) -> None:
    one = notebooks.id_of("defect-detector-v5")
    sound = notebooks.show(one).json["lease"]
    notebooks.cloud.faults.add(Fault(kind, instance_id=one))
    assert notebooks.show(one).json["lease"] != sound
    assert notebooks.lease(one).json != sound
    listed = {
        n["id"]: n["lease"]
        for n in notebooks.list("limit=50&sort_dir=asc").json["data"]
    }
    assert str(listed.pop(one)) != str(sound)
    assert all(isinstance(lease["duration"], int) for lease in listed.values())


def test_a_spoiled_list_of_notebooks(notebooks: NotebookApi) -> None:
    notebooks.cloud.faults.add(Fault("total_wrong", times=1))
    assert notebooks.list().json["total"] == 67
    notebooks.cloud.faults.add(Fault("duplicates"))
    first, second = notebooks.list("limit=20"), notebooks.list("limit=20&offset=20")
    assert second.json["data"][0] == first.json["data"][-1]


def test_every_text_of_a_hostile_cloud_s_notebooks_is_an_attack() -> None:
    payloads = {payload[:2_000] for payload in PAYLOADS} | {PAYLOADS[-1], ""}
    with Emulator(fleet=20, notebooks=20, hostile=True) as cloud:
        api = NotebookApi(cloud)
        api.sign_in()
        listed = api.list().json["data"]
    assert len(listed) == 20
    texts = list(leaves(listed))
    assert {path for path, text in texts if text not in payloads} == {
        *("id", "token", "url", "user.id", "user.domain.id", "user_id", "ip"),
        *("endpoints.uri", "endpoints.service"),
        *("action_progress.status", "data_volumes.url", "status", "lease.type"),
    }
    hostile = {path for path, text in texts if text in payloads}
    assert hostile >= {"status", "lease.type", "endpoints.service", "tags.value"}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of a JSON value with their paths."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, f"{path}.{name}".lstrip("."))
