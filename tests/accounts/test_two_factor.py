"""Which roles need two-factor authentication, and which sessions end on changes."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import generate_totp_secret
from cryptography.exceptions import InvalidTag
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.accounts.passwords import one_time_password
from tests.conftest import PASSWORD

from .provider import Provider
from .test_second_factor import ACTIVATE, AUTHENTICATE, CONFIRM, code_of, is_inside

LOGIN = reverse("account_login")
INDEX = reverse("mfa_index")
SESSIONS = reverse("usersessions_list")

pytestmark = pytest.mark.usefixtures("_empty_cache")


def sign_in(name: str) -> Client:
    browser = Client()
    browser.post(LOGIN, {"login": name, "password": PASSWORD})
    return browser


@pytest.fixture
def wanted(settings: Any) -> None:
    """Require it of operators and admins."""
    roles = {"second_factor_roles": ["operator", "admin"]}
    settings.CURFEW = settings.CURFEW.model_copy(update=roles)


def set_up(browser: Client) -> str:
    """Set up an authenticator app through the pages; return its secret."""
    browser.post(CONFIRM, {"password": PASSWORD})
    secret: str = browser.get(ACTIVATE).context["form"].secret
    response = browser.post(ACTIVATE, {"code": code_of(secret)})
    assert response.status_code == 302
    return secret


@pytest.mark.usefixtures("wanted")
def test_nothing_opens_before_there_is_one(operator: User) -> None:
    browser = sign_in("operator")
    for path in ("/instances/", "/edits/", "/audit/", "/instances/list.csv", "/"):
        answer = browser.get(path)
        assert answer.status_code in {302, 404}, path
        if answer.status_code == 302:
            assert answer.headers["Location"] == INDEX
    assert browser.post("/bulk/", {}).headers["Location"] == INDEX
    poll = browser.get("/instances/changes?since=0", headers={"HX-Request": "true"})
    assert poll.headers["HX-Redirect"] == INDEX
    page = browser.get(INDEX)
    assert page.status_code == 200
    assert "Your role requires two-factor authentication." in page.text
    set_up(browser)
    assert is_inside(browser)


@pytest.mark.usefixtures("wanted")
def test_the_way_out_is_open(operator: User) -> None:
    browser = sign_in("operator")
    assert browser.post(reverse("account_logout")).status_code == 302


@pytest.mark.usefixtures("wanted")
def test_recovery_codes_alone_are_none(operator: User) -> None:
    RecoveryCodes.activate(operator)
    assert Authenticator.objects.count() == 1
    browser = Client()
    browser.force_login(operator)
    assert browser.get("/instances/").headers["Location"] == INDEX


@pytest.mark.usefixtures("wanted")
def test_taken_away_it_is_asked_for_again(operator: User) -> None:
    browser = sign_in("operator")
    set_up(browser)
    assert is_inside(browser)
    browser.post(reverse("mfa_deactivate_totp"))
    assert browser.get("/instances/").headers["Location"] == INDEX


@pytest.mark.usefixtures("wanted")
def test_other_roles_need_none(viewer: User, scientist: User) -> None:
    assert is_inside(sign_in("viewer"))
    assert is_inside(sign_in("scientist"))


@pytest.mark.usefixtures("db")
def test_unasked_nobody_needs_one(operator: User) -> None:
    assert is_inside(sign_in("operator"))


@pytest.mark.parametrize(
    "provider", [{"second_factor_roles": ["scientist"]}], indirect=True
)
def test_single_sign_on_is_the_provider_s(client: Client, provider: Provider) -> None:
    provider.sign_in(client, "42")
    assert User.objects.get().role == "scientist"
    assert is_inside(client)


@pytest.mark.usefixtures("wanted")
def test_a_known_factor_costs_no_query(
    operator: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    browser = sign_in("operator")
    set_up(browser)
    browser.get("/instances/")
    with django_assert_max_num_queries(20) as queries:
        browser.get("/instances/")
    assert not [
        query["sql"] for query in queries if "mfa_authenticator" in query["sql"]
    ]


@pytest.mark.parametrize("change", ["added", "removed", "renewed"])
def test_other_sessions_end_when_factors_change(
    viewer: User, change: str, django_capture_on_commit_callbacks: Any
) -> None:
    here = sign_in("viewer")
    secret = ""
    if change != "added":
        secret = set_up(here)
    other = sign_in("viewer")
    if secret:
        # The setup has used the code of this step.
        other.post(AUTHENTICATE, {"code": code_of(secret, 1)})
    assert is_inside(other)
    here.post(CONFIRM, {"password": PASSWORD})
    with django_capture_on_commit_callbacks(execute=True):
        if change == "added":
            set_up(here)
        elif change == "removed":
            here.post(reverse("mfa_deactivate_totp"))
        else:
            here.post(reverse("mfa_generate_recovery_codes"))
    assert is_inside(here)
    assert not is_inside(other)


def test_ending_sessions_wants_to_know_who_it_is(viewer: User) -> None:
    other, here = sign_in("viewer"), sign_in("viewer")
    session = here.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 3600
    session.save()
    assert here.get(SESSIONS).status_code == 200, "to see them is free"
    answer = here.post(SESSIONS)
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert is_inside(other)
    here.post(CONFIRM, {"password": PASSWORD})
    here.post(SESSIONS)
    assert not is_inside(other)


def test_secrets_are_decrypted_with_former_keys_only(settings: Any) -> None:
    adapter = get_adapter()
    encrypted = adapter.encrypt("seed")
    assert adapter.encrypt("seed") != encrypted, "never the same twice"
    assert adapter.decrypt(encrypted) == "seed"
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 8
    assert adapter.decrypt(encrypted) == "seed"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(InvalidTag):
        adapter.decrypt(encrypted)
    flipped = encrypted[:-3] + ("A" if encrypted[-3] != "A" else "B") + encrypted[-2:]
    settings.SECRET_KEY = "only-for-tests-" * 4
    with pytest.raises(InvalidTag):
        adapter.decrypt(flipped)


def test_codes_cannot_be_guessed(viewer: User) -> None:
    """At least 20 bits; seeds of apps have 160."""
    codes = RecoveryCodes.activate(viewer).generate_codes()
    assert len(set(codes)) == len(codes) == 10
    assert all(code.isdigit() and len(code) >= 8 for code in codes)
    assert len(generate_totp_secret()) == 32
    assert generate_totp_secret() != generate_totp_secret()


def test_one_time_passwords_cannot_be_guessed() -> None:
    """At least 128 bits; all characters are equally likely."""
    drawn = [one_time_password() for _ in range(200)]
    assert len(set(drawn)) == len(drawn)
    signs = set("".join(drawn)) - {"-"}
    counts = {len(code.replace("-", "")) for code in drawn}
    assert min(counts) * math.log2(len(signs)) >= 128


@pytest.mark.parametrize(
    "typed",
    [PASSWORD.upper(), PASSWORD.title(), f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1]],
)
def test_a_password_is_taken_as_typed(viewer: User, typed: str) -> None:
    assert not is_inside(sign_in_with(typed))


def test_a_password_may_begin_and_end_with_blanks(viewer: User) -> None:
    viewer.set_password("  kept as it is  ")
    viewer.save()
    assert is_inside(sign_in_with("  kept as it is  "))
    assert not is_inside(sign_in_with("kept as it is"))


def sign_in_with(password: str) -> Client:
    browser = Client()
    browser.post(LOGIN, {"login": "viewer", "password": password})
    return browser
