"""Prices of the emulated billing service."""

from typing import Any

import pytest

from dashboard.emulator import Emulator, Fault
from dashboard.emulator.catalog import FLAVORS
from dashboard.emulator.notebooks.catalog import FLAVORS as NOTEBOOK_FLAVORS
from dashboard.emulator.people import OTHER_PROJECT
from dashboard.emulator.ratings import HOURLY_PRICES

from .conftest import Api, NotebookApi, Reply

PATH = "/v2/bills/ratings/on-demand-resources"
UNPRICED = "modelarts.bm.snt9.xlarge.2"


def product(number: int, flavor: str, **changes: Any) -> dict[str, Any]:
    known = {
        "id": str(number),
        "cloud_service_type": "hws.service.type.modelarts",
        "resource_type": "hws.resource.type.modelarts",
        "resource_spec": flavor,
        "region": "eu-de",
        "usage_factor": "Duration",
        "usage_value": 1,
        "usage_measure_id": 4,
        "subscription_num": 1,
    }
    return {
        name: value for name, value in (known | changes).items() if value is not None
    }


def rate(api: Api, *flavors: str, **changes: Any) -> Reply:
    products = [
        product(number, flavor, **changes)
        for number, flavor in enumerate(flavors, start=1)
    ]
    body = {"project_id": api.cloud.project_id, "product_infos": products}
    return api.send("POST", PATH, body)


def test_an_hour_of_each_flavor(api: Api) -> None:
    answer = rate(api, "modelarts.vm.cpu.8u", "modelarts.vm.cpu.2u").json
    assert answer["currency"] == "CNY"
    assert (answer["amount"], answer["official_website_amount"]) == (17.5, 17.5)
    results = answer["product_rating_results"]
    assert [(each["id"], each["amount"]) for each in results] == [("1", 14), ("2", 3.5)]


def test_a_longer_use_and_more_subscriptions_cost_more(api: Api) -> None:
    answer = rate(api, "modelarts.vm.cpu.2u", usage_value=2.5, subscription_num=3)
    assert answer.json["amount"] == 26.25


def test_free_flavors_cost_nothing(api: Api) -> None:
    free = [flavor.name for flavor in FLAVORS.values() if flavor.free]
    free += [flavor.id for flavor in NOTEBOOK_FLAVORS.values() if flavor.free]
    results = rate(api, *dict.fromkeys(free)).json["product_rating_results"]
    assert {each["amount"] for each in results} == {0}


def test_one_flavor_of_both_generations_has_no_price() -> None:
    assert {*FLAVORS, *NOTEBOOK_FLAVORS} - {*HOURLY_PRICES} == {UNPRICED}
    assert HOURLY_PRICES.keys() <= {*FLAVORS, *NOTEBOOK_FLAVORS}


@pytest.mark.parametrize(
    "changes",
    [
        {"resource_spec": UNPRICED},
        {"resource_spec": "modelarts.vm.cpu.3u"},
        {"region": "eu-nl"},
        {"cloud_service_type": "hws.service.type.ec2"},
        {"resource_type": "hws.resource.type.vm"},
    ],
)
def test_an_unknown_product_refuses_the_whole_request(
    api: Api, changes: dict[str, Any]
) -> None:
    known = product(1, "modelarts.vm.cpu.2u")
    unknown = product(2, "modelarts.vm.cpu.2u", **changes)
    body = {"project_id": api.cloud.project_id, "product_infos": [known, unknown]}
    refusal = api.send("POST", PATH, body)
    assert (refusal.status, refusal.code) == (400, "99006006")
    assert refusal.json["error_code"].startswith("CBC.")
    api.cloud.behavior.change({"unpriced": "omit"})
    results = api.send("POST", PATH, body).json["product_rating_results"]
    assert [each["id"] for each in results] == ["1"]


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in product(1, "") if name != "id"),
        {"id": "x" * 65},
        {"region": ""},
        {"resource_spec": "x" * 401},
        {"usage_value": 0},
        {"usage_value": True},
        {"usage_measure_id": "4"},
        {"subscription_num": 0},
        {"subscription_num": 1.5},
        {"resource_size": "1"},
    ],
)
def test_a_wrong_member_of_a_product_is_refused(
    api: Api, changes: dict[str, Any]
) -> None:
    refusal = rate(api, "modelarts.vm.cpu.2u", **changes)
    assert (refusal.status, refusal.json["error_code"]) == (400, "CBC.0100")


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"usage_measure_id": 10}, "99006050"), ({"usage_factor": "Flow"}, "99006074")],
)
def test_another_unit_of_use_has_its_own_code(
    api: Api, changes: dict[str, Any], code: str
) -> None:
    refusal = rate(api, "modelarts.vm.cpu.2u", **changes)
    assert (refusal.status, refusal.code) == (400, code)


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[" * 100_000,
        [],
        {},
        {"product_infos": []},
        {"product_infos": [4711]},
        {"product_infos": [product(1, "modelarts.vm.cpu.2u")] * 2},
        {"product_infos": [product(i, "modelarts.vm.cpu.2u") for i in range(101)]},
        {
            "product_infos": [product(1, "modelarts.vm.cpu.2u")],
            "inquiry_precision": 2,
        },
    ],
)
def test_a_wrong_body_is_refused(api: Api, body: Any) -> None:
    if isinstance(body, dict):
        body = {"project_id": api.cloud.project_id} | body
    refusal = api.send("POST", PATH, body)
    assert (refusal.status, refusal.json["error_code"]) == (400, "CBC.0100")


def test_a_hundred_products_are_accepted(api: Api) -> None:
    answer = rate(api, *["modelarts.vm.cpu.2u"] * 100)
    assert answer.json["amount"] == 350


def test_the_caller_must_be_known_and_allowed(api: Api) -> None:
    api.token = None
    assert rate(api, "modelarts.vm.cpu.2u").json["error_code"] == "APIG.0301"
    api.sign_in(scope={"project": {"id": OTHER_PROJECT.id}})
    refusal = rate(api, "modelarts.vm.cpu.2u")
    assert (refusal.status, refusal.json["error_code"]) == (403, "CBC.0151")
    api.sign_in(scope=None)
    assert rate(api, "modelarts.vm.cpu.2u").status == 200
    api.cloud.behavior.change({"read_prices": "refuse"})
    assert rate(api, "modelarts.vm.cpu.2u").json["error_code"] == "CBC.0151"


def test_open_telekom_cloud_quotes_no_prices(notebooks: NotebookApi) -> None:
    assert rate(notebooks, "modelarts.vm.cpu.2u").status == 200
    assert "bss_endpoint_override" in notebooks.cloud.clouds_yaml()
    notebooks.behave(cloud="otc")
    refusal = rate(notebooks, "modelarts.vm.cpu.2u")
    assert (refusal.status, refusal.json["error_code"]) == (404, "APIG.0101")
    assert "bss_endpoint_override" not in notebooks.cloud.clouds_yaml()


def test_prices_can_be_spoiled_one_by_one(cloud: Emulator, api: Api) -> None:
    cloud.faults.add(Fault("wrong_types", route="ratings", instance_id="2", times=1))
    answer = rate(api, "modelarts.vm.cpu.2u", "modelarts.vm.cpu.8u").json
    first, second = answer["product_rating_results"]
    assert (first["amount"], second["amount"]) == (3.5, ["much"])


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "CBC.0100"), (403, "CBC.0151"), (429, "CBC.0250"), (500, "CBC.0999")],
)
def test_scripted_errors_have_codes_of_the_billing_service(
    cloud: Emulator, api: Api, status: int, code: str
) -> None:
    cloud.faults.add(Fault("status", route="ratings", status=status, times=1))
    refusal = rate(api, "modelarts.vm.cpu.2u")
    assert (refusal.status, refusal.json["error_code"]) == (status, code)
    entry = cloud.log.entries(route="ratings")[-1]
    assert (entry.status, entry.fault) == (status, "status")
