"""While Redis is away nobody gets in uncounted, and who is in goes on working."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.snapshot import FormSnapshot
from dashboard.instances.models import Instance
from dashboard.web import limits
from dashboard.web.redis_clients import quick_redis, shared_redis
from tests.accounts.test_second_factor import code_of
from tests.conftest import PASSWORD

from .routes import RULES

LOGIN = {"login": "viewer", "password": PASSWORD}


@contextmanager
def redis_away(settings: Any) -> Iterator[None]:
    """Nobody listens where cache, locks and counters should be."""
    caches, curfew = settings.CACHES, settings.CURFEW
    nowhere = caches["default"] | {"LOCATION": "redis://127.0.0.1:1/1"}
    counted = {"writes_per_minute": 100, "polls_per_minute": 100}
    settings.CACHES = {"default": nowhere}
    settings.CURFEW = curfew.model_copy(update=counted)
    forget_connections()
    yield
    settings.CACHES, settings.CURFEW = caches, curfew
    forget_connections()


def forget_connections() -> None:
    limits._backoff_until = 0.0
    for each in (shared_redis, quick_redis):
        each.cache_clear()


@pytest.fixture
def away(settings: Any, _empty_cache: None, db: None) -> Iterator[None]:
    """It is, during the whole test."""
    with redis_away(settings):
        yield


@pytest.mark.usefixtures("away")
def test_the_sign_in_says_so_and_keeps_the_name(client: Client, viewer: User) -> None:
    assert client.get("/accounts/login/").status_code == 200
    answer = client.post("/accounts/login/", LOGIN | {"next": "/edits/"})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "temporarily unavailable" in answer.text
    assert 'value="viewer"' in answer.text
    assert 'value="/edits/"' in answer.text
    assert PASSWORD not in answer.text
    assert "_auth_user_id" not in client.session
    assert client.get("/instances/").status_code == 302, "still outside"


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/accounts/reauthenticate/", {"password": PASSWORD}),
        ("/accounts/password/change/", {"oldpassword": PASSWORD}),
        ("/accounts/2fa/webauthn/login/", {"credential": "{}"}),
    ],
)
def test_so_does_whatever_else_counts(
    client: Client, viewer: User, path: str, form: dict[str, str]
) -> None:
    client.force_login(viewer)
    answer = client.post(path, form)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Temporarily unavailable" in answer.text


@pytest.mark.usefixtures("_empty_cache")
def test_a_code_is_good_once_redis_is_back(
    client: Client, viewer: User, settings: Any
) -> None:
    secret = generate_totp_secret()
    TOTP.activate(viewer, secret)
    assert client.post("/accounts/login/", LOGIN).status_code == 302
    code = {"code": code_of(secret)}
    with redis_away(settings):
        assert client.post("/accounts/2fa/authenticate/", code).status_code == 503
        assert client.get("/instances/").status_code == 302
    assert client.post("/accounts/2fa/authenticate/", code).status_code == 302
    assert client.get("/instances/").status_code == 200


@pytest.mark.parametrize(
    "name", [name for name, rule in RULES.items() if rule.get["admin"] != 405]
)
def test_who_is_signed_in_goes_on_reading(
    client: Client, paths: Mapping[str, str], admin: User, name: str, away: None
) -> None:
    client.force_login(admin)
    answer = client.get(f"{paths[name]}?{RULES[name].query}")
    assert answer.status_code < 500 or name == "metrics:readyz"


def test_and_writing(
    client: Client, instance: Instance, operator: User, away: None
) -> None:
    client.force_login(operator)
    form = {
        "description": "without Redis",
        "auto_stop_enable": "on",
        "auto_stop_hours": "2",
        "seen": FormSnapshot.now(instance).token(instance),
    }
    answer = client.post(f"{instance.get_absolute_url()}edit/", form)
    assert answer.status_code == 303, answer.text
    assert Edit.objects.get().state == "queued"
    assert client.post("/accounts/logout/").status_code == 302
