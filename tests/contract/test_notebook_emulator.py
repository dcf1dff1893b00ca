"""The emulator's notebooks match the contract and the shape of every sample.

The contract has no tags and no quota: those are compared with samples composed from the
vendor's published SDK.
"""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from dashboard.emulator import Emulator

from .contracts import DOCUMENTS, CheckedApi, Contract, members, sample

CONTRACT = Contract("modelarts-notebooks.openapi.yaml")
#: Emulated seconds after the start at which all notebooks are looked at.
MOMENTS = (0, 60, 600, 3_600, 86_400)
#: Parts of a notebook that the emulator does not have: a flavor made to measure, a
#: network, build details of images, a quota of file systems.
LEFT_OUT = (
    *(".custom_spec", ".affinity", ".run_user", ".user_vpc"),
    *(".image.show_name", ".image.show_tag", ".image.currentTag", ".image.feature"),
    *(".volume.usage", ".volume.read_only", ".volume.mount_type"),
    *(".volume.evs_sku_code", ".volume.status"),
)


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    with Emulator(
        fleet=120, notebooks=1.0, seed=3, token_seconds=30 * 86_400
    ) as emulator:
        yield emulator


@pytest.fixture
def api(cloud: Emulator) -> CheckedApi:
    return CheckedApi(cloud, CONTRACT, "notebooks")


def id_of(api: CheckedApi, name: str) -> str:
    return next(n.id for n in api.cloud.notebooks.notebooks() if n.name == name)


def everything(api: CheckedApi) -> list[dict[str, Any]]:
    """Return all notebooks, page by page."""
    notebooks: list[dict[str, Any]] = []
    while True:
        status, page = api.send("GET", f"/all?limit=50&offset={len(notebooks)}")
        assert status == 200
        notebooks += page["data"]
        if len(page["data"]) < 50:
            assert len(notebooks) == page["total"]
            return notebooks


def test_the_samples_match_the_contract() -> None:
    """If not, the shapes that are compared below are not the contract's."""
    for path in sorted(DOCUMENTS.glob("notebooks-*response*.json")):
        name, value = path.stem, sample(path.stem)
        if "data" in value:
            schema = "FlavorPage" if "flavors" in name else "NotebookPage"
        elif "lease" in value:
            schema = "Notebook"
        else:
            schema = "Lease" if "duration" in value else "NotebookFragment"
        CONTRACT.validate(value, {"$ref": f"#/components/schemas/{schema}"})


def test_the_validator_rejects_wrong_answers(api: CheckedApi) -> None:
    _, document = api.send("GET", f"/{id_of(api, 'pricing-lab')}")
    broken = document | {"create_at": str(document["create_at"])}
    with pytest.raises(jsonschema.ValidationError):
        CONTRACT.validate(broken, {"$ref": "#/components/schemas/Notebook"})


@pytest.mark.parametrize("edition", ["huawei", "otc"])
@pytest.mark.parametrize("newest", [True, False])
def test_all_notebooks_validate_at_any_time(
    api: CheckedApi, edition: str, newest: bool
) -> None:
    api.cloud.behavior.change({"cloud": edition, "top_level_times": not newest})
    passed = 0
    for moment in MOMENTS:
        api.cloud.clock.advance(moment - passed)
        passed = moment
        for notebook in everything(api)[::7]:
            assert api.send("GET", f"/{notebook['id']}")[0] == 200


@pytest.mark.parametrize(
    "name",
    [
        "notebooks-create-request",
        "notebooks-walkthrough-1-create-request",
        "notebooks-2026/tf-create-request-2026",
    ],
)
def test_the_sample_creations_are_accepted(api: CheckedApi, name: str) -> None:
    body = sample(name)
    # The image of the third is a placeholder.
    body["image_id"] = sample("notebooks-create-request")["image_id"]
    status, created = api.send("POST", "", body)
    assert (status, created["status"]) == (200, "INIT")
    assert created["name"] == body["name"]
    assert created["volume"]["category"] == body["volume"]["category"].upper()
    assert created["lease"]["enable"] is ("duration" not in body)


def test_the_sample_changes_are_accepted(api: CheckedApi) -> None:
    stopped, running = id_of(api, "customer-segments"), id_of(api, "pricing-lab")
    body = sample("notebooks-update-request")
    assert api.send("PUT", f"/{stopped}", body)[1]["description"] == "update"
    body = sample("notebooks-2026/tf-update-while-running-2026")
    status, _ = api.send("PUT", f"/{running}", body | {"storage_new_size": 60})
    assert status == 200
    body = sample("notebooks-2026/tf-update-while-stopped-2026")
    body["image_id"] = sample("notebooks-create-request")["image_id"]
    assert api.send("PUT", f"/{stopped}", body)[1]["flavor"] == body["flavor"]
    assert api.send("PUT", f"/{running}", body)[0] == 400
    body = sample("notebooks-start-request")
    assert api.send("POST", f"/{stopped}/start", body)[0] == 200
    for name in (
        "notebooks-lease-renew-request",
        "notebooks-walkthrough-4-renew-request",
    ):
        assert api.send("PATCH", f"/{running}/lease", sample(name))[0] == 200
    body = sample("notebooks-2026/tf-tags-request-2026")
    for method, action in (("POST", "create"), ("DELETE", "delete")):
        path = f"{api.base}/{running}/tags/{action}"
        assert api.raw(method, path, body)[:2] == (204, None)


@pytest.mark.parametrize(
    ("name", "notebook"),
    [
        ("notebooks-show-response", "new-gpu-notebook"),
        ("notebooks-walkthrough-2-create-response", "brand-new"),
        ("notebooks-walkthrough-3-show-response", "pricing-lab"),
        ("notebooks-walkthrough-6-stop-response", "lunch-break"),
        ("notebooks-walkthrough-7-start-response", "morning-start"),
        ("notebooks-create-response", "brand-new"),
        ("notebooks-start-response", "morning-start"),
        ("notebooks-stop-response", "lunch-break"),
        ("notebooks-delete-response", "to-be-removed"),
        ("notebooks-2024-show-response-create-failed", "no-such-bucket"),
        ("notebooks-2024-update-response", "customer-segments"),
        ("notebooks-2024-start-response", "morning-start"),
        ("notebooks-2024-stop-response", "lunch-break"),
        ("notebooks-2026/composed-notebook-2026-all-members", "llm-distillation"),
    ],
)
def test_no_member_of_the_samples_is_missing(
    api: CheckedApi, name: str, notebook: str
) -> None:
    _, document = api.send("GET", f"/{id_of(api, notebook)}")
    missing = members(sample(name)) - members(document)
    # Members that belong to a status: those of a failure and of progress.
    belongs = {".fail_reason", ".action_progress"}
    assert not {path for path in missing - belongs if not path.startswith(LEFT_OUT)}


@pytest.mark.parametrize(
    "name", ["notebooks-list-response", "notebooks-2024-list-response"]
)
def test_a_page_has_the_printed_members(api: CheckedApi, name: str) -> None:
    _, page = api.send("GET", "/all")
    printed = sample(name)
    assert page.keys() == printed.keys()
    # 0 on the first page, and as many as asked for.
    assert (page["current"], page["size"]) == (printed["current"], printed["size"])
    for notebook in printed["data"]:
        missing = members(notebook) - members(page["data"][0])
        assert not {path for path in missing if not path.startswith(LEFT_OUT)}


@pytest.mark.parametrize(
    "name", ["notebooks-lease-show-response", "notebooks-lease-renew-response"]
)
def test_a_lease_has_the_printed_members(api: CheckedApi, name: str) -> None:
    _, lease = api.send("GET", f"/{id_of(api, 'pricing-lab')}/lease")
    assert lease.keys() == sample(name).keys()


def test_a_partial_answer_has_the_printed_members(api: CheckedApi) -> None:
    api.cloud.behavior.change({"notebook_update_answer": "partial"})
    one = id_of(api, "customer-segments")
    _, fragment = api.send("PUT", f"/{one}", {"description": "test"})
    assert fragment.keys() == sample("notebooks-update-response").keys()


def test_flavors_have_the_printed_members(api: CheckedApi) -> None:
    _, page = api.send("GET", "/flavors")
    printed = sample("notebooks-flavors-response")
    assert page.keys() == printed.keys()
    assert page["data"][0].keys() == printed["data"][0].keys()
    assert page["data"][0]["memory"] == printed["data"][0]["memory"]
    _, page = api.send("GET", f"/{id_of(api, 'pricing-lab')}/flavors")
    printed = sample("notebooks-switchable-flavors-response")
    assert page.keys() == printed.keys()
    assert page["flavors"] == page["data"]


def test_progress_and_endpoints_have_the_composed_members(api: CheckedApi) -> None:
    composed = sample("notebooks-2026/composed-notebook-2026-all-members")
    _, starting = api.send("GET", f"/{id_of(api, 'morning-start')}")
    (printed,) = composed["action_progress"]
    assert starting["action_progress"][0].keys() == printed.keys()
    _, running = api.send("GET", f"/{id_of(api, 'weekend-sweep')}")
    services = {e["service"]: e for e in running["endpoints"]}
    for endpoint in composed["endpoints"]:
        here = services[endpoint["service"]]
        assert here.keys() >= endpoint.keys() - {"dev_service"}
    _, mounted = api.send("GET", f"/{id_of(api, 'forecast-2027')}")
    (volume,), (printed,) = mounted["data_volumes"], composed["data_volumes"]
    assert volume.keys() > printed.keys()


def test_tags_and_quota_have_the_composed_members(api: CheckedApi) -> None:
    _, tags, _ = api.raw("GET", f"{api.base}/tags")
    printed = sample("notebooks-2026/composed-tags-list-response")
    assert tags.keys() == printed.keys()
    assert tags["tags"][0].keys() == printed["tags"][0].keys()
    path = f"/v1/{api.cloud.project_id}/authoring/features/NOTEBOOK"
    _, quota, _ = api.raw("GET", path)
    printed = sample("notebooks-2026/composed-feature-quota-response")
    assert quota.keys() | {"create_at", "update_at"} == printed.keys()


@pytest.mark.parametrize("number", ["6702", "6772", "6927", "6967"])
@pytest.mark.parametrize("text", ["error_msg", "error_message"])
def test_refusals_have_the_shape_of_the_live_ones(
    api: CheckedApi, number: str, text: str
) -> None:
    api.cloud.behavior.change({"error_text": text})
    status, refusal = api.send("GET", "/nowhere")
    assert status == 404
    live = sample(f"notebooks-2026/live-error-{number}")
    assert {"error_code", text} == refusal.keys()
    assert live.keys() == {"error_code", "error_msg"}


def test_an_unsupported_storage_is_refused_in_the_live_words(api: CheckedApi) -> None:
    body = sample("notebooks-create-request")
    body["volume"]["category"] = "obsfs"
    _, refusal = api.send("POST", "", body)
    live = sample("notebooks-2026/live-error-6702")
    assert refusal["error_code"] == live["error_code"]
    assert "OBSFS:MANAGED is not supported" in refusal["error_msg"]


def test_every_kind_of_answer_is_in_the_contract(api: CheckedApi) -> None:
    running, stopped = id_of(api, "pricing-lab"), id_of(api, "customer-segments")
    assert api.send("GET", "?limit=11")[0] == 400
    assert api.send("GET", f"/{stopped}/lease")[0] == 400
    assert api.send("POST", f"/{running}/stop")[0] == 200
    assert api.send("DELETE", f"/{stopped}")[0] == 200
    api.cloud.behavior.change({"renew": "refuse", "list_all": "refuse"})
    assert api.send("PATCH", f"/{id_of(api, 'rag-playground')}/lease", {})[0] == 403
    assert api.send("GET", "/all")[0] == 403
    api.cloud.behavior.change({"renew": "allow", "renew_answer": "nothing"})
    one = id_of(api, "rag-playground")
    assert api.send("PATCH", f"/{one}/lease", {}) == (204, None)
    api.cloud.behavior.change({"delete_answer": "nothing"})
    assert api.send("DELETE", f"/{id_of(api, 'lost-node')}") == (204, None)
    api.cloud.behavior.change({"served": "demanager"})
    assert api.send("GET", "")[0] == 404
    del api.headers["X-Auth-Token"]
    api.cloud.behavior.change({"served": "notebooks"})
    assert api.send("GET", "")[0] == 401
