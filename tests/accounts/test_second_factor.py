"""Authenticator app and recovery codes; passkeys are in tests/browser."""

import re
import time
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    validate_totp_code,
)
from django.test import Client
from django.urls import reverse

from dashboard.accounts import services
from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from tests.conftest import PASSWORD

LOGIN = reverse("account_login")
ACTIVATE = reverse("mfa_activate_totp")
ACTIVATE_ = quote(ACTIVATE, safe="")
AUTHENTICATE = reverse("mfa_authenticate")
CONFIRM = reverse("account_reauthenticate")

pytestmark = pytest.mark.usefixtures("_empty_cache")


def sign_in(client: Client) -> str:
    form = {"login": "viewer", "password": PASSWORD}
    return client.post(LOGIN, form).headers["Location"]


def code_of(secret: str, steps: int = 0) -> str:
    code: str = format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))
    return code


@pytest.fixture
def secret(client: Client, viewer: User) -> str:
    """Set up an app and sign out; return its secret."""
    sign_in(client)
    # Pages that show secrets require reauthentication.
    assert client.get(ACTIVATE).headers["Location"] == f"{CONFIRM}?next={ACTIVATE_}"
    client.post(CONFIRM, {"password": PASSWORD})
    page = client.get(ACTIVATE).text
    match = re.search(r'class="copyable">([A-Z2-7]+)<', page)
    assert match
    # The content security policy forbids data: URLs and inline styles.
    assert "<svg" in page
    assert "data:image" not in page
    assert "style=" not in page
    response = client.post(ACTIVATE, {"code": code_of(match[1], -1)})
    assert response.headers["Location"] == reverse("mfa_view_recovery_codes")
    client.post(reverse("account_logout"))
    return match[1]


def is_inside(client: Client) -> bool:
    return client.get("/instances/").status_code == 200


def test_the_password_alone_opens_nothing(client: Client, secret: str) -> None:
    assert sign_in(client) == AUTHENTICATE
    assert not is_inside(client)
    assert client.post(AUTHENTICATE, {"code": "000000"}).status_code == 200
    assert not is_inside(client)


def test_a_code_opens_and_counts_once(client: Client, secret: str) -> None:
    code = code_of(secret)
    sign_in(client)
    assert client.post(AUTHENTICATE, {"code": code}).headers["Location"] == "/"
    assert is_inside(client)
    other = Client()
    sign_in(other)
    other.post(AUTHENTICATE, {"code": code})
    assert not is_inside(other)


@pytest.mark.parametrize("seconds", [31, 59])
def test_a_used_code_is_rejected_a_step_later(
    client: Client, secret: str, settings: Any, seconds: int
) -> None:
    # This cache uses the moved clock.
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }
    with time_machine.travel(time.time() // 30 * 30, tick=False) as clock:
        code = code_of(secret, 1)
        sign_in(client)
        client.post(AUTHENTICATE, {"code": code})
        assert is_inside(client)
        clock.shift(seconds)
        assert validate_totp_code(secret, code), "it is still of a step that is taken"
        other = Client()
        sign_in(other)
        other.post(AUTHENTICATE, {"code": code})
        assert not is_inside(other)
        other.post(AUTHENTICATE, {"code": code_of(secret, 1)})
        assert is_inside(other)


def test_the_code_of_the_setup_is_rejected_at_the_sign_in(
    client: Client, viewer: User
) -> None:
    sign_in(client)
    client.post(CONFIRM, {"password": PASSWORD})
    code = code_of(client.get(ACTIVATE).context["form"].secret)
    assert client.post(ACTIVATE, {"code": code}).status_code == 302
    other = Client()
    assert sign_in(other) == AUTHENTICATE
    other.post(AUTHENTICATE, {"code": code})
    assert not is_inside(other)


def test_a_recovery_code_opens_and_counts_once(client: Client, secret: str) -> None:
    codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    code = codes.wrap().get_unused_codes()[0]
    sign_in(client)
    client.post(AUTHENTICATE, {"code": code})
    assert is_inside(client)
    assert code not in client.get(reverse("mfa_view_recovery_codes")).text
    other = Client()
    sign_in(other)
    other.post(AUTHENTICATE, {"code": code})
    assert not is_inside(other)


def test_guessing_codes_is_slowed_down(client: Client, secret: str) -> None:
    sign_in(client)
    for number in range(12):
        client.post(AUTHENTICATE, {"code": f"{number:06}"})
    client.post(AUTHENTICATE, {"code": code_of(secret)})
    assert not is_inside(client)


def test_the_seed_is_sealed_in_the_database(client: Client, secret: str) -> None:
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    for codes in Authenticator.objects.filter(type="recovery_codes"):
        assert codes.data["seed"].startswith("gcm:")


def test_an_admin_resets_it(
    client: Client, secret: str, admin: User, viewer: User
) -> None:
    other = Client()
    sign_in(other)
    other.post(AUTHENTICATE, {"code": code_of(secret)})
    assert is_inside(other)
    services.reset_second_factor(user=viewer, actor=admin)
    assert not is_inside(other)
    sign_in(client)
    assert is_inside(client)
    event = AuditEvent.objects.get(action="user.second_factor_reset")
    assert event.before == {"factors": ["recovery_codes", "totp"]}


def test_switching_it_off_wants_the_password_again(client: Client, secret: str) -> None:
    sign_in(client)
    client.post(AUTHENTICATE, {"code": code_of(secret)})
    response = client.get(reverse("mfa_deactivate_totp"))
    assert response.status_code == 302
    assert "reauthenticate" in response.headers["Location"]


@pytest.mark.parametrize(
    "name",
    [
        *("mfa_index", "mfa_list_webauthn", "mfa_add_webauthn", "mfa_activate_totp"),
        *("usersessions_list", "account_change_password", "account_logout"),
        *("account_reauthenticate", "mfa_view_recovery_codes"),
        *("mfa_generate_recovery_codes", "mfa_deactivate_totp"),
    ],
)
def test_pages_keep_to_the_content_policy(
    client: Client, viewer: User, name: str
) -> None:
    sign_in(client)
    client.post(CONFIRM, {"password": PASSWORD})
    page = client.get(reverse(name), follow=True)
    assert page.status_code in {200, 404}
    assert "style=" not in page.text
    assert not re.search(r"\son\w+=", page.text)
    inline = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", page.text)
    assert all('type="application/json"' in attributes for attributes in inline)


@pytest.mark.parametrize(
    "path",
    [
        *("email/", "confirm-email/", "login/code/confirm/", "3rdparty/"),
        *("password/reset/", "2fa/webauthn/signup/"),
    ],
)
def test_unused_pages_of_allauth_do_not_exist(
    client: Client, viewer: User, path: str
) -> None:
    sign_in(client)
    assert client.get(f"/accounts/{path}").status_code in {302, 404}
    assert "reset" not in client.get("/accounts/login/").text
