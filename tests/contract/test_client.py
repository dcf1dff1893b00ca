"""The client reads the samples, and its requests match the contract."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from dashboard.modelarts import errors, schemas
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.iam import PasswordCredentials, fetch_token
from dashboard.modelarts.requests import AutoStopChange, UpdateInstanceRequest

from .client_contract import ClientContract, left_out, samples
from .contracts import sample

CONTRACT = ClientContract("modelarts-demanager.openapi.yaml")
INSTANCES = samples(
    "demanager", "create-response", "show-response", "update-response", "composed/"
)
LISTS = samples("demanager", "list-response")


@pytest.fixture
def client_of() -> Iterator[Callable[[httpx.Response], ModelArtsClient]]:
    opened = []

    def build(answer: httpx.Response) -> ModelArtsClient:
        opened.append(CONTRACT.client_of(answer))
        return opened[-1]

    yield build
    for client in opened:
        client.close()


def test_the_folder_is_complete() -> None:
    assert len(INSTANCES) == 11
    assert len(LISTS) == 2


@pytest.mark.parametrize("name", INSTANCES)
def test_instance_samples_parse(
    name: str, client_of: Callable[[httpx.Response], ModelArtsClient]
) -> None:
    document = sample(name)
    seen = client_of(httpx.Response(200, json=document)).demanager.show_instance(
        document["id"]
    )
    instance = seen.instance
    assert instance.problems == []
    for key in ("id", "name", "description", "status", "flavor"):
        assert getattr(instance, key) == document[key]
    assert instance.creation_timestamp == int(document["creation_timestamp"])
    stored = json.dumps(instance.document())
    for secret in ("FAKE", "alice@example.com", "credential", "access_token"):
        assert secret not in stored


@pytest.mark.parametrize("name", INSTANCES)
def test_the_models_lose_no_other_member(name: str) -> None:
    """The models omit only the members that must not be kept."""
    document = sample(name)
    kept = schemas.Instance.model_validate(document).document()
    assert set(left_out(document, kept)) <= {
        "spec.credential",
        "spec.auto_stop.remain_time",
        "spec.repository.user_email",
        "spec.repository.connection_info.credential",
        "repository.user_email",
        "repository.connection_info.credential",
    }


@pytest.mark.parametrize("name", LISTS)
def test_list_samples_parse(
    name: str, client_of: Callable[[httpx.Response], ModelArtsClient]
) -> None:
    document = sample(name)
    client = client_of(httpx.Response(200, json=document))
    (page,) = client.demanager.list_instances(
        page_size=50, status="RUNNING", workspace_id="0"
    )
    assert page.total_count == document["total_count"]
    assert page.unreadable == []
    assert [instance.id for instance in page.instances] == [
        element["id"] for element in document["instances"]
    ]


@pytest.mark.parametrize(
    "change",
    [
        UpdateInstanceRequest(description="This is for test."),
        UpdateInstanceRequest(description=""),
        UpdateInstanceRequest(auto_stop=AutoStopChange(enable=False)),
        UpdateInstanceRequest(
            description="試験",
            auto_stop=AutoStopChange(enable=True, duration=86400, prompt=True),
        ),
    ],
)
def test_updates_match_the_contract(
    change: UpdateInstanceRequest,
    client_of: Callable[[httpx.Response], ModelArtsClient],
) -> None:
    answer = httpx.Response(200, json=sample("demanager-update-response"))
    seen = client_of(answer).demanager.update_instance("DE-1", change)
    assert seen.instance.description == "update notebook"


def test_the_sample_update_is_ours() -> None:
    change = UpdateInstanceRequest(description="This is for test.")
    assert change.body() == sample("demanager-update-request")


def test_actions_match_the_contract(
    client_of: Callable[[httpx.Response], ModelArtsClient],
) -> None:
    for name in samples("demanager", "action-start-response", "restart-response"):
        document = sample(name)
        response = client_of(
            httpx.Response(200, json=document)
        ).demanager.start_instance("DE-1")
        assert response.model_dump() == document
        client_of(httpx.Response(200, json=document)).demanager.stop_instance("DE-1")


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
    client = client_of(httpx.Response(status, json=sample(name)))
    with pytest.raises(errors.ModelArtsError) as caught:
        client.demanager.show_instance("DE-1")
    assert type(caught.value) is kind
    assert caught.value.upstream_message


def test_the_token_request_has_the_documented_shape() -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(
            201,
            json=sample("iam-token-response-body"),
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
    assert shape_of(sent[0]) == shape_of(sample("iam-token-request-project-scope"))


def shape_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape_of(member) for key, member in value.items()}
    return type(value)
