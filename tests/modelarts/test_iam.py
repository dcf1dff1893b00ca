import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from dashboard.modelarts import errors
from dashboard.modelarts.iam import IssuedToken, PasswordCredentials, fetch_token

from .conftest import FakeCloud

PASSWORD = "CANARY-PASSWORD"
BODY: dict[str, Any] = {
    "token": {
        "issued_at": "2030-01-01T00:00:00.855000Z",
        "expires_at": "2030-01-02T00:00:00.855000Z",
        "project": {"id": "p1", "name": "eu-de"},
        "catalog": [
            {"type": "compute", "endpoints": [{"url": "https://ecs.example.com"}]},
            {
                "type": "modelartsv1",
                "endpoints": [
                    {
                        "interface": "public",
                        "region": region,
                        "url": f"https://modelarts.{region}.example.com/v1/p1",
                    }
                    for region in ("eu-nl", "eu-de")
                ],
            },
        ],
    }
}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        # Source: the vendor's sample of an answer.
        ("2016-11-06T15:32:17.000000", datetime(2016, 11, 6, 15, 32, 17, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_when_the_password_expires(text: object, moment: datetime | None) -> None:
    body = {"token": BODY["token"] | {"user": {"password_expires_at": text}}}
    token = fetch(FakeCloud(issued(body)))
    assert token.password_expires_at == moment


def credentials(**changes: Any) -> PasswordCredentials:
    values = {
        "auth_url": "https://iam.example.com/v3",
        "username": "curfew",
        "password": PASSWORD,
        "user_domain_name": "OTC",
        "project_name": "eu-de",
    }
    return PasswordCredentials(**(values | changes))


def issued(body: Any = BODY, **headers: str) -> httpx.Response:
    return httpx.Response(
        201, json=body, headers={"X-Subject-Token": "MII" + "x" * 6_000} | headers
    )


def fetch(cloud: FakeCloud, with_catalog: bool = True, **changes: Any) -> IssuedToken:
    return fetch_token(
        credentials(**changes),
        with_catalog=with_catalog,
        region="eu-de",
        transport=httpx.MockTransport(cloud),
    )


@pytest.mark.parametrize(
    "auth_url",
    [
        "https://iam.example.com",
        "https://iam.example.com/v3",
        "https://iam.example.com/v3/",
    ],
)
def test_the_request_is_as_documented(auth_url: str) -> None:
    cloud = FakeCloud(issued())
    token = fetch(cloud, auth_url=auth_url)
    (request,) = cloud.requests
    assert str(request.url) == "https://iam.example.com/v3/auth/tokens"
    assert request.headers["Content-Type"] == "application/json;charset=utf8"
    assert json.loads(request.content) == {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {
                        "name": "curfew",
                        "password": PASSWORD,
                        "domain": {"name": "OTC"},
                    }
                },
            },
            "scope": {"project": {"name": "eu-de"}},
        }
    }
    assert token.life_seconds == 86_400
    assert token.project_id == "p1"
    assert token.endpoint == "https://modelarts.eu-de.example.com/v1/p1"


def test_ids_win_over_names_and_the_catalog_is_omitted() -> None:
    cloud = FakeCloud(issued())
    fetch(cloud, with_catalog=False, user_id="u1", project_id="p1")
    (request,) = cloud.requests
    assert request.url.query == b"nocatalog=1"
    auth = json.loads(request.content)["auth"]
    assert auth["scope"] == {"project": {"id": "p1"}}
    assert auth["identity"]["password"]["user"] == {"id": "u1", "password": PASSWORD}


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"token": None}, {"token": {"catalog": [1, {}], "project": 1}}],
)
def test_an_odd_body_still_yields_the_token(body: Any) -> None:
    token = fetch(FakeCloud(issued(body)))
    assert token.value.startswith("MII")
    assert (token.project_id, token.endpoint) == (None, None)
    assert token.life_seconds == 3_600


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(401, json={"error": {"message": f"no {PASSWORD}"}}),
         errors.AuthenticationError, "check user, password"),
        (httpx.Response(401, json={"error_code": "IAM.0061"}),
         errors.AuthenticationError, "locked"),
        (httpx.Response(400), errors.AuthenticationError, "refuses"),
        (httpx.Response(403, json={"error_code": "IAM.0080"}),
         errors.AuthenticationError, "disabled"),
        (httpx.Response(302), errors.AuthenticationError, "correct auth_url"),
        (httpx.Response(404, json={"error": {"code": 404}}),
         errors.AuthenticationError, "correct auth_url"),
        (httpx.Response(404, json={"error_code": "IAM.0004"}),
         errors.AuthenticationError, "does not know the user"),
        (httpx.Response(429, headers={"Retry-After": "9"}),
         errors.ThrottledError, "too many"),
        (httpx.Response(503, headers={"Retry-After": "9"}),
         errors.ThrottledError, "too many"),
        (httpx.Response(500), errors.NotSentError, "temporary problem"),
        (httpx.Response(201, json=BODY), errors.NotSentError, "without a token"),
        (httpx.ConnectError("refused"), errors.NotSentError, "cannot be reached"),
        (httpx.ProxyError("407"), errors.NotSentError, "CURFEW_CLOUD_PROXY"),
        (httpx.ReadTimeout("late"), errors.NotSentError, "in time"),
        (httpx.RemoteProtocolError("cut"), errors.NotSentError, "in time"),
    ],
)  # fmt: skip
def test_a_failed_sign_in_is_not_ambiguous(
    answer: httpx.Response | Exception, kind: type[errors.ModelArtsError], words: str
) -> None:
    cloud = FakeCloud(answer)
    with pytest.raises(errors.ModelArtsError) as caught:
        fetch(cloud)
    assert type(caught.value) is kind
    assert not caught.value.ambiguous
    assert words in caught.value.sentence
    assert "CANARY" not in repr(vars(caught.value))
    assert caught.value.__context__ is None  # it would hold the password
    assert len(cloud.requests) == 1


def test_an_invalid_address_is_a_configuration_error() -> None:
    with pytest.raises(errors.ConfigurationError):
        fetch_token(credentials(auth_url="iam.example.com"), with_catalog=True)
