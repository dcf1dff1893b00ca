"""Client and emulator of the billing service, and the printed samples."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.emulator import Emulator, Fault
from dashboard.emulator.catalog import FLAVORS
from dashboard.emulator.notebooks.catalog import FLAVORS as NOTEBOOK_FLAVORS
from dashboard.emulator.ratings import HOURLY_PRICES
from dashboard.modelarts import errors
from dashboard.modelarts.auth import StaticTokenAuth
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.cloud_config import CloudConfig
from dashboard.modelarts.clouds import load_cloud
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.ratings import Rating

from .contracts import CheckedApi, Contract, members, sample

REQUEST, RESPONSE = "billing/rating-request", "billing/rating-response"
FLAVOR = "modelarts.vm.cpu.2u"


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    with Emulator(fleet=4, notebooks=2) as emulator:
        yield emulator


def client_of(
    cloud: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, signed: bool
) -> ModelArtsClient:
    path = tmp_path / "clouds.yaml"
    path.write_text(cloud.clouds_yaml("demo", signed=signed), encoding="utf-8")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return ModelArtsClient(load_cloud("demo"))


@pytest.fixture(params=["password", "signed"])
def client(
    cloud: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[ModelArtsClient]:
    signed = request.param == "signed"
    with client_of(cloud, tmp_path, monkeypatch, signed=signed) as client:
        yield client


def canned(response: httpx.Response) -> tuple[ModelArtsClient, list[httpx.Request]]:
    """Return a client that always gets this answer, and its requests."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return response

    config = CloudConfig(
        name="test",
        endpoint="https://modelarts.example.com",
        project_id=sample(REQUEST)["project_id"],
        region="cn-north-4",
        auth=StaticTokenAuth("token"),
        billing_endpoint="https://bss.example.com",
    )
    return ModelArtsClient(config, transport=httpx.MockTransport(answer)), requests


def test_the_client_sends_the_sample_request() -> None:
    client, requests = canned(httpx.Response(200, json=sample(RESPONSE)))
    with client:
        client.ratings.hourly_prices([FLAVOR])
    assert json.loads(requests[0].content) == sample(REQUEST)


def test_the_client_reads_the_sample_answer() -> None:
    client, _ = canned(httpx.Response(200, json=sample(RESPONSE)))
    with client:
        prices = client.ratings.hourly_prices([FLAVOR, "another"])
    assert prices == {
        FLAVOR: Rating(Decimal("3.5"), Decimal("3.5"), "CNY"),
        "another": Rating(Decimal("7.41"), Decimal("7.41"), "CNY"),
    }


def test_the_emulator_answers_the_sample_request_in_the_sample_s_shape(
    cloud: Emulator,
) -> None:
    api = CheckedApi(cloud, Contract("modelarts-notebooks.openapi.yaml"), "notebooks")
    body = sample(REQUEST) | {"project_id": cloud.project_id}
    path = "/v2/bills/ratings/on-demand-resources"
    status, document, _ = api.raw("POST", path, body)
    printed = sample(RESPONSE)
    assert status == 200
    assert members(document) == members(printed)
    assert document["product_rating_results"] == printed["product_rating_results"][:1]
    assert shape(document) == shape(printed)


def shape(value: Any) -> Any:
    """Return the types of the values; of an array, those of its first element."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])]
    return type(value).__name__


def test_all_flavors_of_the_emulator_are_priced_but_one(
    client: ModelArtsClient, cloud: Emulator
) -> None:
    assert client.ratings.unavailable is None
    flavors = [*FLAVORS, *NOTEBOOK_FLAVORS]
    prices = client.ratings.hourly_prices(flavors)
    assert {flavor: rating.amount for flavor, rating in prices.items()} == HOURLY_PRICES
    assert {rating.currency for rating in prices.values()} == {"CNY"}
    assert {*flavors} - {*prices} == {"modelarts.bm.snt9.xlarge.2"}
    assert len(cloud.log.entries(route="ratings")) < 10


def test_a_cloud_that_leaves_out_unknown_products_is_asked_once(
    client: ModelArtsClient, cloud: Emulator
) -> None:
    cloud.behavior.change({"unpriced": "omit"})
    prices = client.ratings.hourly_prices(["unknown", FLAVOR])
    assert [*prices] == [FLAVOR]
    assert len(cloud.log.entries(route="ratings")) == 1


def test_prices_may_be_refused(client: ModelArtsClient, cloud: Emulator) -> None:
    cloud.behavior.change({"read_prices": "refuse"})
    with pytest.raises(errors.PermissionRefusedError) as caught:
        client.ratings.hourly_prices([FLAVOR])
    assert caught.value.message is Problem.NO_BILLING_RIGHT
    assert caught.value.error_code == "CBC.0151"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("status", status=429, retry_after="3"), errors.ThrottledError),
        (Fault("status", status=503), errors.AmbiguousError),
        (Fault("status", status=401), errors.AuthenticationError),
        (Fault("status", status=404), errors.NotServedError),
        (Fault("redirect"), errors.RefusedError),
        (Fault("drop"), errors.AmbiguousError),
        (Fault("reset"), errors.AmbiguousError),
        (Fault("html"), errors.AmbiguousError),
        (Fault("empty"), errors.AmbiguousError),
        (Fault("truncate"), errors.AmbiguousError),
        (Fault("gzip_bomb"), errors.AmbiguousError),
        (Fault("raw", body='{"currency": "CNY"}'), errors.AmbiguousError),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_faults_are_errors_and_the_next_call_succeeds(
    client: ModelArtsClient,
    cloud: Emulator,
    fault: Fault,
    kind: type[errors.ModelArtsError],
) -> None:
    cloud.faults.add(replace(fault, route="ratings", times=1))
    with pytest.raises(kind):
        client.ratings.hourly_prices([FLAVOR])
    assert client.ratings.hourly_prices([FLAVOR]).keys() == {FLAVOR}


@pytest.mark.parametrize(
    "kind", ["wrong_types", "nan", "unknown_enum", "missing_fields"]
)
def test_a_spoiled_price_is_none(
    client: ModelArtsClient, cloud: Emulator, kind: str
) -> None:
    cloud.faults.add(
        Fault(kind, route="ratings", instance_id="1", times=1, fields=("amount",))
    )
    prices = client.ratings.hourly_prices(["modelarts.vm.cpu.8u", FLAVOR])
    assert [*prices] == [FLAVOR]


@pytest.mark.parametrize("kind", ["content_type", "deep_nesting", "big_header"])
def test_a_spoiled_envelope_does_no_harm(
    client: ModelArtsClient, cloud: Emulator, kind: str
) -> None:
    cloud.faults.add(Fault(kind, route="ratings", times=1, size=500))
    assert client.ratings.hourly_prices([FLAVOR]).keys() == {FLAVOR}


def test_open_telekom_cloud_is_not_asked(
    cloud: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.behavior.change({"cloud": "otc"})
    with client_of(cloud, tmp_path, monkeypatch, signed=False) as client:
        assert client.ratings.unavailable is not None
        with pytest.raises(errors.ConfigurationError):
            client.ratings.hourly_prices([FLAVOR])
    assert cloud.log.entries(route="ratings") == []
