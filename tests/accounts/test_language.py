"""The language of pages, and the form that sets it."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User

URL = "/accounts/language/"
GERMAN = '<html lang="de"'
ENGLISH = '<html lang="en"'


def sign_in_page(client: Client, **headers: str) -> str:
    return client.get(reverse("account_login"), headers=headers).text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", GERMAN),
        ("en-GB,de;q=0.5", ENGLISH),
        ("fr", ENGLISH),
        ("", ENGLISH),
        ("\N{SNOWMAN};q=x", ENGLISH),
    ],
)
def test_the_sign_in_asks_the_browser(
    client: Client, asked: str, expected: str
) -> None:
    assert expected in sign_in_page(client, accept_language=asked)


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["de", "en"])
def test_each_language_is_offered_by_its_own_name(
    client: Client, language: str
) -> None:
    page = sign_in_page(client, accept_language=language)
    page = re.sub(r">\s+|\s+<", lambda space: space[0].strip(), page)
    assert ">English</button>" in page
    assert ">Deutsch</button>" in page


@pytest.mark.django_db
def test_a_choice_on_the_sign_in_page_is_remembered(client: Client) -> None:
    back = reverse("account_login") + "?next=/due/"
    response = client.post(URL, {"language": "de", "next": back})
    assert response.status_code == 303
    assert response.headers["Location"] == back
    cookie = client.cookies["curfew_language"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert GERMAN in sign_in_page(client, accept_language="en")


@pytest.mark.django_db
def test_a_cookie_of_nonsense_says_nothing(client: Client) -> None:
    client.cookies["curfew_language"] = "../../etc"
    assert ENGLISH in sign_in_page(client)


def test_the_persons_choice_wins(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    client.post(URL, {"language": "de"})
    viewer.refresh_from_db()
    assert viewer.language == "de"
    client.cookies.clear()
    client.force_login(viewer)
    page = client.get(reverse("mfa_index"), headers={"accept-language": "en"}).text
    assert GERMAN in page


def test_the_browser_can_choose_the_language(client: Client, viewer: User) -> None:
    viewer.language = "de"
    viewer.save(update_fields=["language"])
    client.force_login(viewer)
    client.cookies["curfew_language"] = "de"
    client.post(URL, {"language": ""})
    viewer.refresh_from_db()
    assert viewer.language == ""
    page = client.get(reverse("mfa_index"), headers={"accept-language": "en"}).text
    assert ENGLISH in page


def test_a_language_taken_away_leaves_no_page_broken(
    client: Client, viewer: User
) -> None:
    viewer.language = "tlh"
    viewer.save(update_fields=["language"])
    client.force_login(viewer)
    assert ENGLISH in client.get(reverse("mfa_index")).text


def test_the_account_page_shows_the_choice(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get(reverse("mfa_index")).text
    assert f'action="{URL}"' in page
    assert 'value="" aria-pressed="true"' in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""]
)
def test_the_redirect_stays_on_this_site(client: Client, back: str) -> None:
    response = client.post(URL, {"language": "de", "next": back})
    assert response.headers["Location"] == "/"


@pytest.mark.django_db
def test_bad_input_and_wrong_method(client: Client) -> None:
    assert client.post(URL, {"language": "tlh"}).status_code == 400
    assert client.get(URL).status_code == 405


@pytest.mark.django_db
def test_the_form_needs_a_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(URL, {"language": "de"}).status_code == 403


def test_pages_that_fail_speak_it_too(client: Client, viewer: User) -> None:
    viewer.language = "de"
    viewer.save(update_fields=["language"])
    client.force_login(viewer)
    assert GERMAN in client.get("/no-such-page/").text
