"""Our signatures against worked examples and against the vendor's own signer."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from hypothesis import given, strategies as st

from dashboard.modelarts.auth import AkSkAuth

VECTORS = json.loads(
    (
        Path(__file__).parent.parent / "contract/documents/signature-vectors.json"
    ).read_text()
)
MOMENT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def signed(auth: AkSkAuth, request: httpx.Request) -> httpx.Request:
    return next(auth.sync_auth_flow(request))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_worked_examples(case: dict[str, Any]) -> None:
    auth = AkSkAuth(
        access_key=VECTORS["access_key"],
        secret_key=VECTORS["secret_key"],
        project_id=VECTORS["project_id"],
        security_token=case["headers_signed"].get("X-Security-Token"),
        now=lambda: MOMENT,
    )
    request = signed(
        auth,
        httpx.Request(
            case["method"],
            f"https://{case['host']}{case['path']}",
            params=case["query"],
            content=case["body_utf8"].encode(),
            headers={"Content-Type": "application/json"},
        ),
    )
    assert request.headers["Authorization"] == case["authorization"]
    assert request.url.raw_path.decode() == case["request_target_sent"]
    assert "X-Auth-Token" not in request.headers


SEGMENT = st.text(
    st.characters(codec="utf-8", exclude_characters="/"), min_size=1
).filter(lambda segment: segment.strip("."))  # the client sends no other id
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    segments=st.lists(SEGMENT, max_size=4),
    query=st.dictionaries(TEXT, TEXT, max_size=5),
    body=st.binary(max_size=200),
    port=st.none() | st.integers(1024, 65535),
)
def test_agrees_with_the_vendor(
    method: str,
    segments: list[str],
    query: dict[str, str],
    body: bytes,
    port: int | None,
) -> None:
    host = "modelarts.eu-de.example.com" + (f":{port}" if port else "")
    path = "/v1/" + "/".join(quote(segment, safe="") for segment in segments)
    auth = AkSkAuth(
        access_key="AK", secret_key="SK", project_id="p", now=lambda: MOMENT
    )
    ours = signed(
        auth,
        httpx.Request(
            method,
            f"https://{host}{path}",
            params=query or None,
            content=body,
            headers={"Content-Type": "application/json"},
        ),
    )
    theirs = SdkRequest(
        method=method,
        schema="https",
        host=host,
        resource_path=path,
        query_params=list(query.items()),
        header_params={
            "Content-Type": "application/json",
            "Host": host,
            "X-Project-Id": "p",
            "X-Sdk-Date": "20300102T030405Z",
        },
        body=body,
    )
    Signer(BasicCredentials("AK", "SK", "p")).sign(theirs)
    assert ours.headers["Authorization"] == theirs.header_params["Authorization"]
    assert ours.url.raw_path.decode().partition("?")[2] == theirs.uri.partition("?")[2]
