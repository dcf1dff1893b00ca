"""Hosts, proxies, and where a redirect may lead."""

from typing import Any

import pytest
from django.conf import settings as in_use
from django.test import Client, RequestFactory

from dashboard.accounts.models import User
from dashboard.web.address import client_address
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("_empty_cache")

ASTRAY = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "/\r\nSet-Cookie: a=b",
    "//evil\u3002example",
    "//evil\uff0eexample",
    "https://testserver@evil.example/",
    "https://testserver.evil.example/",
    " //evil.example",
    "\t//evil.example",
    "/\t/evil.example",
    "//testserver:80@evil.example",
    "ftp://testserver/",
    "http:\\\\evil.example",
    "/\x00/evil.example",
    "\x01https://evil.example",
    "https://evil.example\\@testserver",
    "//[::1]/",
    "////",
    "blob:https://evil.example",
]


@pytest.mark.parametrize("target", ASTRAY)
def test_next_leads_nobody_astray(client: Client, viewer: User, target: str) -> None:
    form = {"login": "viewer", "password": PASSWORD, "next": target}
    response = client.post("/accounts/login/", form)
    assert response.status_code == 302
    location = response.headers["Location"]
    assert "a" not in response.cookies
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert not set("\r\n") & set(location)


@pytest.mark.parametrize(
    ("target", "is_secure"),
    [
        ("http://localhost/", False),
        ("https://localhost/", False),
        ("https://a.curfew.localhost/", False),
        ("http://testserver/instances/", True),
    ],
)
def test_next_stays_on_this_host_and_on_https(
    client: Client, viewer: User, settings: Any, target: str, is_secure: bool
) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "localhost", ".curfew.localhost"]
    form = {"login": "viewer", "password": PASSWORD, "next": target}
    response = client.post("/accounts/login/", form, secure=is_secure)
    assert response.headers["Location"] == "/"


@pytest.mark.parametrize("shown", ["https://evil.example/x", "//evil.example", "x"])
def test_hx_redirect_leads_nobody_astray(client: Client, db: None, shown: str) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": shown}
    target = client.get("/instances/", headers=headers).headers["HX-Redirect"]
    assert target.startswith("/accounts/login/?next=/")
    assert "evil" not in target


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "a b"])
def test_a_forged_host_is_400(client: Client, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 400


def test_a_forwarded_host_is_not_believed(client: Client, db: None) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    response = client.get("/instances/", headers=headers)
    assert "evil" not in response.headers["Location"]
    assert not in_use.USE_X_FORWARDED_HOST
    assert in_use.SECURE_PROXY_SSL_HEADER is None


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "1.1.1.1", "1.1.1.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (2, "1.1.1.1", "1.1.1.1"),
        (1, "2001:DB8:0::1", "2001:db8::1"),
        (1, "203.0.113.9:51234", "203.0.113.9"),
        (1, "6.6.6.6:1, 203.0.113.9:51234", "203.0.113.9"),
        (1, "[2001:db8::1]:51234", "2001:db8::1"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, '"[2001:db8::1]:51234"', "2001:db8::1"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "[::ffff:203.0.113.9]:51234", "203.0.113.9"),
        (2, "203.0.113.9:51234, 10.0.0.2:80", "203.0.113.9"),
        (1, "203.0.113.9:port", None),
        (1, "[]:80", None),
        (1, ":80", None),
        (1, "unknown", None),
        (1, "<script>", None),
        (1, "", None),
    ],
)
def test_the_address_is_the_one_that_the_proxies_vouch_for(
    settings: Any, proxies: int, forwarded: str, expected: str | None
) -> None:
    changed = {"trusted_proxies": proxies}
    settings.CURFEW = settings.CURFEW.model_copy(update=changed)
    headers = {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="9.9.9.9")
    assert client_address(request) == expected
