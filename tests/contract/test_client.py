"""The client against the documents alone: samples in, contract-true requests out."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from dashboard.modelarts import errors, schemas
from dashboard.modelarts.auth import StaticTokenAuth
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.clouds import CloudConfig
from dashboard.modelarts.iam import PasswordCredentials, fetch_token

DOCUMENTS = Path(__file__).parent / "documents"
CONTRACT = yaml.safe_load((DOCUMENTS / "modelarts-demanager.openapi.yaml").read_text())
PROJECT = "0123456789abcdef0123456789abcdef"
PREFIX = "/v1/{project_id}/demanager/instances"


def load(name: str) -> Any:
    return json.loads((DOCUMENTS / f"{name}.json").read_text())


def samples(*kinds: str) -> list[str]:
    paths = sorted(DOCUMENTS.rglob("*.json"))
    names = [str(path.relative_to(DOCUMENTS).with_suffix("")) for path in paths]
    return [name for name in names if any(kind in name for kind in kinds)]


INSTANCES = samples("create-response", "show-response", "update-response", "composed/")
LISTS = samples("list-response")


@pytest.fixture
def client_of() -> Iterator[Callable[[httpx.Response], ModelArtsClient]]:
    opened = []

    def build(answer: httpx.Response) -> ModelArtsClient:
        def check(request: httpx.Request) -> httpx.Response:
            check_request(request)
            return answer

        config = CloudConfig(
            name="test",
            endpoint="https://modelarts.eu-de.example.com",
            project_id=PROJECT,
            region="eu-de",
            auth=StaticTokenAuth("FAKE"),
        )
        client = ModelArtsClient(config, transport=httpx.MockTransport(check))
        opened.append(client)
        return client

    yield build
    for client in opened:
        client.close()


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({"components": CONTRACT["components"]} | schema)


def operation_of(request: httpx.Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The documented operation a request calls, and all of its parameters."""
    segments = request.url.raw_path.decode().partition("?")[0].split("/")
    for template, item in CONTRACT["paths"].items():
        wanted = template.split("/")
        if len(wanted) == len(segments) and all(
            part == unquote(segment) or part.startswith("{")
            for part, segment in zip(wanted, segments, strict=True)
        ):
            operation = item[request.method.lower()]
            return operation, item["parameters"] + operation.get("parameters", [])
    raise AssertionError(f"{request.url.path} is not documented")


def check_request(request: httpx.Request) -> None:
    operation, parameters = operation_of(request)
    query = dict(request.url.params)
    for parameter in parameters:
        if parameter["in"] != "query":
            continue
        text = query.pop(parameter["name"], None)
        assert text is not None or not parameter["required"], parameter["name"]
        if text is not None:
            whole = parameter["schema"].get("type") == "integer"
            validator(parameter["schema"]).validate(int(text) if whole else text)
    assert query == {}, "not documented"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Auth-Token"]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        validator(schema).validate(json.loads(request.content))
    else:
        assert request.content == b""


def test_the_folder_is_complete() -> None:
    assert len(INSTANCES) == 11
    assert len(LISTS) == 2


@pytest.mark.parametrize("name", INSTANCES)
def test_instance_samples_parse(
    name: str, client_of: Callable[[httpx.Response], ModelArtsClient]
) -> None:
    document = load(name)
    seen = client_of(httpx.Response(200, json=document)).show_instance(document["id"])
    instance = seen.instance
    assert instance.problems == []
    for key in ("id", "name", "description", "status", "flavor"):
        assert getattr(instance, key) == document[key]
    assert instance.creation_timestamp == int(document["creation_timestamp"])
    stored = json.dumps(instance.document())
    for secret in ("FAKE", "alice@example.com", "credential", "access_token"):
        assert secret not in stored


@pytest.mark.parametrize("name", INSTANCES)
def test_nothing_else_of_a_sample_is_lost(name: str) -> None:
    """What the models leave out is what must not be kept, and nothing more."""
    document = load(name)
    kept = schemas.Instance.model_validate(document).document()
    assert set(left_out(document, kept)) <= {
        "spec.credential",
        "spec.auto_stop.remain_time",
        "spec.repository.user_email",
        "spec.repository.connection_info.credential",
        "repository.user_email",
        "repository.connection_info.credential",
    }


def left_out(document: Any, kept: Any, path: str = "") -> Iterator[str]:
    for key, value in document.items():
        here = f"{path}.{key}".lstrip(".")
        if value is None:
            continue
        if key not in kept:
            yield here
        elif isinstance(value, dict):
            yield from left_out(value, kept[key], here)


@pytest.mark.parametrize("name", LISTS)
def test_list_samples_parse(
    name: str, client_of: Callable[[httpx.Response], ModelArtsClient]
) -> None:
    document = load(name)
    client = client_of(httpx.Response(200, json=document))
    (page,) = client.list_instances(page_size=50, status="RUNNING", workspace_id="0")
    assert page.total_count == document["total_count"]
    assert page.unreadable == []
    assert [instance.id for instance in page.instances] == [
        element["id"] for element in document["instances"]
    ]


@pytest.mark.parametrize(
    "change",
    [
        schemas.UpdateInstanceRequest(description="This is for test."),
        schemas.UpdateInstanceRequest(description=""),
        schemas.UpdateInstanceRequest(auto_stop=schemas.AutoStopChange(enable=False)),
        schemas.UpdateInstanceRequest(
            description="試験",
            auto_stop=schemas.AutoStopChange(enable=True, duration=86400, prompt=True),
        ),
    ],
)
def test_updates_keep_the_contract(
    change: schemas.UpdateInstanceRequest,
    client_of: Callable[[httpx.Response], ModelArtsClient],
) -> None:
    answer = httpx.Response(200, json=load("demanager-update-response"))
    seen = client_of(answer).update_instance("DE-1", change)
    assert seen.instance.description == "update notebook"


def test_the_sample_update_is_ours() -> None:
    change = schemas.UpdateInstanceRequest(description="This is for test.")
    assert change.body() == load("demanager-update-request")


def test_actions_keep_the_contract(
    client_of: Callable[[httpx.Response], ModelArtsClient],
) -> None:
    for name in samples("action-start-response", "action-restart-response"):
        document = load(name)
        response = client_of(httpx.Response(200, json=document)).start_instance("DE-1")
        assert response.model_dump() == document
        client_of(httpx.Response(200, json=document)).stop_instance("DE-1")


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("demanager-error-not-found", 400, errors.InstanceNotFoundError),
        ("demanager-create-error-path", 400, errors.InvalidInputError),
        ("gateway-error-throttled", 429, errors.ThrottledError),
        ("gateway-error-signature-expired", 401, errors.AuthenticationError),
        ("gateway-error-iam-authentication", 401, errors.AuthenticationError),
        ("modelarts-error-generic", 400, errors.RefusedError),
    ],
)
def test_error_samples_become_their_errors(
    name: str,
    status: int,
    kind: type[errors.ModelArtsError],
    client_of: Callable[[httpx.Response], ModelArtsClient],
) -> None:
    client = client_of(httpx.Response(status, json=load(name)))
    with pytest.raises(errors.ModelArtsError) as caught:
        client.show_instance("DE-1")
    assert type(caught.value) is kind
    assert caught.value.upstream_message


def test_the_token_request_has_the_documented_shape() -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(
            201,
            json=load("iam-token-response-body"),
            headers={"X-Subject-Token": "FAKE"},
        )

    token = fetch_token(
        PasswordCredentials(
            auth_url="https://iam.eu-de.example.com/v3",
            username="u",
            password="p",
            user_domain_name="d",
            project_name="eu-de",
        ),
        with_catalog=True,
        transport=httpx.MockTransport(answer),
    )
    assert token.value == "FAKE"
    assert shape_of(sent[0]) == shape_of(load("iam-token-request-project-scope"))


def shape_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape_of(member) for key, member in value.items()}
    return type(value)
