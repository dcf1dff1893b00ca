"""The client of notebooks reads every sample, and its requests match the contract."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from dashboard.modelarts import errors
from dashboard.modelarts.notebook_schemas import Lease, Notebook
from dashboard.modelarts.notebooks import NotebooksApi
from dashboard.modelarts.requests import (
    NO_AUTO_STOP_SECONDS,
    RenewLeaseRequest,
    UpdateNotebookRequest,
)

from .client_contract import ClientContract, left_out, samples
from .contracts import sample

CONTRACT = ClientContract("modelarts-notebooks.openapi.yaml", "workspace_id")
NOTEBOOKS = samples(
    "notebooks",
    "walkthrough-2-create-response",
    "walkthrough-3-show-response",
    "walkthrough-6-stop-response",
    "walkthrough-7-start-response",
    "notebooks-create-response",
    "notebooks-delete-response",
    "notebooks-show-response",
    "notebooks-start-response",
    "notebooks-stop-response",
    "2024-show-response",
    "2024-start-response",
    "2024-stop-response",
    "2024-update-response",
    "notebook-2026-all-members",
)
LISTS = samples("notebooks", "notebooks-list-response", "2024-list-response")
LEASES = samples("notebooks", "lease-show-response", "renew-response")
ERRORS = samples("notebooks", "live-error")
ELSEWHERE = {
    "notebooks-update-response",
    "notebooks-update-request",
    "notebooks-start-request",
    "notebooks-lease-renew-request",
    "notebooks-walkthrough-4-renew-request",
    "notebooks-2026/live-lease-2026-07",
    "notebooks-2026/tf-tags-request-2026",
    "notebooks-2026/tf-update-while-running-2026",
    "notebooks-2026/composed-tags-list-response",
}
"""Samples of a single test below."""
NOT_CALLED = {
    "notebooks-create-request",
    "notebooks-walkthrough-1-create-request",
    "notebooks-2026/tf-create-request-2026",
    "notebooks-2026/tf-update-while-stopped-2026",
    "notebooks-flavors-response",
    "notebooks-switchable-flavors-response",
    "notebooks-2026/composed-feature-quota-response",
    "notebooks-2026/composed-flavor-2026-all-members",
}
"""Samples of calls, or of members, that Curfew does not use."""
SECRET = {
    "token",
    "url",
    "ip",
    "user_vpc",
    "endpoints.uri",
    "endpoints.allowed_access_ips",
}
UNUSED = {"is_need_credentials", "run_user"}
RENAMED = {"image.currentTag"}

type ApiOf = Callable[[httpx.Response], NotebooksApi]


@pytest.fixture
def api_of() -> Iterator[ApiOf]:
    opened = []

    def build(answer: httpx.Response) -> NotebooksApi:
        opened.append(CONTRACT.client_of(answer))
        return opened[-1].notebooks

    yield build
    for client in opened:
        client.close()


def answer(name: str, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=sample(name))


def without_nulls(value: Any) -> Any:
    """Return a document without the members that have no value, as most lack them."""
    if isinstance(value, list):
        return [without_nulls(element) for element in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_nulls(member)
        for key, member in value.items()
        if member is not None
    }


def test_every_sample_has_its_test() -> None:
    tested = {*NOTEBOOKS, *LISTS, *LEASES, *ERRORS, *ELSEWHERE, *NOT_CALLED}
    assert set(samples("notebooks", "")) == tested


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_samples_parse(name: str, api_of: ApiOf) -> None:
    document = sample(name)
    CONTRACT.validate_component(without_nulls(document), "Notebook")
    notebook = api_of(answer(name)).show_instance(document["id"]).instance
    assert notebook.problems == []
    state = notebook.state()
    assert not state.is_partial
    for key in ("id", "name", "status", "flavor", "workspace_id"):
        assert getattr(state, key) == document[key]
    lease = document["lease"]
    assert state.created_ms == document.get("create_at", lease["create_at"])
    assert state.updated_ms == document.get("update_at", lease["update_at"])
    assert state.auto_stop_enable is lease["enable"]
    is_running = document["status"] == "RUNNING"
    end_ms = lease["create_at"] + lease["duration"]
    assert state.stop_timestamp_ms == (end_ms if is_running else None)
    stored = json.dumps(notebook.document())
    # Of the address, which may carry a token, the host and the path are kept.
    assert "?" not in notebook.document().get("url", "")
    secrets = [document.get("token"), document.get("ip")]
    secrets += [endpoint.get("uri") for endpoint in document.get("endpoints") or []]
    for secret in filter(None, secrets):
        assert secret == document.get("url") or secret not in stored


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_models_lose_no_other_member(name: str) -> None:
    """The models omit only the members that must not be kept, or are of no use."""
    document = sample(name)
    kept = Notebook.model_validate(document).document()
    assert set(left_out(document, kept)) <= SECRET | UNUSED | RENAMED
    assert Notebook.model_validate(kept).document() == kept


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("workspace_id", [None, "0"])
def test_list_samples_parse(name: str, workspace_id: str | None, api_of: ApiOf) -> None:
    document = sample(name)
    CONTRACT.validate_component(document, "NotebookPage")
    pages = api_of(answer(name)).list_instances(
        status="RUNNING", workspace_id=workspace_id
    )
    (page,) = pages
    assert (page.total_count, page.scope) == (document["total"], "all")
    assert page.unreadable == []
    assert [notebook.id for notebook in page.instances] == [
        element["id"] for element in document["data"]
    ]


@pytest.mark.parametrize("name", LEASES)
def test_lease_samples_parse(name: str, api_of: ApiOf) -> None:
    document = sample(name)
    CONTRACT.validate_component(document, "Lease")
    change = RenewLeaseRequest(seconds=3_600)
    for lease in (
        api_of(answer(name)).show_lease("n"),
        api_of(answer(name)).renew_lease("n", change),
    ):
        assert lease is not None
        assert lease.model_dump() == document


@pytest.mark.parametrize("seconds", [3_600, 259_200])
@pytest.mark.parametrize("kind", ["timing", "idle"])
def test_leases_match_the_contract(seconds: int, kind: Any, api_of: ApiOf) -> None:
    lease = RenewLeaseRequest(seconds=seconds, type=kind)
    assert api_of(httpx.Response(204)).renew_lease("n", lease) is None
    started = answer("notebooks-start-response")
    api_of(started).start_instance("n", seconds, lease_type=kind)


def test_the_sample_renewal_is_ours() -> None:
    body = RenewLeaseRequest(seconds=3_600).body()
    assert body == sample("notebooks-lease-renew-request")
    walkthrough = sample("notebooks-walkthrough-4-renew-request")
    assert body == {"type": "timing"} | walkthrough


def test_starts_and_stops_match_the_contract(api_of: ApiOf) -> None:
    for name, status in (
        ("notebooks-start-response", "STARTING"),
        ("notebooks-2024-start-response", "STARTING"),
        ("notebooks-walkthrough-7-start-response", "STARTING"),
    ):
        for seconds in (None, 7_200, NO_AUTO_STOP_SECONDS):
            seen = api_of(answer(name)).start_instance("n", seconds)
            assert seen.instance.state().status == status
    for name in samples("notebooks", "stop-response"):
        seen = api_of(answer(name)).stop_instance("n")
        assert seen.instance.state().status == "STOPPING"


def test_a_start_has_the_body_of_the_sample() -> None:
    sent: list[bytes] = []

    class Recording(ClientContract):
        def check_request(self, request: httpx.Request) -> None:
            super().check_request(request)
            sent.append(request.content)

    contract = Recording("modelarts-notebooks.openapi.yaml")
    with contract.client_of(answer("notebooks-start-response")) as client:
        client.notebooks.start_instance("n")
    assert [json.loads(body) for body in sent] == [sample("notebooks-start-request")]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (
            UpdateNotebookRequest(name="example-notebook", description=""),
            "notebooks-2026/tf-update-while-running-2026",
        ),
        (
            UpdateNotebookRequest(description="update"),
            "notebooks-update-request",
        ),
    ],
)
def test_updates_match_the_contract(
    change: UpdateNotebookRequest, name: str, api_of: ApiOf
) -> None:
    body = change.body()
    assert body.items() <= sample(name).items()
    partial = api_of(answer("notebooks-update-response")).update_instance("n", change)
    state = partial.instance.state()
    assert (state.id, state.name, state.is_partial) == ("n", "notebook-1111", True)
    whole = api_of(answer("notebooks-2024-update-response"))
    assert whole.update_instance("n", change).instance.id != "n"


def test_tags_are_those_of_a_known_client() -> None:
    sent = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.method == "GET":
            return answer("notebooks-2026/composed-tags-list-response")
        return httpx.Response(204)

    with CONTRACT.client_of(httpx.Response(204), take) as client:
        client.notebooks.add_tags("n", {"owner": "team-a", "curfew": "weekdays-19"})
        client.notebooks.delete_tags("n", ["owner", "curfew"])
        tags = client.notebooks.list_tags()
    added, deleted, _ = sent
    wanted = sample("notebooks-2026/tf-tags-request-2026")
    assert json.loads(added.content) == wanted
    assert json.loads(deleted.content) == {
        "tags": [{"key": tag["key"]} for tag in wanted["tags"]]
    }
    assert [(one.method, one.url.path.partition("notebooks")[2]) for one in sent] == [
        ("POST", "/n/tags/create"),
        ("DELETE", "/n/tags/delete"),
        ("GET", "/tags"),
    ]
    assert tags == {"owner": ["team-a", "team-b"], "curfew": ["weekdays-19"]}


@pytest.mark.parametrize("name", ERRORS)
def test_live_errors_keep_their_text(name: str, api_of: ApiOf) -> None:
    with pytest.raises(errors.InvalidInputError) as caught:
        api_of(answer(name, 400)).show_lease("n")
    assert caught.value.upstream_message == sample(name)["error_msg"]


def test_the_live_lease_ends_when_the_live_service_said() -> None:
    live = sample("notebooks-2026/live-lease-2026-07")
    lease = Lease.model_validate(live["show_lease"] | {"enable": True})
    assert lease.end_ms is not None
    left_ms = lease.end_ms - live["show_notebook"]["current_time"]
    assert left_ms == live["derived"]["remaining_ms"]
