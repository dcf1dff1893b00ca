"""Pages of tokens: create, list and revoke."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as in_use
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.api import services
from dashboard.api.models import ApiToken
from dashboard.audit.models import AuditEvent
from tests.conftest import PASSWORD

from .conftest import Program, Programs

pytestmark = pytest.mark.usefixtures("_empty_cache")

MINE, EVERYBODYS = reverse("tokens:mine"), reverse("tokens:all")
FORM = {"name": "laptop", "scopes": ["read", "write"], "days": "30"}
SignedIn = Callable[[User], Client]


@pytest.fixture
def signed_in() -> SignedIn:
    """Sign in and reauthenticate, which creating a token requires."""

    def client_of(person: User) -> Client:
        client = Client()
        client.force_login(person)
        page = reverse("account_reauthenticate")
        client.post(page, {"password": PASSWORD})
        return client

    return client_of


def secrets_in(text: str) -> list[str]:
    return re.findall(r"curfew_[0-9a-f]{64}", text)


@pytest.mark.parametrize("role", ["viewer", "scientist", "operator", "admin"])
def test_made_shown_once_and_good(
    signed_in: SignedIn, request: pytest.FixtureRequest, role: str
) -> None:
    person = request.getfixturevalue(role)
    client = signed_in(person)
    created = client.post(MINE, FORM)
    assert created.status_code == 200
    assert "no-store" in created.headers["Cache-Control"]
    (secret,) = secrets_in(created.text)
    assert Program(secret).get("/me")["username"] == role
    second = client.get(MINE)
    assert secrets_in(second.text) == []
    assert f"curfew_…{secret[-4:]}" in second.text
    event = AuditEvent.objects.get(action="token.made")
    assert (event.actor, event.target_label) == (person, f"laptop of {role}")
    assert event.after["scopes"] == ["read", "write"]
    assert secret not in str(AuditEvent.objects.values())


def test_the_password_is_asked_for_before(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    assert client.get(MINE).status_code == 200
    asked = client.post(MINE, FORM)
    assert asked.status_code == 302
    assert asked.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert not ApiToken.objects.exists()
    # The form is not lost: the response to the password shows the token.
    created = client.post(asked.headers["Location"], {"password": PASSWORD})
    assert len(secrets_in(created.text)) == 1
    assert ApiToken.objects.get().name == "laptop"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": ""}, "Enter a name."),
        ({"name": "x" * 61}, "at most 60 characters"),
        ({"name": "a\u202eb"}, "Use visible characters only"),
        ({"scopes": []}, "Choose at least one scope."),
        ({"scopes": ["admin"]}, "admin is not one of the available choices"),
        ({"days": "0"}, "greater than or equal to 1"),
        ({"days": "91"}, "The maximum lifetime is 90 days."),
        ({"days": "9" * 30}, "The maximum lifetime is 90 days."),
        ({"days": "soon"}, "Enter a whole number."),
    ],
)
def test_bad_input(
    signed_in: SignedIn, viewer: User, changed: dict[str, Any], sentence: str
) -> None:
    response = signed_in(viewer).post(MINE, FORM | changed)
    assert response.status_code == 422
    assert sentence in response.text
    assert not ApiToken.objects.exists()


def test_the_longest_life_is_the_site_s(
    signed_in: SignedIn, viewer: User, settings: Any
) -> None:
    changed = in_use.CURFEW.model_copy(update={"token_days": 7})
    settings.CURFEW = changed
    client = signed_in(viewer)
    assert 'max="7"' in client.get(MINE).text
    assert client.post(MINE, FORM | {"days": "8"}).status_code == 422
    client.post(MINE, FORM | {"days": "7"})
    left = ApiToken.objects.get().expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    with pytest.raises(services.TokenError):
        services.create_token(owner=viewer, name="x", scopes=["read"], days=8)


def test_not_more_than_a_person_can_look_after(
    signed_in: SignedIn, viewer: User
) -> None:
    for number in range(services.MAX_LIVE):
        services.create_token(owner=viewer, name=f"{number}", scopes=["read"], days=1)
    client = signed_in(viewer)
    refused = client.post(MINE, FORM)
    assert refused.status_code == 422
    assert "the limit of 20 tokens" in refused.text
    services.revoke_token(token=ApiToken.objects.all()[0], actor=viewer)
    assert client.post(MINE, FORM).status_code == 200


def test_each_state_in_a_word(client: Client, viewer: User, program: Programs) -> None:
    now = timezone.now()
    program(viewer, name="new")
    program(viewer, name="busy").get("/me")
    program(viewer, name="gone")
    program(viewer, name="old")
    ApiToken.objects.filter(name="gone").update(revoked_at=now)
    ApiToken.objects.filter(name="old").update(expires_at=now)
    client.force_login(viewer)
    page = client.get(MINE).text
    for word in ("Not used yet", "Active", "Revoked", "Expired"):
        assert f">{word}<" in page
    assert page.count("/revoke/") == 2


def test_revoked_by_its_person(
    client: Client, viewer: User, stranger: User, program: Programs
) -> None:
    asks = program(viewer)
    url = reverse("tokens:revoke", args=[ApiToken.objects.get().pk])
    other = Client()
    other.force_login(stranger)
    assert other.post(url).status_code == 404
    client.force_login(viewer)
    assert client.get(url).status_code == 405
    response = client.post(url)
    assert (response.status_code, response.headers["Location"]) == (303, MINE)
    assert asks("get", "/me").status_code == 401
    assert client.post(url).status_code == 303, "again is no harm"
    assert AuditEvent.objects.get(action="token.revoked").actor == viewer


def test_admins_see_and_revoke_everybody_s(
    client: Client, viewer: User, admin: User, program: Programs
) -> None:
    asks = program(viewer)
    program(admin, name="mine")
    client.force_login(admin)
    page = client.get(EVERYBODYS)
    assert "laptop" in page.text
    assert "mine" in page.text
    narrowed = client.get(f"{EVERYBODYS}?person=viewer").text
    assert "<bdi>mine</bdi>" not in narrowed
    assert client.get(f"{EVERYBODYS}?person=%00").status_code == 200
    url = reverse("tokens:revoke", args=[ApiToken.objects.get(name="laptop").pk])
    assert client.post(url).headers["Location"] == EVERYBODYS
    assert asks("get", "/me").status_code == 401
    event = AuditEvent.objects.get(action="token.revoked")
    assert (event.actor, event.target_label) == (admin, "laptop of viewer")


@pytest.mark.parametrize("role", ["viewer", "scientist", "operator"])
def test_only_admins_see_all_tokens(
    client: Client, request: pytest.FixtureRequest, role: str
) -> None:
    client.force_login(request.getfixturevalue(role))
    assert client.get(EVERYBODYS).status_code == 403


@pytest.mark.parametrize("url", [MINE, EVERYBODYS])
def test_a_fixed_number_of_queries(client: Client, admin: User, url: str) -> None:
    client.force_login(admin)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        return len(captured)

    services.create_token(owner=admin, name="one", scopes=["read"], days=1)
    client.get(url)
    few = queries()
    for number in range(10):
        services.create_token(owner=admin, name=f"{number}", scopes=["read"], days=1)
    assert queries() == few


def test_the_way_there(client: Client, admin: User) -> None:
    client.force_login(admin)
    assert MINE in client.get(reverse("mfa_index")).text
    assert EVERYBODYS in client.get(reverse("people:list")).text
    person = client.get(reverse("people:person", args=[admin.pk])).text
    assert f"{EVERYBODYS}?person=admin" in person
