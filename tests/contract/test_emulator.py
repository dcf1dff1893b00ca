"""The emulator's answers match the contract, and it accepts the sample requests."""

from collections.abc import Iterator

import jsonschema
import pytest

from dashboard.emulator import Emulator

from .contracts import CheckedApi, Contract, members, sample

CONTRACT = Contract("modelarts-demanager.openapi.yaml")
#: Emulated seconds after the start at which the whole fleet is looked at.
MOMENTS = (0, 60, 600, 3_600, 86_400)


def id_of(api: CheckedApi, name: str) -> str:
    return next(i.id for i in api.cloud.fleet.instances() if i.name == name)


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    with Emulator(fleet=400, seed=3, token_seconds=30 * 86_400) as emulator:
        yield emulator


@pytest.fixture
def api(cloud: Emulator) -> CheckedApi:
    return CheckedApi(cloud, CONTRACT, "demanager/instances")


def test_the_validator_rejects_wrong_answers(api: CheckedApi) -> None:
    _, document = api.send("GET", f"/{id_of(api, 'ocr-finetune')}")
    broken = document | {"creation_timestamp": int(document["creation_timestamp"])}
    with pytest.raises(jsonschema.ValidationError):
        CONTRACT.validate(broken, {"$ref": "#/components/schemas/Instance"})


def test_the_whole_fleet_validates_at_any_time(api: CheckedApi) -> None:
    passed = 0
    for moment in MOMENTS:
        api.cloud.clock.advance(moment - passed)
        passed = moment
        status, answer = api.send("GET", "?de_type=Notebook&show_self=false")
        assert status == 200
        assert answer["total_count"] == len(answer["instances"]) == 400


def test_the_sample_requests_are_accepted(api: CheckedApi) -> None:
    one = id_of(api, "weekend-job")
    status, document = api.send("PUT", f"/{one}", sample("demanager-update-request"))
    assert (status, document["description"]) == (200, "This is for test.")
    status, document = api.send(
        "POST", f"/{one}/action", sample("demanager-action-start-request")
    )
    assert (status, document) == (200, sample("demanager-action-start-response"))
    api.cloud.clock.advance(60)
    restart = sample("demanager-action-restart-request")
    assert api.send("POST", f"/{one}/action", restart)[0] == 200
    for name in ("demanager-create-request", "demanager-2023-create-request-obs"):
        status, document = api.send("POST", "", sample(name))
        assert (status, document["status"]) == (200, "CREATING")
        created = document["id"]
    api.cloud.clock.advance(60)
    assert api.send("GET", f"/{created}/token")[0] == 200
    api.send("POST", f"/{created}/action", {"action": "stop"})
    api.cloud.clock.advance(60)
    assert api.send("DELETE", f"/{created}")[1] == {"instance_id": created}


def test_refusals_are_the_printed_ones(api: CheckedApi) -> None:
    status, document = api.send("GET", "/DE-nowhere")
    assert (status, document) == (400, sample("demanager-error-not-found"))
    body = sample("demanager-2023-create-request-obs")
    body["spec"]["storage"]["location"]["path"] = "/bucket/dir"
    status, document = api.send("POST", "", body)
    assert (status, document) == (400, sample("demanager-create-error-path"))


def test_gateway_refusals_have_the_printed_shape(api: CheckedApi) -> None:
    del api.headers["X-Auth-Token"]
    status, document = api.send("GET", "?de_type=Notebook")
    assert status == 401
    assert document.keys() == sample("gateway-error-iam-authentication").keys()
    assert document["error_code"] == "APIG.0301"


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        ("demanager-show-response", "notebook-c6fd"),
        ("demanager-update-response", "notebook-c6fd"),
        ("composed/demanager-composed-create-failed", "no-capacity"),
        ("composed/demanager-composed-queued", "needs-a-gpu"),
    ],
)
def test_no_member_of_the_samples_is_missing(
    api: CheckedApi, name: str, instance: str
) -> None:
    _, document = api.send("GET", f"/{id_of(api, instance)}")
    missing = members(sample(name)) - members(document)
    # Facts of one flavour, of one build of an image and of one caller.
    assert not {path for path in missing if ".params." not in path} - {
        ".profile.provision.annotations.flavor",
        ".flavor_details.instance_num",
        ".queuing_info.flavor_details.instance_num",
    }


def test_a_pool_and_a_repository_have_all_members(api: CheckedApi) -> None:
    _, document = api.send("GET", f"/{id_of(api, 'pool-trainer-01')}")
    composed = sample("composed/demanager-composed-pool-and-repository")
    for part in ("pool", "repository"):
        assert members(document[part]) == members(composed[part])
    assert (
        document["spec"]["credential"].keys() == composed["spec"]["credential"].keys()
    )


def test_tokens_and_projects_have_the_printed_members(api: CheckedApi) -> None:
    printed = sample("iam-token-response-body")["token"]
    # The printed token is scoped to a domain, this one to a project.
    assert printed.keys() - {"domain"} <= api.token["token"].keys()
    entry = api.token["token"]["catalog"][0]
    assert entry.keys() == printed["catalog"][0].keys()
    assert entry["endpoints"][0].keys() == printed["catalog"][0]["endpoints"][0].keys()
    _, projects, _ = api.raw("GET", "/v3/projects")
    printed = sample("iam-projects-response")
    assert projects.keys() == printed.keys()
    assert projects["projects"][0].keys() == printed["projects"][0].keys()
