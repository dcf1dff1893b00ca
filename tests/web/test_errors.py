"""Error pages: in our look, with a way on, and dependent on nothing broken."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from django.views import defaults

from dashboard.accounts.models import User
from dashboard.web.refusals import csrf_failure


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret detail")


urlpatterns = [path("", broken, name="home"), path("broken", broken)]


def test_not_found(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    response = client.get("/no/such/page")
    assert response.status_code == 404
    assert "Page not found" in response.text
    assert '<a class="button primary" href="/">' in response.text
    # Who is signed in still sees so, and the ways to everything else.
    assert '<nav class="topnav"' in response.text
    assert f"<bdi>{viewer}</bdi>" in response.text


@override_settings(ROOT_URLCONF=__name__)
def test_an_error_of_ours_shows_no_details(
    client: Client, viewer: User, settings: object
) -> None:
    client.force_login(viewer)
    client.raise_request_exception = False
    response = client.get("/broken")
    assert response.status_code == 500
    assert "Something went wrong" in response.text
    assert "secret detail" not in response.text


def test_the_500_page_needs_no_database() -> None:
    # No db fixture: a query would fail this test.
    response = defaults.server_error(RequestFactory().get("/"))
    assert response.status_code == 500
    assert b"Something went wrong" in response.content


@pytest.mark.parametrize("name", ["400", "403", "404", "500", "403_csrf"])
def test_every_error_page_links_onward(name: str) -> None:
    page = render_to_string(f"{name}.html")
    assert "<h1" in page
    assert 'class="button primary" href="/"' in page
    assert " style=" not in page


def test_a_refused_form_says_what_to_do() -> None:
    response = csrf_failure(RequestFactory().post("/"), reason="missing")
    assert response.status_code == 403
    assert b"Nothing was changed" in response.content
