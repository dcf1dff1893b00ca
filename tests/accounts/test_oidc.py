"""Single sign-on, against a real OpenID provider."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.core import context
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.test import Client, RequestFactory
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent

from .provider import CALLBACK, LOGIN, Provider, query_of

pytestmark = pytest.mark.usefixtures("_empty_cache")


def is_inside(client: Client) -> bool:
    return client.get("/instances/").status_code == 200


def test_somebody_new_comes_in_as_their_claims_say(
    client: Client, provider: Provider
) -> None:
    response = provider.sign_in(client, "42", "?next=/instances/%3Fq%3Dx")
    assert response.status_code == 302, response.text
    assert response.headers["Location"] == "/instances/?q=x"
    assert is_inside(client)
    user = User.objects.get()
    assert (user.username, user.role) == ("anna", "scientist")
    assert user.email == "anna@example.org"
    assert user.cloud_identifiers == {"anna.schmidt"}
    assert not user.has_usable_password()
    assert user.usersession_set.count() == 1


def test_the_request_is_bound_to_this_browser(
    client: Client, provider: Provider
) -> None:
    query = query_of(provider.begin(client))
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert set(query["scope"].split()) == {"openid", "profile", "email"}
    assert len(query["state"]) >= 22, "128 bits"
    assert len(query["nonce"]) == 64
    second = query_of(provider.begin(client))
    for name in ("state", "nonce", "code_challenge"):
        assert query[name] != second[name]
    provider.sign_in(client, "42")
    assert len(provider.tokens[-1]["code_verifier"]) >= 43


def test_the_url_cannot_add_scopes_or_parameters(
    client: Client, provider: Provider
) -> None:
    query = query_of(
        provider.begin(client, "?scope=admin&auth_params=nonce%3D1&process=connect")
    )
    assert "admin" not in query["scope"]
    assert query["nonce"] != "1"


def test_role_and_upstream_users_follow_at_each_sign_in(
    client: Client, provider: Provider
) -> None:
    provider.sign_in(client, "42")
    provider.know("42", preferred_username="renamed", groups=["science", "admins"])
    client.post(reverse("account_logout"))
    provider.sign_in(client, "42")
    # The highest role counts. ``sub`` identifies the account, not the username.
    user = User.objects.get()
    assert (user.username, user.role) == ("anna", "admin")
    assert user.cloud_identifiers == frozenset()
    event = AuditEvent.objects.get(action="user.role_changed")
    assert (event.before, event.after) == ({"role": "scientist"}, {"role": "admin"})
    assert str(event.reason) == "Set by the identity provider."


def test_somebody_in_no_group_is_refused(client: Client, provider: Provider) -> None:
    provider.know("7", preferred_username="mallory", groups=["everybody"])
    response = provider.sign_in(client, "7")
    assert response.status_code == 403
    assert "None of your groups has access to Curfew." in response.text
    assert not is_inside(client)
    assert not User.objects.exists()


def test_somebody_who_left_all_groups_is_refused(
    client: Client, provider: Provider
) -> None:
    provider.sign_in(client, "42")
    client.post(reverse("account_logout"))
    provider.know("42", preferred_username="anna", groups=[])
    assert provider.sign_in(client, "42").status_code == 403
    assert not is_inside(client)


@pytest.mark.parametrize("provider", [{"oidc_default_role": "viewer"}], indirect=True)
def test_somebody_in_no_group_may_be_a_viewer(
    client: Client, provider: Provider
) -> None:
    provider.know("7", preferred_username="vera", groups=["everybody"])
    provider.sign_in(client, "7")
    assert User.objects.get().role == "viewer"


@pytest.mark.parametrize("provider", [{"oidc_roles": {}}], indirect=True)
def test_without_a_mapping_only_the_invited_come_in(
    client: Client, provider: Provider
) -> None:
    response = provider.sign_in(client, "42")
    assert response.status_code == 403
    assert "You do not have an account yet." in response.text
    invited = User.objects.create_user("anna", role="operator")
    provider.sign_in(client, "42")
    assert is_inside(client)
    invited.refresh_from_db()
    assert invited.role == "operator"


def test_a_name_that_belongs_to_somebody_else_is_refused(
    client: Client, provider: Provider
) -> None:
    User.objects.create_user("anna", password="correct horse battery", role="admin")
    response = provider.sign_in(client, "42")
    assert response.status_code == 403
    assert "Another account has your username." in response.text
    assert not is_inside(client)


def test_another_sub_does_not_get_the_account(
    client: Client, provider: Provider
) -> None:
    provider.sign_in(client, "42")
    client.post(reverse("account_logout"))
    provider.know("43", preferred_username="anna", groups=["admins"])
    assert provider.sign_in(client, "43").status_code == 403
    assert User.objects.get().role == "scientist"


def test_a_deactivated_account_stays_outside(
    client: Client, provider: Provider
) -> None:
    provider.sign_in(client, "42")
    User.objects.update(is_active=False)
    other = Client()
    provider.sign_in(other, "42")
    assert not is_inside(client)
    assert not is_inside(other)


def test_an_unverified_address_is_nobody_s(client: Client, provider: Provider) -> None:
    provider.know(
        "9", preferred_username="x", email="boss@example.org", groups=["science"]
    )
    provider.sign_in(client, "9")
    assert User.objects.get().email == ""


# -- forged answers ------------------------------------------------------------------


def refused(response: Any, client: Client) -> bool:
    return (
        response.status_code == 401
        and "Sign-in failed" in response.text
        and not is_inside(client)
        and not User.objects.exists()
    )


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims


def test_another_issuer(client: Client, provider: Provider) -> None:
    provider.overrides = {"issuer": "https://evil.example"}
    response = client.get(LOGIN)
    assert response.status_code == 401
    assert "Sign-in failed" in response.text


def test_a_provider_that_is_away(client: Client, provider: Provider) -> None:
    provider.overrides = {"token_endpoint": "http://127.0.0.1:1/"}
    assert refused(provider.sign_in(client, "42"), client)


def sign_anew(
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    typ: str | None = "JWT",
) -> None:
    """Sign a token with other claims, by a key that the provider publishes."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    published = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    keys = {"keys": [published | {"kid": "k", "use": "sig", "alg": "RS256"}]}

    def resign(answer: dict[str, Any]) -> dict[str, Any]:
        claims = claims_of(answer["id_token"]) | change
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(claims, key, "RS256", headers={"kid": "k", "typ": typ})
        return answer | {"id_token": token}

    provider.tamper = resign
    monkeypatch.setattr(
        "dashboard.accounts.oidc.Adapter._key",
        lambda self, kid: jwt.PyJWKSet.from_dict(keys)[kid].key,
    )


def test_a_token_signed_anew_is_good(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forged tokens of the next test are thus refused for their claims."""
    sign_anew(provider, monkeypatch, {})
    provider.sign_in(client, "42")
    assert is_inside(client)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": "somebody-else"},
        {"aud": ["curfew", "somebody-else"], "azp": "somebody-else"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"sub": "43"},
        {"nonce": "0" * 64},
        {"nonce": None},
    ],
    ids=lambda change: "-".join(change) + ("-none" if None in change.values() else ""),
)
def test_a_token_that_is_signed_but_not_for_this(
    client: Client,
    provider: Provider,
    change: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_anew(provider, monkeypatch, change)
    assert refused(provider.sign_in(client, "42"), client)


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "logout+jwt"])
def test_a_token_of_another_type(
    client: Client, provider: Provider, typ: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_anew(provider, monkeypatch, {}, typ)
    assert refused(provider.sign_in(client, "42"), client)


@pytest.mark.parametrize("how", ["stranger's key", "none", "shared secret", "garbage"])
def test_a_forged_token(client: Client, provider: Provider, how: str) -> None:
    def forge(answer: dict[str, Any]) -> dict[str, Any]:
        claims = claims_of(answer["id_token"]) | {"groups": ["admins"]}
        kid = jwt.get_unverified_header(answer["id_token"]).get("kid")
        if how == "garbage":
            return answer | {"id_token": "a.b.c"}
        if how == "none":
            return answer | {"id_token": jwt.encode(claims, None, "none")}
        if how == "shared secret":
            secret = "secret" * 8
            return answer | {"id_token": jwt.encode(claims, secret, "HS256")}
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        headers = {"kid": kid} if kid else {}
        return answer | {"id_token": jwt.encode(claims, key, "RS256", headers=headers)}

    provider.tamper = forge
    assert refused(provider.sign_in(client, "42"), client)


def test_an_answer_without_a_token(client: Client, provider: Provider) -> None:
    provider.tamper = lambda answer: {
        name: value for name, value in answer.items() if name != "id_token"
    }
    assert refused(provider.sign_in(client, "42"), client)


def test_a_replayed_answer(client: Client, provider: Provider) -> None:
    back = provider.consent(provider.begin(client), "42")
    assert client.get(back).status_code == 302
    client.post(reverse("account_logout"))
    second = client.get(back)
    assert second.status_code == 401
    assert not is_inside(client)


def test_a_state_of_another_browser(client: Client, provider: Provider) -> None:
    back = provider.consent(provider.begin(Client()), "42")
    assert refused(client.get(back), client)


def test_a_code_of_another_sign_in(client: Client, provider: Provider) -> None:
    """The code is the attacker's, the state the victim's: the nonce differs."""
    mallory = query_of(provider.consent(provider.begin(Client()), "42"))
    state = query_of(provider.begin(client))["state"]
    back = f"{CALLBACK}?code={mallory['code']}&state={state}"
    assert refused(client.get(back), client)


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?error=server_error"])
def test_an_answer_nobody_asked_for(
    client: Client, provider: Provider, query: str
) -> None:
    assert refused(client.get(CALLBACK + query), client)


def test_a_person_may_cancel_there(client: Client, provider: Provider) -> None:
    state = query_of(provider.begin(client))["state"]
    response = client.get(f"{CALLBACK}?error=access_denied&state={state}", follow=True)
    assert "Sign-in cancelled" in response.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_begin(
    client: Client, provider: Provider, site: str
) -> None:
    response = client.get(LOGIN, headers={"Sec-Fetch-Site": site})
    assert response.headers["Location"] == reverse("account_login")


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "/\\e"])
def test_the_sign_in_redirects_to_this_site_only(
    client: Client, provider: Provider, where: str
) -> None:
    response = provider.sign_in(client, "42", f"?next={where}")
    assert response.headers["Location"] == "/"


def test_the_button_is_there(client: Client, provider: Provider) -> None:
    page = client.get("/accounts/login/?next=/edits/").text
    assert f'href="{LOGIN}?next=%2Fedits%2F"' in page
    assert "Sign in with single sign-on" in page


@pytest.mark.parametrize("url", [LOGIN, CALLBACK, "/accounts/oidc/other/login/"])
def test_without_a_provider_there_is_no_such_page(
    client: Client, db: None, url: str
) -> None:
    assert client.get(url).status_code == 404
    assert "single sign-on" not in client.get("/accounts/login/").text


@pytest.mark.parametrize("url", [LOGIN, CALLBACK])
def test_other_methods_are_refused(
    client: Client, provider: Provider, url: str
) -> None:
    assert client.post(url).status_code == 405


def test_a_person_of_the_provider_can_choose_no_password(
    client: Client, provider: Provider
) -> None:
    provider.sign_in(client, "42")
    chosen = {"password1": "one that is long enough", "password2": "one that is long"}
    page = client.get("/accounts/password/change/", follow=True)
    assert "your account has no password" in page.text
    assert client.post("/accounts/password/set/", chosen).status_code == 405
    assert not User.objects.get().has_usable_password()


def test_a_person_of_the_provider_comes_in_by_nothing_else(
    client: Client, provider: Provider, rf: RequestFactory
) -> None:
    provider.sign_in(client, "42")
    anna = User.objects.get()
    browser = Client()
    request = rf.post("/accounts/2fa/webauthn/login/")
    request.session = browser.session
    request.user = AnonymousUser()
    request._messages = FallbackStorage(request)
    with context.request_context(request):
        answer = perform_login(request, Login(user=anna))
    assert answer.headers["Location"] == "/accounts/login/"
    assert not request.user.is_authenticated


def test_an_admin_sees_what_a_sign_in_would_give_and_nobody_signs_in(
    client: Client, provider: Provider, admin: User
) -> None:
    client.force_login(admin)
    provider.know(
        "43",
        preferred_username="zoe",
        groups=["everybody", "science"],
        refresh_token="canary-1",
        other="aaaaaaaaaaaa.bbbbbbbbbbbb.canary-2",
    )
    assert provider.issuer in client.get(reverse("people:sso")).text
    begun = client.get(reverse("people:sso_test")).headers["Location"]
    assert query_of(begun)["prompt"] == "login"
    callback = provider.consent(begun.replace("prompt=login", "prompt=consent"), "43")
    response = client.get(callback)
    assert response.status_code == 200
    for text in ("This sign-in would succeed", "<strong>Scientist<", "zoe", "science"):
        assert text in response.text
    assert "canary" not in response.text
    assert "nonce" in response.text
    assert query_of(begun)["nonce"] not in response.text
    assert [*User.objects.all()] == [admin]
    assert not SocialAccount.objects.exists()
    assert client.session["_auth_user_id"] == str(admin.pk)
    [event] = AuditEvent.objects.filter(action="user.sso_tested")
    assert (event.actor_label, event.target_label) == ("admin", "zoe")
    assert event.after == {"role": "scientist"}
    assert client.get(callback).status_code == 401, "it works once"

    provider.know("44", preferred_username="admin", groups=["science"])
    begun = client.get(reverse("people:sso_test")).headers["Location"]
    callback = provider.consent(begun.replace("prompt=login", "prompt=consent"), "44")
    User.objects.filter(pk=admin.pk).update(role="viewer")
    assert client.get(callback).status_code == 403, "no longer an admin"
    User.objects.filter(pk=admin.pk).update(role="admin")
    assert "Another account has your username" in client.get(callback).text
