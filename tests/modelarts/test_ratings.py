"""The client of the billing service without a network: requests, answers, errors."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from dashboard.modelarts import errors
from dashboard.modelarts.auth import IamTokenAuth
from dashboard.modelarts.call_metrics import Call
from dashboard.modelarts.cloud_config import CloudConfig
from dashboard.modelarts.clouds import load_cloud
from dashboard.modelarts.errors import ModelArtsError
from dashboard.modelarts.iam import IssuedToken, PasswordCredentials
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.ratings import Rating

from .conftest import PROJECT, TOKEN, FakeCloud, Write, cloud_config
from .test_clouds import ENDPOINT, KEY, SIGN_IN

BSS = "https://bss.example.com"
HUAWEI = "https://modelarts.cn-north-4.myhuaweicloud.com"
UNKNOWN = "modelarts.unknown"


def config(**changes: Any) -> CloudConfig:
    known = {"billing_endpoint": BSS, "region": "cn-north-4"}
    return replace(cloud_config(), **(known | changes))


def asked(request: httpx.Request) -> list[str]:
    products = json.loads(request.content)["product_infos"]
    return [product["resource_spec"] for product in products]


def billing(request: httpx.Request) -> httpx.Response:
    """Quote as many yuan as the name is long, and refuse requests with ``UNKNOWN``."""
    if any(flavor.startswith(UNKNOWN) for flavor in asked(request)):
        return refusal(400, "CBC.99006006")
    results = [
        {"id": str(number), "amount": len(flavor), "measure_id": 1}
        for number, flavor in enumerate(asked(request), start=1)
    ]
    return answer(results)


def answer(results: Any, **changes: Any) -> httpx.Response:
    document = {"currency": "CNY", "product_rating_results": results}
    return httpx.Response(200, json=document | changes)


def refusal(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"error_code": code, "error_msg": "No."})


def rated(cloud: FakeCloud, *flavors: str, **options: Any) -> dict[str, Rating]:
    with cloud.client(config(), **options) as client:
        return client.ratings.hourly_prices(flavors)


def failure(*answers: Any) -> ModelArtsError:
    with pytest.raises(ModelArtsError) as caught:
        rated(FakeCloud(*answers), "a")
    return caught.value


def test_the_request_names_the_project_the_region_and_an_hour() -> None:
    cloud = FakeCloud(billing)
    prices = rated(cloud, "modelarts.a")
    assert prices == {"modelarts.a": Rating(Decimal(11), None, "CNY")}
    (request,) = cloud.requests
    assert str(request.url) == f"{BSS}/v2/bills/ratings/on-demand-resources"
    assert request.headers["X-Auth-Token"] == TOKEN
    assert json.loads(request.content) == {
        "project_id": PROJECT,
        "product_infos": [
            {
                "id": "1",
                "cloud_service_type": "hws.service.type.modelarts",
                "resource_type": "hws.resource.type.modelarts",
                "resource_spec": "modelarts.a",
                "region": "cn-north-4",
                "resource_size": 1,
                "size_measure_id": 14,
                "usage_factor": "Duration",
                "usage_value": 1,
                "usage_measure_id": 4,
                "subscription_num": 1,
            }
        ],
    }


def test_a_request_has_at_most_a_hundred_products() -> None:
    cloud = FakeCloud(billing)
    flavors = [f"f{number}" for number in range(250)]
    assert rated(cloud, *flavors).keys() == {*flavors}
    assert [len(asked(request)) for request in cloud.requests] == [100, 100, 50]


def test_each_flavor_is_asked_for_once_and_no_impossible_one() -> None:
    cloud = FakeCloud(billing)
    assert rated(cloud, "a", "", "b", "a", "x" * 401).keys() == {"a", "b"}
    assert asked(cloud.requests[0]) == ["a", "b"]


def test_nothing_is_sent_for_no_flavors() -> None:
    cloud = FakeCloud(billing)
    assert rated(cloud) == {}
    assert cloud.requests == []


def test_an_unknown_flavor_does_not_hide_the_prices_of_the_others() -> None:
    cloud = FakeCloud(billing)
    flavors = [f"f{number}" for number in range(32)]
    prices = rated(cloud, *flavors[:9], UNKNOWN, *flavors[9:31])
    assert prices.keys() == {*flavors[:31]}
    assert len(cloud.requests) == 11


def test_only_unknown_flavors_have_no_price() -> None:
    assert rated(FakeCloud(billing), UNKNOWN) == {}
    assert rated(FakeCloud(billing), UNKNOWN, f"{UNKNOWN}.2") == {}


@pytest.mark.parametrize(
    ("amount", "price"),
    [
        (3.5, "3.5"),
        (0, "0"),
        (0.000001, "0.000001"),
        (1.0000000001, "1.0000000001"),
        ("7.41", "7.41"),
    ],
)
def test_amounts_are_exact(amount: Any, price: str) -> None:
    result = {"id": "1", "amount": amount, "official_website_amount": 8.2}
    expected = Rating(Decimal(price), Decimal("8.2"), "CNY")
    assert rated(FakeCloud(answer([result])), "a") == {"a": expected}


@pytest.mark.parametrize(
    "result",
    [
        {"id": "1"},
        {"id": "2", "amount": 1},
        {"amount": 1},
        "no record",
        *(
            {"id": "1", "amount": amount}
            for amount in (
                *(None, True, [], "", "much", "1_0", "٣", "NaN", "Infinity"),
                *(-1, 1e12, "9" * 50),
            )
        ),
        {"id": "1", "amount": 350, "measure_id": 3},
    ],
)
def test_an_unusable_price_is_none(result: Any) -> None:
    usable = {"id": "2", "amount": 1, "measure_id": "1"}
    results = [result, usable]
    if isinstance(result, dict) and result.get("id") == "2":
        results = [result]
    prices = rated(FakeCloud(answer(results)), "a", "b")
    assert prices == {"b": Rating(Decimal(1), None, "CNY")}


def test_two_prices_for_one_flavor_are_none() -> None:
    results = [{"id": "1", "amount": 1}, {"id": "1", "amount": 2}]
    assert rated(FakeCloud(answer(results)), "a") == {}


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"currency": "CNY"}),
        answer({"id": "1"}),
        *(answer([], currency=currency) for currency in (None, "", "yuan", 156, "¥¥¥")),
    ],
)
def test_an_answer_without_prices_or_currency_is_an_error(
    response: httpx.Response,
) -> None:
    error = failure(response)
    assert isinstance(error, errors.AmbiguousError)
    assert error.message is Problem.BILLING_NO_ANSWER


@pytest.mark.parametrize(
    ("response", "kind", "problem"),
    [
        (refusal(400, "CBC.0100"), errors.InvalidInputError, Problem.BILLING_REFUSED),
        (httpx.Response(400), errors.RefusedError, Problem.BILLING_REFUSED),
        (httpx.Response(409), errors.StateRefusedError, Problem.BILLING_REFUSED),
        (
            refusal(403, "CBC.0151"),
            errors.PermissionRefusedError,
            Problem.NO_BILLING_RIGHT,
        ),
        (
            httpx.Response(403),
            errors.PermissionRefusedError,
            Problem.NO_BILLING_RIGHT,
        ),
        (refusal(403, "CBC.0154"), errors.AuthenticationError, Problem.NOT_SIGNED_IN),
        (refusal(404, "APIG.0101"), errors.NotServedError, Problem.NO_BILLING_SERVICE),
        (httpx.Response(404), errors.NotServedError, Problem.NO_BILLING_SERVICE),
        (httpx.Response(307), errors.RefusedError, Problem.NO_BILLING_SERVICE),
        (refusal(429, "CBC.0250"), errors.ThrottledError, Problem.TOO_MANY_REQUESTS),
        (httpx.Response(429), errors.ThrottledError, Problem.TOO_MANY_REQUESTS),
        (refusal(500, "CBC.0999"), errors.AmbiguousError, Problem.BILLING_NO_ANSWER),
        (
            httpx.ReadTimeout("late"),
            errors.AmbiguousError,
            Problem.BILLING_NO_ANSWER,
        ),
        (
            httpx.ConnectError("down"),
            errors.NotSentError,
            Problem.BILLING_UNREACHABLE,
        ),
    ],
)
def test_errors_name_the_billing_service(
    response: Any, kind: type[ModelArtsError], problem: Problem
) -> None:
    error = failure(response)
    assert type(error) is kind
    assert error.message is problem
    assert "ModelArts" not in error.sentence or problem is Problem.NOT_SIGNED_IN


def test_our_own_rate_limit_keeps_its_message() -> None:
    def wait() -> None:
        raise errors.ThrottledError(Problem.OWN_RATE_LIMIT)

    with pytest.raises(errors.ThrottledError) as caught:
        rated(FakeCloud(billing), "a", before_request=wait)
    assert caught.value.message is Problem.OWN_RATE_LIMIT


def test_calls_are_counted() -> None:
    calls: list[Call] = []
    rated(FakeCloud(billing), "a", UNKNOWN, after_call=calls.append)
    counted = [(call.generation, call.operation, call.outcome) for call in calls]
    unknown = ("billing", "rate", "CBC.99006006")
    assert counted == [unknown, ("billing", "rate", "ok"), unknown]


def test_a_refused_token_neither_renews_nor_holds_the_sign_in() -> None:
    issued: list[IssuedToken] = []

    def fetch() -> IssuedToken:
        issued.append(IssuedToken(f"token-{len(issued)}", 3_600, PROJECT, ENDPOINT))
        return issued[-1]

    credentials = PasswordCredentials("https://iam.example.com/v3", "password")
    auth = IamTokenAuth(credentials, with_catalog=True, fetch=fetch)

    def refuse_billing(request: httpx.Request) -> httpx.Response:
        if request.url.host == "bss.example.com":
            return refusal(401, "APIG.0301")
        return httpx.Response(200, json={"id": "n-1"})

    cloud = FakeCloud(refuse_billing)
    # Project and address come with the token, too.
    with cloud.client(config(auth=auth, endpoint=None, project_id=None)) as client:
        for _ in range(3):
            with pytest.raises(errors.AuthenticationError):
                client.ratings.hourly_prices(["a"])
        assert json.loads(cloud.requests[0].content)["project_id"] == PROJECT
        client.notebooks.show_instance("n-1")
    assert cloud.tokens == ["token-0"] * 4


def test_an_endpoint_of_modelarts_may_name_the_region() -> None:
    cloud = FakeCloud(billing)
    with cloud.client(config(region=None, endpoint=HUAWEI)) as client:
        assert client.ratings.unavailable is None
        client.ratings.hourly_prices(["a"])
    body = json.loads(cloud.requests[0].content)
    assert body["product_infos"][0]["region"] == "cn-north-4"


@pytest.mark.parametrize(
    ("changes", "problem", "named"),
    [
        (
            {"billing_endpoint": None},
            Problem.CLOUD_WITHOUT_BILLING,
            "bss_endpoint_override",
        ),
        ({"region": None}, Problem.CLOUD_WITHOUT_BILLING_REGION, "region_name"),
    ],
)
def test_a_cloud_without_prices_says_why(
    changes: dict[str, Any], problem: Problem, named: str
) -> None:
    cloud = FakeCloud(billing)
    with cloud.client(config(**changes)) as client:
        assert client.ratings.unavailable is not None
        assert client.ratings.unavailable.message is problem
        with pytest.raises(errors.ConfigurationError) as caught:
            client.ratings.hourly_prices(["a"])
    assert named in caught.value.sentence
    assert "'test'" in caught.value.sentence
    assert cloud.requests == []


@pytest.mark.parametrize(
    ("keys", "endpoint"),
    [
        ({"auth": SIGN_IN, "modelartsv1_endpoint_override": ENDPOINT}, None),
        (
            {"auth": SIGN_IN | {"auth_url": "https://iam.eu-de.otc.t-systems.com/v3"}},
            None,
        ),
        (
            {"auth": SIGN_IN | {"auth_url": "https://iam.myhuaweicloud.com/v3"}},
            "https://bss.myhuaweicloud.com",
        ),
        (
            {"auth": SIGN_IN | {"auth_url": "https://iam.x.myhuaweicloud.eu/v3"}},
            "https://bss.myhuaweicloud.eu",
        ),
        (
            {"auth": KEY, "modelartsv1_endpoint_override": HUAWEI},
            "https://bss.myhuaweicloud.com",
        ),
        # Credentials must not follow a name that only looks like the vendor's.
        (
            {"auth": SIGN_IN | {"auth_url": "https://iam.myhuaweicloud.com.evil.io/"}},
            None,
        ),
        (
            {"auth": SIGN_IN | {"auth_url": "https://notmyhuaweicloud.com/v3"}},
            None,
        ),
        (
            {
                "auth": SIGN_IN | {"auth_url": "https://iam.myhuaweicloud.com/v3"},
                "bss_endpoint_override": "https://bss-intl.myhuaweicloud.com/",
            },
            "https://bss-intl.myhuaweicloud.com",
        ),
    ],
)
def test_the_address_is_the_vendor_s_or_configured(
    write: Write, keys: dict[str, Any], endpoint: str | None
) -> None:
    write(a=keys)
    assert load_cloud("a").billing_endpoint == endpoint


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("bss.example.com", errors.ConfigurationError),
        ("https://bss.{site}", errors.ConfigurationError),
        ("http://bss.example.com", errors.InsecureEndpointError),
    ],
)
def test_an_unusable_address_is_refused(
    write: Write, address: str, kind: type[ModelArtsError]
) -> None:
    write(a={"auth": SIGN_IN, "bss_endpoint_override": address})
    with pytest.raises(kind):
        load_cloud("a")
