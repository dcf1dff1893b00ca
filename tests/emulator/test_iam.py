"""Both kinds of authentication, and their refusals."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from dashboard.emulator import PEOPLE, Emulator, User
from dashboard.emulator.people import DOMAIN_ID, OTHER_PROJECT
from dashboard.emulator.signature import expected_signature, parse_authorization

from .conftest import Api, Reply

VECTORS = json.loads(
    (Path(__file__).parents[1] / "contract/documents/signature-vectors.json").read_text(
        encoding="utf-8"
    )
)


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    """An emulator on the wall clock, which signatures and tokens are compared with."""
    with Emulator(fleet=5) as emulator:
        yield emulator


@pytest.fixture
def api(cloud: Emulator) -> Api:
    """Not signed in."""
    return Api(cloud)


# Tokens


def test_a_token_is_scoped_and_dated(api: Api, cloud: Emulator) -> None:
    reply = api.sign_in()
    assert reply.status == 201
    assert len(reply.headers["x-subject-token"]) > 1_000
    token = reply.json["token"]
    assert token["project"]["id"] == cloud.project_id
    assert token["user"]["name"] == "curfew-service"
    expires = datetime.fromisoformat(token["expires_at"])
    assert (expires - datetime.fromisoformat(token["issued_at"])).days == 1
    endpoints = {e["type"]: e["endpoints"][0]["url"] for e in token["catalog"]}
    assert endpoints == {
        "identity": f"{cloud.url}/v3",
        "modelartsv1": f"{cloud.url}/v1/{cloud.project_id}",
    }


def test_a_token_by_ids_and_by_names(api: Api, cloud: Emulator) -> None:
    user = cloud.service_user
    by_id = {"id": user.id, "name": None, "domain": None}
    assert api.sign_in(**by_id).status == 201
    by_name: dict[str, Any] = {"name": "eu-de_demo"}
    assert api.sign_in(scope={"project": by_name}).status == 201
    by_name["domain"] = {"id": DOMAIN_ID}
    assert api.sign_in(scope={"project": by_name}).status == 201
    assert api.list().status == 200


def test_a_token_can_request_another(api: Api, cloud: Emulator) -> None:
    api.sign_in()
    identity = {"methods": ["token"], "token": {"id": api.token}}
    scope = {"project": {"id": cloud.project_id}}
    body = {"auth": {"identity": identity, "scope": scope}}
    assert api.send("POST", "/v3/auth/tokens", body).status == 201


def test_the_catalog_can_be_left_out(api: Api, cloud: Emulator) -> None:
    api.sign_in()
    identity = {"methods": ["token"], "token": {"id": api.token}}
    body = {"auth": {"identity": identity}}
    reply = api.send("POST", "/v3/auth/tokens?nocatalog=1", body)
    assert "catalog" not in reply.json["token"]


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "guessed"},
        {"name": "nobody"},
        {"domain": {"name": "elsewhere"}},
        {"scope": {"project": {"id": "0" * 32}}},
    ],
)
def test_a_wrong_sign_in_is_refused_like_keystone(
    api: Api, changes: dict[str, Any]
) -> None:
    reply = api.sign_in(**changes)
    assert reply.status == 401
    assert reply.json["error"].keys() == {"code", "message", "title"}
    assert reply.json["error"]["code"] == 401
    assert "x-subject-token" not in reply.headers


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"auth": {"identity": 1}}'])
def test_a_malformed_sign_in_is_a_400(api: Api, body: bytes) -> None:
    reply = api.send("POST", "/v3/auth/tokens", body)
    assert reply.status == 400
    assert reply.json["error"]["title"] == "Bad Request"


def test_tokens_can_be_checked_and_revoked(api: Api) -> None:
    api.sign_in()
    subject = {"X-Subject-Token": api.token or ""}
    path = "/v3/auth/tokens"
    head = api.send("HEAD", path, headers=subject)
    assert (head.status, head.body) == (200, b"")
    assert api.send("GET", path, headers=subject).json["token"]["project"]
    assert api.send("HEAD", path, headers={"X-Subject-Token": "no"}).status == 404
    assert api.send("DELETE", path, headers=subject).status == 204
    assert api.list().status == 401


def test_projects_by_name(api: Api, cloud: Emulator) -> None:
    assert api.send("GET", "/v3/projects").status == 401
    api.sign_in()
    projects = api.send("GET", "/v3/projects?name=eu-de_demo").json["projects"]
    assert [project["id"] for project in projects] == [cloud.project_id]
    assert len(api.send("GET", "/v3/projects").json["projects"]) == 2


def test_a_token_expires_by_the_cloud_s_clock(api: Api, cloud: Emulator) -> None:
    api.sign_in()
    cloud.clock.advance(86_000)
    assert api.list().status == 200
    cloud.clock.advance(500)
    refusal = api.list()
    assert (refusal.status, refusal.json["error_code"]) == (401, "APIG.0307")


def test_tokens_can_be_revoked_from_outside(api: Api, cloud: Emulator) -> None:
    api.sign_in()
    assert cloud.iam.revoke_all() == 1
    refusal = api.list()
    assert (refusal.status, refusal.json["error_code"]) == (401, "APIG.0301")
    assert refusal.json["request_id"] == refusal.headers["x-request-id"]


def test_no_authentication_at_all(api: Api) -> None:
    refusal = api.list()
    assert (refusal.status, refusal.json["error_code"]) == (401, "APIG.0301")


def test_a_token_for_another_project_is_refused(api: Api) -> None:
    api.sign_in(scope={"project": {"id": OTHER_PROJECT.id}})
    refusal = api.list()
    assert (refusal.status, refusal.code) == (403, "0210")


def test_an_unscoped_token_is_refused(api: Api) -> None:
    assert "project" not in api.sign_in(scope=None).json["token"]
    refusal = api.list()
    assert (refusal.status, refusal.code) == (400, "0204")


# Signatures. The vendor's own signer is the oracle.


def now(seconds: float = 0) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y%m%dT%H%M%SZ")


def signed(
    cloud: Emulator,
    method: str,
    path: str,
    *,
    query: list[tuple[str, str]] | None = None,
    body: str = "",
    user: User | None = None,
    date: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[str, dict[str, str]]:
    user = user or cloud.service_user
    credentials = BasicCredentials(user.access_key, user.secret_key, cloud.project_id)
    request = SdkRequest(
        method=method,
        schema="http",
        host=cloud.url.removeprefix("http://"),
        resource_path=path,
        query_params=query or [],
        header_params={
            "Content-Type": "application/json",
            "X-Project-Id": cloud.project_id,
            "X-Sdk-Date": date or now(),
            **(headers or {}),
        },
        body=body,
    )
    result = Signer(credentials).sign(request)
    return result.uri, dict(result.header_params)


def list_signed(api: Api, **options: Any) -> Reply:
    query = [("show_self", "false"), ("de_type", "Notebook")]
    target, headers = signed(api.cloud, "GET", api.base, query=query, **options)
    return api.send("GET", target, headers=headers)


def test_the_vendor_s_signature_is_accepted(api: Api) -> None:
    assert list_signed(api).json["total_count"] == 5


def test_a_signed_body_may_contain_any_character(api: Api, cloud: Emulator) -> None:
    instance_id = next(i.id for i in cloud.fleet.instances())
    path = f"{api.base}/{instance_id}"
    body = json.dumps({"description": "Grüße, 試験"}, ensure_ascii=False)
    target, headers = signed(cloud, "PUT", path, body=body)
    reply = api.send("PUT", target, body.encode(), headers)
    assert reply.json["description"] == "Grüße, 試験"

    tampered = body.replace("Grüße", "Tschüß").encode()
    refusal = api.send("PUT", target, tampered, headers)
    assert (refusal.status, refusal.json["error_code"]) == (401, "APIG.0301")
    assert cloud.fleet.get(instance_id).description == "Grüße, 試験"


def test_awkward_characters_in_query_are_signed_as_sent(api: Api) -> None:
    query = [("de_type", "Notebook"), ("workspace_id", "a b/c,ü+~="), ("pool_id", "")]
    target, headers = signed(api.cloud, "GET", api.base, query=query)
    assert api.send("GET", target, headers=headers).status == 200


def test_a_signature_identifies_its_user(api: Api, cloud: Emulator) -> None:
    anna = next(user for user in PEOPLE if user.name == "anna.schmidt")
    target, headers = signed(
        cloud, "GET", api.base, query=[("de_type", "Notebook")], user=anna
    )
    owners = api.send("GET", target, headers=headers).json["instances"]
    assert {instance["user"]["name"] for instance in owners} == {"anna.schmidt"}


@pytest.mark.parametrize("minutes", [-16, 16])
def test_an_old_or_early_signature_is_refused(api: Api, minutes: int) -> None:
    refusal = list_signed(api, date=now(minutes * 60))
    assert (refusal.status, refusal.json["error_code"]) == (401, "APIG.0303")
    assert "signature expired, signature time:" in refusal.json["error_msg"]


def test_a_wrong_clock_on_the_cloud_s_side_is_noticed(
    api: Api, cloud: Emulator
) -> None:
    cloud.clock.set_skew(14 * 60)
    assert list_signed(api).status == 200
    cloud.clock.set_skew(16 * 60)
    assert list_signed(api).json["error_code"] == "APIG.0303"


def test_a_fast_cloud_still_accepts_signatures(api: Api, cloud: Emulator) -> None:
    cloud.clock.advance(3_600)
    assert list_signed(api).status == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "SDK-HMAC-SHA256 nonsense"),
        ("Authorization", "Bearer something"),
        ("X-Sdk-Date", "yesterday"),
        ("X-Project-Id", "0" * 32),
        ("Host", "elsewhere.example.com"),
    ],
)
def test_a_changed_header_breaks_the_signature(api: Api, name: str, value: str) -> None:
    target, headers = signed(api.cloud, "GET", api.base)
    refusal = api.send("GET", target, headers=headers | {name: value})
    assert (refusal.status, refusal.json["error_code"]) == (401, "APIG.0301")


def test_a_signed_project_must_be_the_one_in_the_url(api: Api) -> None:
    other = {"X-Project-Id": OTHER_PROJECT.id}
    target, headers = signed(api.cloud, "GET", api.base, headers=other)
    refusal = api.send("GET", target, headers=headers)
    assert (refusal.status, refusal.code) == (403, "0210")


def test_a_token_and_a_signature_are_refused(api: Api) -> None:
    api.sign_in()
    assert list_signed(api).status == 401


def test_six_wrong_signatures_lock_the_key(api: Api, cloud: Emulator) -> None:
    target, headers = signed(cloud, "GET", api.base)
    wrong = headers["Authorization"][:-64] + "0" * 64
    for _ in range(6):
        refusal = api.send("GET", target, headers=headers | {"Authorization": wrong})
        assert "verify aksk signature fail" in refusal.json["error_msg"]
    assert "reach the limit" in list_signed(api).json["error_msg"]
    # Both clocks move: five minutes later the key works again.
    cloud.clock.set_skew(301)
    assert list_signed(api).status == 200


def test_the_scoped_form_is_accepted(api: Api, cloud: Emulator) -> None:
    """The vendor's package no longer has this form, so the test signs the request."""
    date = now()
    scope = f"{date[:8]}/eu-de/modelarts/sdk_request"
    canonical = (
        f"GET\n{api.base}/\nde_type=Notebook\nx-sdk-date:{date}\n\nx-sdk-date\n"
        + hashlib.sha256(b"").hexdigest()
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"SDK{cloud.service_user.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"SDK-HMAC-SHA256\n{date}\n{scope}\n{digest}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers = {
        "X-Sdk-Date": date,
        "Authorization": (
            f"SDK-HMAC-SHA256 Credential={cloud.service_user.access_key}/{scope}, "
            f"SignedHeaders=x-sdk-date, Signature={signature}"
        ),
    }
    path = f"{api.base}?de_type=Notebook"
    assert api.send("GET", path, headers=headers).status == 200
    headers["Authorization"] = headers["Authorization"].replace("eu-de", "eu-nl")
    assert api.send("GET", path, headers=headers).status == 401


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
@pytest.mark.parametrize("form", ["access", "scoped"])
def test_the_printed_vectors_come_out(case: dict[str, Any], form: str) -> None:
    header = (case if form == "access" else case["scoped"])["authorization"]
    authorization = parse_authorization(header)
    assert authorization is not None
    signature = expected_signature(
        authorization,
        VECTORS["secret_key"],
        method=case["method"],
        target=case["request_target_sent"],
        headers={n.lower(): v for n, v in case["headers_signed"].items()},
        body=case["body_utf8"].encode(),
    )
    assert signature == authorization.signature
