"""The emulator against the contract: every answer validates, every sample is taken."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dashboard.emulator import Emulator
from dashboard.emulator.people import DOMAIN_NAME

DOCUMENTS = Path(__file__).parent / "documents"
CONTRACT = yaml.safe_load(
    (DOCUMENTS / "modelarts-demanager.openapi.yaml").read_text(encoding="utf-8")
)
#: Emulated seconds after the start at which the whole fleet is looked at.
MOMENTS = (0, 60, 600, 3_600, 86_400)


def sample(name: str) -> Any:
    return json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))


def validate(value: Any, schema: dict[str, Any]) -> None:
    whole = schema | {"components": CONTRACT["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def schema_of(method: str, path: str, status: int) -> dict[str, Any]:
    """Return the schema the contract has for this answer; KeyError if it has none."""
    for template, item in CONTRACT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            response = item[method.lower()]["responses"][str(status)]
            if "$ref" in response:
                name = response["$ref"].rpartition("/")[2]
                response = CONTRACT["components"]["responses"][name]
            schema: dict[str, Any] = response["content"]["application/json"]["schema"]
            return schema
    raise KeyError(path)


class CheckedApi:
    """Validates every answer of ModelArts before handing it out."""

    def __init__(self, cloud: Emulator) -> None:
        self.cloud = cloud
        self.base = f"/v1/{cloud.project_id}/demanager/instances"
        self.headers = {"Content-Type": "application/json"}
        user = cloud.service_user
        identity = sample("iam-token-request-project-scope")["auth"]["identity"]
        identity["password"]["user"] = {
            "name": user.name,
            "password": user.password,
            "domain": {"name": DOMAIN_NAME},
        }
        auth = {"identity": identity, "scope": {"project": {"id": cloud.project_id}}}
        _, self.token, headers = self.raw("POST", "/v3/auth/tokens", {"auth": auth})
        self.headers["X-Auth-Token"] = headers["X-Subject-Token"]

    def raw(
        self, method: str, path: str, body: Any = None
    ) -> tuple[int, Any, dict[str, str]]:
        host, port = self.cloud.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, self.headers)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read()), dict(response.headers)
        connection.close()
        return answer

    def send(self, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
        target = f"{self.base}{path}"
        status, document, _ = self.raw(method, target, body)
        validate(document, schema_of(method, target.partition("?")[0], status))
        return status, document

    def id_of(self, name: str) -> str:
        return next(i.id for i in self.cloud.fleet.instances() if i.name == name)


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    with Emulator(fleet=400, seed=3, token_seconds=30 * 86_400) as emulator:
        yield emulator


@pytest.fixture
def api(cloud: Emulator) -> CheckedApi:
    return CheckedApi(cloud)


def test_the_validator_can_say_no(api: CheckedApi) -> None:
    _, document = api.send("GET", f"/{api.id_of('ocr-finetune')}")
    broken = document | {"creation_timestamp": int(document["creation_timestamp"])}
    with pytest.raises(jsonschema.ValidationError):
        validate(broken, {"$ref": "#/components/schemas/Instance"})


def test_the_whole_fleet_validates_at_any_time(api: CheckedApi) -> None:
    passed = 0
    for moment in MOMENTS:
        api.cloud.clock.advance(moment - passed)
        passed = moment
        status, answer = api.send("GET", "?de_type=Notebook&show_self=false")
        assert status == 200
        assert answer["total_count"] == len(answer["instances"]) == 400


def test_the_sample_requests_are_accepted(api: CheckedApi) -> None:
    one = api.id_of("weekend-job")
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
def test_no_member_of_the_samples_is_wanting(
    api: CheckedApi, name: str, instance: str
) -> None:
    _, document = api.send("GET", f"/{api.id_of(instance)}")
    missing = members(sample(name)) - members(document)
    # Facts of one flavour, of one build of an image and of one caller.
    assert not {path for path in missing if ".params." not in path} - {
        ".profile.provision.annotations.flavor",
        ".flavor_details.instance_num",
        ".queuing_info.flavor_details.instance_num",
    }


def test_a_pool_and_a_repository_have_all_members(api: CheckedApi) -> None:
    _, document = api.send("GET", f"/{api.id_of('pool-trainer-01')}")
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


def members(value: Any, path: str = "") -> set[str]:
    """Return the paths of all members, arrays passed over."""
    if not isinstance(value, dict):
        return set()
    found = set()
    for name, inner in value.items():
        found |= {f"{path}.{name}"} | members(inner, f"{path}.{name}")
    return found
