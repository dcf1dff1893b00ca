"""Requests that make no client, answered without a fault of ours."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("_empty_cache")

BROKEN = ["//[x", "http://[x", "//[x]", "/\\[x", "http://[::1", "//]", "https://a]b/"]


@pytest.mark.parametrize("target", BROKEN)
def test_a_broken_next_is_not_followed(
    client: Client, viewer: User, target: str
) -> None:
    form = {"login": "viewer", "password": PASSWORD, "next": target}
    answer = client.post("/accounts/login/", form)
    assert answer.status_code == 302
    assert "[" not in answer.headers["Location"]
    again = client.get("/accounts/login/", {"next": target})
    assert again.status_code == 302
    assert "[" not in again.headers["Location"]


@pytest.mark.parametrize("target", BROKEN)
@pytest.mark.parametrize("page", ["account_logout", "account_reauthenticate"])
def test_nor_on_other_pages_of_an_account(
    client: Client, viewer: User, page: str, target: str
) -> None:
    client.force_login(viewer)
    assert client.get(reverse(page), {"next": target}).status_code < 500
    assert client.post(reverse(page), {"next": target}).status_code < 500


@pytest.mark.parametrize("target", BROKEN)
def test_nor_by_the_form_for_the_language(
    client: Client, db: None, target: str
) -> None:
    answer = client.post("/accounts/language/", {"language": "de", "next": target})
    assert answer.status_code < 500


@pytest.mark.parametrize("shown", BROKEN)
@pytest.mark.parametrize("signed_in", [True, False])
def test_a_broken_address_of_the_page_is_no_place_to_come_back_to(
    client: Client, viewer: User, shown: str, signed_in: bool
) -> None:
    if signed_in:
        client.force_login(viewer)
    headers = {"HX-Request": "true", "HX-Current-URL": shown}
    for url in ("/instances/", "/audit/", "/no/such/page", "/"):
        answer = client.get(url, headers=headers)
        assert answer.status_code < 500
        if "HX-Redirect" in answer.headers:
            assert answer.headers["HX-Redirect"] == "/accounts/login/?next=/"


@pytest.mark.parametrize(
    "charset", ["utf-7", "nonsense", "utf-16", "idna", "undefined"]
)
@pytest.mark.parametrize("url", ["/accounts/login/", "/accounts/language/", "/bulk/"])
def test_a_form_in_an_odd_charset_is_refused(
    viewer: User, charset: str, url: str
) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.force_login(viewer)
    client.cookies["csrftoken"] = "a" * 32
    kind = f"application/x-www-form-urlencoded; charset={charset}"
    answer = client.generic("POST", url, "login=a&csrfmiddlewaretoken=b", kind)
    assert answer.status_code in {400, 403}
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_body_that_is_no_form_is_refused(viewer: User) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.force_login(viewer)
    client.cookies["csrftoken"] = "a" * 32
    kind = "multipart/form-data; boundary=\xff"
    answer: Any = client.post("/accounts/login/", b"--x", content_type=kind)
    assert answer.status_code in {400, 403}
