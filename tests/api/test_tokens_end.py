"""What revokes all tokens of a person."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts import tokens
from dashboard.accounts.models import User
from dashboard.api import services
from dashboard.api.models import ApiToken
from dashboard.audit.models import AuditEvent
from tests.conftest import PASSWORD

from .conftest import Programs

pytestmark = pytest.mark.usefixtures("_empty_cache")

CHANGE = reverse("account_change_password")
NEW = "a long one of my own"
FORM = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
TICK = {"end_tokens": "on"}


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def live() -> int:
    return ApiToken.objects.filter(revoked_at=None).count()


def test_an_admin_ends_sessions_and_tokens_at_once(
    as_admin: Client, program: Programs, scientist: User, problem: Any
) -> None:
    asks, theirs = program(scientist), Client()
    theirs.post(reverse("account_login"), {"login": "scientist", "password": PASSWORD})
    person = reverse("people:person", args=[scientist.pk])
    assert "Sign out everywhere" in as_admin.get(person).text
    url = reverse("people:sessions", args=[scientist.pk])
    after = as_admin.post(url, follow=True)
    assert "1 session ended. 1 token revoked." in after.text
    assert "Sign out everywhere" not in after.text
    problem(asks("get", "/me"), 401, "unauthorized")
    assert theirs.get("/instances/").status_code == 302
    event = AuditEvent.objects.get(action="user.sessions_ended")
    assert event.after == {"sessions_ended": 1, "tokens_ended": 1}
    revoked = AuditEvent.objects.get(action="token.revoked")
    assert revoked.actor_label == "admin"
    assert revoked.reason


def test_the_person_s_page_lists_what_still_opens_something(
    as_admin: Client, scientist: User, viewer: User
) -> None:
    for owner, name in ((scientist, "laptop"), (scientist, "gone"), (viewer, "other")):
        services.create_token(owner=owner, name=name, scopes=["read"], days=1)
    gone = ApiToken.objects.get(name="gone")
    services.revoke_token(token=gone, actor=scientist)
    text = as_admin.get(reverse("people:person", args=[scientist.pk])).text
    assert "<bdi>laptop</bdi>" in text
    assert ApiToken.objects.get(name="laptop").ending in text
    assert "<bdi>gone</bdi>" not in text
    assert "<bdi>other</bdi>" not in text


@pytest.mark.parametrize(("ticked", "left"), [(TICK, 0), ({}, 1)])
def test_a_one_time_password_ends_them_unless_the_tick_is_taken_out(
    as_admin: Client, program: Programs, scientist: User, ticked: Any, left: int
) -> None:
    program(scientist)
    page = as_admin.get(reverse("people:person", args=[scientist.pk]))
    assert 'name="end_tokens" id="id_end_tokens" checked' in page.text
    as_admin.post(reverse("people:password", args=[scientist.pk]), ticked)
    assert live() == left


@pytest.mark.parametrize(("ticked", "left"), [(TICK, 0), ({}, 1)])
def test_a_new_password_revokes_tokens(
    program: Programs, scientist: User, ticked: Any, left: int
) -> None:
    program(scientist)
    client = Client()
    client.force_login(scientist)
    page = client.get(CHANGE).text
    assert 'name="end_tokens" id="id_end_tokens" checked' in page
    assert "1 token is active." in page
    assert client.post(CHANGE, FORM | ticked).status_code == 302
    scientist.refresh_from_db()
    assert scientist.check_password(NEW)
    assert live() == left


def test_a_wrong_form_ends_nothing(program: Programs, scientist: User) -> None:
    program(scientist)
    client = Client()
    client.force_login(scientist)
    answer = client.post(CHANGE, FORM | TICK | {"oldpassword": "wrong"})
    assert answer.status_code == 200
    assert live() == 1


def test_people_without_tokens_see_no_checkbox(scientist: User) -> None:
    client = Client()
    client.force_login(scientist)
    assert "end_tokens" not in client.get(CHANGE).text


def test_other_people_s_tokens_go_on(
    program: Programs, scientist: User, viewer: User
) -> None:
    asks = program(viewer)
    program(scientist)
    assert tokens.revoke_all(user=scientist, actor=None, reason="x") == 1
    assert tokens.revoke_all(user=scientist, actor=None, reason="x") == 0
    assert asks.get("/me")["username"] == "viewer"
