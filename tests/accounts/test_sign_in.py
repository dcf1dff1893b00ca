"""Sign-in and sign-out."""

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from tests.conftest import PASSWORD

LOGIN = reverse("account_login")
LOGOUT = reverse("account_logout")

pytestmark = pytest.mark.usefixtures("_empty_cache")


def test_the_form_has_the_fields_of_the_contract(client: Client, db: None) -> None:
    page = client.get(LOGIN)
    assert page.status_code == 200
    assert 'name="login"' in page.text
    assert 'name="password"' in page.text


def test_a_person_gets_in_and_back_to_where_they_were(
    client: Client, viewer: User
) -> None:
    form = {"login": "viewer", "password": PASSWORD, "next": "/instances/?q=x"}
    response = client.post(LOGIN, form)
    assert (response.status_code, response.headers["Location"]) == (
        302,
        "/instances/?q=x",
    )
    page = client.get("/instances/").text
    assert '<bdi>viewer</bdi> <span class="role">Viewer</span>' in page


@pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example"])
def test_redirects_stay_on_this_site(
    client: Client, viewer: User, next_page: str
) -> None:
    form = {"login": "viewer", "password": PASSWORD, "next": next_page}
    assert client.post(LOGIN, form).headers["Location"] == "/"


@pytest.mark.parametrize("login", ["viewer", "nobody"])
def test_a_wrong_password_is_one_plain_sentence(
    client: Client, viewer: User, login: str
) -> None:
    response = client.post(LOGIN, {"login": login, "password": "wrong"})
    assert response.status_code == 200
    # The same message for both, which does not reveal accounts.
    sentence = "Incorrect username or password."
    assert response.text.count(sentence) == 1
    assert f'value="{login}"' in response.text
    assert "wrong" not in response.text


def test_guessing_is_slowed_down(client: Client, viewer: User) -> None:
    form = {"login": "viewer", "password": "wrong"}
    for _ in range(12):
        response = client.post(LOGIN, form)
    assert "Too many failed" in response.text or response.status_code == 429
    # Then even the right password is refused.
    response = client.post(LOGIN, form | {"password": PASSWORD})
    assert response.status_code != 302


def test_failed_attempts_lock_out_no_other_network(
    client: Client, viewer: User
) -> None:
    stranger = {"REMOTE_ADDR": "10.0.0.66"}
    for _ in range(12):
        client.post(LOGIN, {"login": "viewer", "password": "wrong"}, **stranger)
    form = {"login": "viewer", "password": PASSWORD}
    assert "Too many failed" in client.post(LOGIN, form, **stranger).text
    assert client.post(LOGIN, form).status_code == 302


def test_a_deactivated_account_stays_outside(client: Client, viewer: User) -> None:
    User.objects.update(is_active=False)
    client.post(LOGIN, {"login": "viewer", "password": PASSWORD})
    assert client.get("/instances/").status_code == 302


def test_signing_out_takes_a_post(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get(LOGOUT)
    assert "Sign out?" in page.text
    assert client.get("/instances/").status_code == 200
    assert client.post(LOGOUT).status_code == 302
    assert client.get("/instances/").status_code == 302


def test_sign_up_is_closed(client: Client, db: None) -> None:
    page = client.get(LOGIN).text
    assert "sign up" not in page.lower()
    response = client.post(
        reverse("account_signup"),
        {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert not User.objects.filter(username="mallory").exists()
    assert response.status_code in {200, 302, 403}


def test_guesses_from_one_ipv6_network_count_together(
    client: Client, viewer: User
) -> None:
    answers = [
        client.post(
            "/accounts/login/",
            {"login": "viewer", "password": "wrong"},
            REMOTE_ADDR=f"2001:db8:1:2::{host:x}",
        ).text
        for host in range(1, 8)
    ]
    assert "Too many failed attempts" not in answers[0]
    assert "Too many failed attempts" in answers[-1]


def test_too_many_sign_ins_say_when_to_try_again(client: Client, db: None) -> None:
    for _ in range(61):
        answer = client.post("/accounts/login/", {"login": "x", "password": "y"})
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert "Try again in a minute." in answer.text
