"""Tokens, scopes and rate limits."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.utils import timezone

from dashboard.accounts import services as people
from dashboard.accounts.models import User
from dashboard.api import auth, services
from dashboard.api.models import ApiToken
from dashboard.api.secret_text import digest_of, new_secret
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import Instance

from .conftest import Program, Programs

pytestmark = pytest.mark.usefixtures("_empty_cache")


def test_a_token_opens_the_api_for_its_person(
    program: Programs, scientist: User
) -> None:
    body = program(scientist, "read").get("/me")
    assert body["username"] == "scientist"
    assert body["role"] == "scientist"
    assert body["cloud_users"] == ["anna.schmidt"]
    assert body["token"]["name"] == "laptop"
    assert body["token"]["scopes"] == ["read"]


@pytest.fixture
def _second_factor_for_operators(settings: Any) -> None:
    roles = {"second_factor_roles": ["operator"]}
    settings.CURFEW = settings.CURFEW.model_copy(update=roles)


@pytest.mark.usefixtures("_second_factor_for_operators")
def test_no_token_passes_the_second_factor_that_its_person_lacks(
    program: Programs, scientist: User, admin: User, problem: Any
) -> None:
    asks = program(scientist)
    assert asks.get("/me")["role"] == "scientist"
    people.set_role(user=scientist, role="operator", actor=admin)
    refused = asks("get", "/audit")
    problem(refused, 401, "unauthorized")
    assert "two-factor" in refused.json()["detail"]
    RecoveryCodes.activate(scientist)
    problem(asks("get", "/audit"), 401, "unauthorized")
    TOTP.activate(scientist, generate_totp_secret())
    assert asks.get("/me")["role"] == "operator"
    people.reset_second_factor(user=scientist, actor=admin)
    problem(asks("get", "/audit"), 401, "unauthorized")
    ApiToken.objects.update(revoked_at=timezone.now())
    assert "two-factor" not in asks("get", "/audit").json()["detail"]


@pytest.mark.usefixtures("_second_factor_for_operators")
def test_those_of_the_identity_provider_do_for_single_sign_on_alone(
    program: Programs, operator: User, problem: Any
) -> None:
    asks = program(operator)
    SocialAccount.objects.create(user=operator, provider="oidc", uid="1")
    problem(asks("get", "/me"), 401, "unauthorized")
    operator.set_unusable_password()
    operator.save()
    assert asks.get("/me")["username"] == "operator"


def test_only_its_hash_is_kept(program: Programs, viewer: User) -> None:
    secret = program(viewer).secret
    token = ApiToken.objects.get()
    assert secret.startswith("curfew_")
    assert len(secret) == len("curfew_") + 64
    assert token.digest == digest_of(secret)
    assert secret not in str(ApiToken.objects.values().get())


@pytest.mark.parametrize(
    "header",
    [
        "Bearer curfew_" + "0" * 64,
        "Bearer nonsense",
        "Bearer ",
        "Basic dmlld2VyOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==",
        "Bearer curfew_\u00e9",
    ],
)
def test_invalid_tokens_get_401(
    client: Client, db: None, problem: Any, header: str
) -> None:
    response = client.get("/api/v1/me", headers={"Authorization": header})
    problem(response, 401, "unauthorized")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_session_is_not_taken(client: Client, admin: User, problem: Any) -> None:
    client.force_login(admin)
    for path in ("/me", "/instances", "/audit"):
        response = client.get(f"/api/v1{path}")
        problem(response, 401, "unauthorized")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="Curfew"'


def test_a_session_beside_a_token_changes_nothing(
    program: Programs, viewer: User, admin: User, problem: Any
) -> None:
    asks = program(viewer)
    asks.client.force_login(admin)
    assert asks.get("/me")["username"] == "viewer"
    problem(asks("get", "/audit"), 403, "forbidden")


def test_a_token_opens_no_page(program: Programs, admin: User) -> None:
    headers = {"Authorization": f"Bearer {program(admin).secret}"}
    for path in ("/instances/", "/people/", "/accounts/tokens/", "/audit/export.csv"):
        response = Client().get(path, headers=headers)
        assert response.headers["Location"].startswith("/accounts/login/")


def test_an_expired_token_gets_401(
    program: Programs, viewer: User, problem: Any
) -> None:
    asks = program(viewer)
    with time_machine.travel(timezone.now() + timedelta(days=30, seconds=1)):
        problem(asks("get", "/me"), 401, "unauthorized")


def test_a_revoked_token_gets_401(
    program: Programs, viewer: User, problem: Any
) -> None:
    asks = program(viewer)
    services.revoke_token(token=ApiToken.objects.get(), actor=viewer)
    services.revoke_token(token=ApiToken.objects.get(), actor=viewer)
    problem(asks("get", "/me"), 401, "unauthorized")
    assert AuditEvent.objects.filter(action="token.revoked").count() == 1


def test_tokens_end_with_the_account(
    program: Programs, viewer: User, admin: User, problem: Any
) -> None:
    asks = program(viewer)
    people.deactivate(user=viewer, actor=admin)
    problem(asks("get", "/me"), 401, "unauthorized")
    people.reactivate(user=viewer, actor=admin)
    problem(asks("get", "/me"), 401, "unauthorized")
    event = AuditEvent.objects.get(action="token.revoked")
    assert str(event.reason) == "The account was deactivated."


def test_a_deactivation_past_the_models_closes_it_too(
    program: Programs, viewer: User, problem: Any
) -> None:
    asks = program(viewer)
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    problem(asks("get", "/me"), 401, "unauthorized")


def test_a_one_time_password_closes_it_until_there_is_another(
    program: Programs, viewer: User, admin: User, problem: Any
) -> None:
    asks = program(viewer)
    people.give_one_time_password(user=viewer, actor=admin)
    problem(asks("get", "/me"), 401, "unauthorized")
    viewer.refresh_from_db()
    people.choose_password(user=viewer, password="a long one of my own")
    assert asks.get("/me")["username"] == "viewer"


def test_a_token_has_the_current_rights_of_its_owner(
    program: Programs, operator: User, admin: User, instance: Instance, problem: Any
) -> None:
    asks = program(operator)
    path = f"/instances/{instance.reference}"
    assert asks.get(path)["may_edit"]
    people.set_role(user=operator, role="viewer", actor=admin)
    assert not asks.get(path)["may_edit"]
    problem(asks("post", f"{path}/stop"), 403, "forbidden")
    problem(asks("get", "/audit"), 403, "forbidden")


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("write", "get", "/instances"),
        ("read", "post", "/instances/demo/x/stop"),
        ("read", "patch", "/instances/demo/x"),
        ("read", "get", "/audit"),
        ("audit", "get", "/edits"),
        # The response would reveal instances that the request does not name.
        ("write", "post", "/bulk"),
        ("read", "post", "/bulk"),
    ],
)
def test_a_scope_is_a_bound(
    program: Programs, admin: User, problem: Any, scope: str, method: str, path: str
) -> None:
    response = program(admin, scope)(method, path, {})
    problem(response, 403, "insufficient-scope")
    assert "insufficient_scope" in response.headers["WWW-Authenticate"]


def test_its_use_is_noted_and_its_first_recorded(
    program: Programs, viewer: User
) -> None:
    asks = program(viewer)
    with time_machine.travel("2026-11-25T08:00:00Z", tick=False):
        asks.get("/me")
        asks.get("/me")
    with time_machine.travel("2026-11-25T08:00:59Z", tick=False):
        asks.get("/me")
    token = ApiToken.objects.get()
    assert token.last_used_at.isoformat() == "2026-11-25T08:00:00+00:00"
    assert token.last_used_from == "127.0.0.1"
    with time_machine.travel("2026-11-25T08:01:00Z", tick=False):
        asks.get("/me")
    token.refresh_from_db()
    assert token.last_used_at.isoformat() == "2026-11-25T08:01:00+00:00"
    event = AuditEvent.objects.get(action="token.first_used")
    assert (event.actor, str(event.via)) == (viewer, "token laptop")


@pytest.fixture
def _three(settings: Any) -> Any:
    changed = {"api_requests_per_minute": 3}
    settings.CURFEW = settings.CURFEW.model_copy(update=changed)
    with time_machine.travel("2026-11-25T08:00:10Z", tick=False):
        yield


@pytest.mark.usefixtures("_three")
def test_all_tokens_of_a_person_have_a_pace_together(
    program: Programs, viewer: User, scientist: User, problem: Any
) -> None:
    tokens = [program(viewer, name=f"n{number}") for number in range(6)]
    statuses = [client("get", "/me").status_code for client in tokens for _ in range(2)]
    assert statuses == [200] * 12
    problem(tokens[0]("get", "/me"), 429, "too-many-requests")
    assert program(scientist)("get", "/me").status_code == 200


@pytest.mark.usefixtures("_three")
def test_addresses_that_are_not_there_count_as_well(
    program: Programs, viewer: User, problem: Any
) -> None:
    asks = program(viewer)
    for path in ("/nowhere", "/instances/a/b/c", "/openapi.json"):
        assert asks("get", path).status_code in {200, 404}
    problem(asks("get", "/nowhere"), 429, "too-many-requests")


@pytest.mark.usefixtures("_three")
def test_each_token_has_its_pace(program: Programs, viewer: User, problem: Any) -> None:
    first, second = program(viewer), program(viewer, name="other")
    statuses = [first("get", "/me").status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    response = first("get", "/me")
    problem(response, 429, "too-many-requests")
    assert response.headers["Retry-After"] == "50"
    assert second("get", "/me").status_code == 200


def test_writes_count_with_those_on_the_pages(
    program: Programs, operator: User, settings: Any, problem: Any
) -> None:
    changed = {"writes_per_minute": 2}
    settings.CURFEW = settings.CURFEW.model_copy(update=changed)
    with time_machine.travel("2026-11-25T08:00:10Z", tick=False):
        asks = program(operator)
        asks.client.force_login(operator)
        pages = Client()
        pages.force_login(operator)
        for _ in range(2):
            assert pages.post("/no/such/page").status_code == 404
        problem(asks("post", "/bulk", {}), 429, "too-many-requests")
        assert asks("get", "/me").status_code == 200


def test_guessing_is_slowed_down(db: None, problem: Any) -> None:
    with time_machine.travel("2026-11-25T08:00:10Z", tick=False):
        for _ in range(auth.BAD_TOKENS_PER_MINUTE):
            assert Program(new_secret())("get", "/me").status_code == 401
        problem(Program(new_secret())("get", "/me"), 429, "too-many-requests")


def test_csrf_and_other_sites_do_not_matter(
    program: Programs, operator: User, instance: Instance
) -> None:
    response = program(operator)(
        "patch",
        f"/instances/{instance.reference}",
        {"description": "From afar"},
        Sec_Fetch_Site="cross-site",
        Origin="https://elsewhere.example",
    )
    assert response.status_code == 202
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.cookies == {}
