"""Every answer carries the headers, whatever it is: page, error, 304, picture."""

from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import ResponseHeaders
from django.test import Client, override_settings
from django.urls import include, path

from dashboard.accounts.models import User
from dashboard.livepoll.shortcut import PollShortcut
from dashboard.urls import urlpatterns as ours

pytestmark = pytest.mark.usefixtures("_empty_cache")

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ON_DOCUMENTS = {
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
STORAGE = "dashboard.web.static_storage.StaticStorage"
MANIFEST = """{"version": "1.1", "paths": {"page.css": "page.e3b0c44298fc.css"}}"""
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "form-action 'self'",
}


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError


def not_modified(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=304)


urlpatterns = [
    path("broken", broken),
    path("not-modified", not_modified),
    path("", include(ours)),
]

ANSWERS: dict[str, tuple[str, int]] = {
    "page": ("/instances/", 200),
    "nothing new": ("/instances/changes?since=0", 204),
    "odd question": ("/instances/changes?since=x", 400),
    "refused": ("/audit/", 403),
    "not there": ("/no/such/page", 404),
    "wrong method": ("/edits/00000000-0000-4000-8000-000000000000/retry/", 405),
    "broken": ("/broken", 500),
    "not modified": ("/not-modified", 304),
    # Browsers open it as a document, which may contain scripts.
    "picture": ("/static/page.svg", 200),
    "no such static file": ("/static/no.css", 404),
    "static folder": ("/static/", 404),
    "machine": ("/healthz", 200),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_on_every_answer(
    viewer: User, what: str, tmp_path: Path, settings: Any
) -> None:
    url, status = ANSWERS[what]
    # Not by the decorator: it ends before the fixture, which would bring it back.
    settings.ROOT_URLCONF = __name__
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "page.svg").write_text("<svg/>")
    client = Client(raise_request_exception=False)  # reads the static files anew
    client.force_login(viewer)
    response = client.get(url)
    assert response.status_code == status
    check(response)


@pytest.mark.parametrize(
    ("name", "validators"),
    [
        ("page.css", {"ETag", "Last-Modified"}),
        ("page.js", {"ETag", "Last-Modified"}),
        ("page.e3b0c44298fc.css", set()),  # immutable
    ],
)
def test_styles_and_scripts_have_what_matters_to_them(
    name: str, validators: set[str], tmp_path: Path, settings: Any
) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {"staticfiles": {"BACKEND": STORAGE}}
    (tmp_path / name).write_text("")
    (tmp_path / "staticfiles.json").write_text(MANIFEST)
    response = Client().get(f"/static/{name}")
    assert response.status_code == 200
    told = {*EVERYWHERE, "Cache-Control", "Content-Length", "Content-Type"}
    assert set(response.headers) == told | validators
    for header, value in EVERYWHERE.items():
        assert response.headers[header] == value, header


@override_settings(ALLOWED_HOSTS=["curfew.example"])
def test_on_the_answer_to_a_wrong_host(client: Client) -> None:
    response = client.get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    check(response)


def not_modified(
    shortcut: PollShortcut, environ: object
) -> tuple[str, list[tuple[str, str]]]:
    return "204 No Content", [("HX-Trigger", "{}"), *shortcut._headers]


def test_on_the_answer_that_django_does_not_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PollShortcut, "_answer", not_modified)
    check_quick(quick_answer("http"))


def test_a_quick_answer_insists_on_https_where_all_do(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(PollShortcut, "_answer", not_modified)
    assert "Strict-Transport-Security" not in quick_answer("http").headers
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 3600
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    answer = quick_answer("https")
    told = answer.headers["Strict-Transport-Security"]
    assert told == "max-age=31536000; includeSubDomains"
    check_quick(answer)


def quick_answer(scheme: str) -> HttpResponse:
    """What a poll without news is told ahead of Django."""
    answer = HttpResponse()

    def start_response(status: str, headers: Any, *_: Any) -> Any:
        answer.status_code = int(status[:3])
        answer.headers = ResponseHeaders(headers)

    def never(*_: Any) -> Any:
        raise AssertionError("Django was asked")

    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": scheme}
    environ["HTTP_CURFEW_POLL_TOKEN"] = "some"
    body = PollShortcut(never)(environ, start_response)
    assert (answer.status_code, list(body)) == (204, [])
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "Content-Type" not in answer.headers
    return answer


def check_quick(answer: HttpResponse) -> None:
    for name, value in (EVERYWHERE | ON_DOCUMENTS).items():
        assert answer.headers.get(name) == value, name
    # A page that stands open gets hundreds of these in an hour.
    assert sum(len(name) + len(value) + 4 for name, value in answer.items()) < 320


def check(response: Any) -> None:
    for name, value in (EVERYWHERE | ON_DOCUMENTS).items():
        assert response.headers.get(name) == value, name
    said = set(response.headers["Content-Security-Policy"].split("; "))
    assert said >= POLICY
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Server" not in response.headers


@pytest.mark.parametrize("url", ["/instances/", "/edits/", "/accounts/login/"])
def test_no_cache_keeps_a_personal_page(client: Client, viewer: User, url: str) -> None:
    client.force_login(viewer)
    response = client.get(url)
    told = response.headers["Cache-Control"].replace(",", "").split()
    assert {"no-store", "private"} <= set(told)
    assert "Cookie" in response.headers["Vary"]
    assert not response.has_header("ETag")


def test_text_has_its_charset(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    for url in ("/instances/", "/healthz", "/no/such/page"):
        assert client.get(url).headers["Content-Type"].endswith("charset=utf-8")
