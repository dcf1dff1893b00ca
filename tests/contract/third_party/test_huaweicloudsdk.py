"""The vendor's published SDK, which nobody here wrote, against the emulator.

It signs its requests, knows the members and parameters of the newest edition of the
notebooks generation, and reads the errors.
"""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.emulator import SERVICE_USER, Emulator

# The SDK's own use of datetime.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:huaweicloudsdkcore")

HOUR_MS = 3_600_000
START_MS = 1_800_000_000_000
IMAGE = "e1a07296-22a8-4f05-8bc8-e936c8e54090"


@pytest.fixture(scope="module")
def sdk() -> Any:
    """The SDK; its hundreds of models take seconds to import."""
    return importlib.import_module("huaweicloudsdkmodelarts.v1")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Thirty instances of each generation; only a test moves the time."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Emulator(fleet=60, notebooks=0.5, speed=1e-9, start_ms=START_MS) as emulator:
        yield emulator


@pytest.fixture
def client(sdk: Any, cloud: Emulator) -> Any:
    """Signed in with the keys of the service user."""
    credentials = importlib.import_module("huaweicloudsdkcore.auth.credentials")
    keys = credentials.BasicCredentials(
        SERVICE_USER.access_key, SERVICE_USER.secret_key, cloud.project_id
    )
    builder = sdk.ModelArtsClient.new_builder()
    return builder.with_credentials(keys).with_endpoint(cloud.url).build()


@pytest.fixture
def refused() -> type[Exception]:
    """The SDK's exception for a refusal."""
    exceptions = importlib.import_module("huaweicloudsdkcore.exceptions.exceptions")
    error: type[Exception] = exceptions.ClientRequestException
    return error


def id_of(cloud: Emulator, name: str) -> str:
    return next(n.id for n in cloud.notebooks.notebooks() if n.name == name)


def test_lists_everybody_s_notebooks_page_by_page(
    sdk: Any, client: Any, cloud: Emulator
) -> None:
    listed: list[Any] = []
    for offset in (0, 20):
        request = sdk.ListAllNotebooksRequest(limit=20, offset=offset)
        page = client.list_all_notebooks(request)
        assert (page.total, page.size, page.current) == (30, 20, offset // 20)
        listed += page.data
    assert {n.id for n in listed} == {n.id for n in cloud.notebooks.notebooks()}
    request = sdk.ListAllNotebooksRequest(
        limit=50, status="RUNNING", username="anna.schmidt", sort_dir="ASC"
    )
    found = client.list_all_notebooks(request).data
    assert {(n.status, n.user.name) for n in found} == {("RUNNING", "anna.schmidt")}


def test_lists_its_own_notebooks(sdk: Any, client: Any, cloud: Emulator) -> None:
    assert client.list_notebooks(sdk.ListNotebooksRequest(limit=10)).total == 0
    cloud.notebooks.force(id_of(cloud, "pricing-lab"), owner=SERVICE_USER)
    (own,) = client.list_notebooks(sdk.ListNotebooksRequest(limit=10)).data
    assert own.name == "pricing-lab"


def test_shows_a_notebook(sdk: Any, client: Any, cloud: Emulator) -> None:
    one = id_of(cloud, "weekend-sweep")
    shown = client.show_notebook(sdk.ShowNotebookRequest(id=one))
    assert (shown.id, shown.name, shown.status) == (one, "weekend-sweep", "RUNNING")
    assert shown.lease.create_at + shown.lease.duration == START_MS + 31 * HOUR_MS
    assert (shown.lease.type, shown.lease.enable) == ("TIMING", True)
    assert shown.image.swr_path
    assert (shown.volume.category, shown.volume.capacity) == ("EVS", 50)
    assert [e.service for e in shown.endpoints] == ["NOTEBOOK", "SSH"]
    assert shown.user.domain.id


def test_shows_and_renews_a_lease(sdk: Any, client: Any, cloud: Emulator) -> None:
    one = id_of(cloud, "defect-detector-v5")
    lease = client.show_lease(sdk.ShowLeaseRequest(id=one))
    assert lease.create_at + lease.duration == START_MS + 240_000
    body = sdk.LeaseReq(duration=2 * HOUR_MS, type="timing")
    renewed = client.renew_lease(sdk.RenewLeaseRequest(id=one, body=body))
    assert renewed.create_at + renewed.duration == START_MS + 2 * HOUR_MS
    assert renewed.update_at == START_MS
    # The query replaces the body.
    body = sdk.LeaseReq(duration=2 * HOUR_MS, type="idle")
    request = sdk.RenewLeaseRequest(id=one, duration=3 * HOUR_MS, body=body)
    renewed = client.renew_lease(request)
    assert (renewed.type, renewed.duration + renewed.create_at) == (
        "TIMING",
        START_MS + 3 * HOUR_MS,
    )
    request = sdk.RenewLeaseRequest(id=one, body=body)
    assert client.renew_lease(request).type == "IDLE"
    held = cloud.notebooks.get(one).lease
    assert (held.type, held.period_ms) == ("IDLE", 2 * HOUR_MS)


@pytest.mark.parametrize(
    ("duration", "kind", "enable"),
    [(2 * HOUR_MS, "TIMING", True), (HOUR_MS, "IDLE", True), (-1, "TIMING", False)],
)
def test_starts_with_a_duration(
    sdk: Any, client: Any, cloud: Emulator, duration: int, kind: str, enable: bool
) -> None:
    one = id_of(cloud, "customer-segments")
    request = sdk.StartNotebookRequest(id=one, duration=duration, type=kind.lower())
    assert client.start_notebook(request).status == "STARTING"
    cloud.clock.advance(8)
    shown = client.show_notebook(sdk.ShowNotebookRequest(id=one))
    assert shown.status == "RUNNING"
    assert (shown.lease.type, shown.lease.enable) == (kind, enable)
    if enable:
        left_ms = shown.lease.create_at + shown.lease.duration - START_MS - 8_000
        assert left_ms == duration


def test_stops(sdk: Any, client: Any, cloud: Emulator, refused: Any) -> None:
    one = id_of(cloud, "rag-playground")
    assert client.stop_notebook(sdk.StopNotebookRequest(id=one)).status == "STOPPING"
    cloud.clock.advance(5)
    shown = client.show_notebook(sdk.ShowNotebookRequest(id=one))
    assert shown.status == "STOPPED"
    with pytest.raises(refused) as refusal:
        client.stop_notebook(sdk.StopNotebookRequest(id=one))
    assert (refusal.value.status_code, refusal.value.error_code) == (
        400,
        "ModelArts.6357",
    )


@pytest.mark.parametrize("answer", ["full", "partial"])
def test_updates_a_running_notebook(
    sdk: Any, client: Any, cloud: Emulator, answer: str
) -> None:
    cloud.behavior.change({"notebook_update_answer": answer})
    one = id_of(cloud, "rag-playground")
    body = sdk.NotebookUpdateRequest(name="renamed", description="Größe und 大小")
    updated = client.update_notebook(sdk.UpdateNotebookRequest(id=one, body=body))
    assert (updated.name, updated.description) == ("renamed", "Größe und 大小")
    assert (updated.id == one) is (answer == "full")
    assert cloud.notebooks.get(one).description == "Größe und 大小"


def test_tags(sdk: Any, client: Any, cloud: Emulator) -> None:
    one = id_of(cloud, "rag-playground")
    tags = [sdk.TmsTag(key="owner", value="team-a"), sdk.TmsTag(key="b", value="")]
    body = sdk.CreateTmsTagsRequest(tags=tags)
    client.create_notebook_tags(
        sdk.CreateNotebookTagsRequest(resource_id=one, body=body)
    )
    assert cloud.notebooks.get(one).tags == {
        **{"team": "language", "owner": "team-a"},
        **{"b": ""},
    }
    shown = client.show_notebook(sdk.ShowNotebookRequest(id=one))
    assert {(tag.key, tag.value) for tag in shown.tags} >= {("owner", "team-a")}
    body = sdk.DeleteTmsTagsRequest(tags=[sdk.TmsTagForDeletion(key="team")])
    client.delete_notebook_tags(
        sdk.DeleteNotebookTagsRequest(resource_id=one, body=body)
    )
    assert cloud.notebooks.get(one).tags.keys() == {"owner", "b"}
    listed = client.show_notebook_tags(sdk.ShowNotebookTagsRequest()).tags
    values = {tag.key: tag.values for tag in listed}
    assert values["owner"] == ["team-a"]


def test_creates_and_deletes(sdk: Any, client: Any, cloud: Emulator) -> None:
    body = sdk.NotebookCreateRequest(
        name="by-the-sdk",
        flavor="modelarts.vm.cpu.2u",
        image_id=IMAGE,
        volume=sdk.VolumeMountRequest(category="EVS", ownership="MANAGED", capacity=5),
        lease=sdk.LeaseReq(duration=4 * HOUR_MS, type="idle"),
    )
    created = client.create_notebook(sdk.CreateNotebookRequest(body=body))
    assert created.status == "INIT"
    assert [step.step for step in created.action_progress] == [4, 3, 2, 1]
    cloud.clock.advance(10)
    assert cloud.notebooks.get(created.id).status == "RUNNING"
    client.stop_notebook(sdk.StopNotebookRequest(id=created.id))
    cloud.clock.advance(5)
    deleted = client.delete_notebook(sdk.DeleteNotebookRequest(id=created.id))
    assert deleted.status == "DELETING"
    cloud.clock.advance(5)
    assert created.id not in {n.id for n in cloud.notebooks.notebooks()}


def test_flavors_and_quota(sdk: Any, client: Any, cloud: Emulator) -> None:
    flavors = client.list_flavors(sdk.ListFlavorsRequest()).data
    assert "modelarts.vm.cpu.2u" in {flavor.id for flavor in flavors}
    request = sdk.ShowSwitchableFlavorsRequest(id=id_of(cloud, "pricing-lab"))
    assert client.show_switchable_flavors(request).data
    quota = client.list_features(sdk.ListFeaturesRequest(feature="NOTEBOOK"))
    assert (quota.enabled, quota.used) == (True, 30)


@pytest.mark.parametrize(
    ("behavior", "status", "code"),
    [
        ({"renew": "refuse"}, 403, "ModelArts.6407"),
        ({"served": "demanager"}, 404, "APIG.0101"),
        ({"cloud": "otc"}, 400, "ModelArts.6349"),
    ],
)
def test_reads_refusals(
    sdk: Any,
    client: Any,
    cloud: Emulator,
    refused: Any,
    behavior: dict[str, str],
    status: int,
    code: str,
) -> None:
    cloud.behavior.change(behavior)
    request = sdk.RenewLeaseRequest(
        id=id_of(cloud, "pricing-lab"), body=sdk.LeaseReq(duration=1)
    )
    with pytest.raises(refused) as refusal:
        client.renew_lease(request)
    assert (refusal.value.status_code, refusal.value.error_code) == (status, code)
