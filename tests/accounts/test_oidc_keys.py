"""The keys that verify the tokens of single sign-on."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import flask
import httpx
import jwt
import pytest
from allauth.socialaccount.models import SocialApp
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from werkzeug.serving import make_server

from dashboard.accounts import oidc
from dashboard.accounts.models import User

from .provider import Provider, query_of
from .test_oidc import claims_of, is_inside, refused

pytestmark = pytest.mark.usefixtures("_empty_cache")

KNOWN_TO_ALL = b"a key that everybody can read where it is published"


class Place:
    """A server that publishes keys.

    Attributes:
        keys: JSON Web Keys.
        asked: How often they were read.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: list[dict[str, Any]] = []
        self.asked = 0


@pytest.fixture
def place(provider: Provider) -> Iterator[Place]:
    """Serve keys at ``/keys``, and a redirect to them at ``/moved``."""
    app = flask.Flask(__name__)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    place = Place(f"http://127.0.0.1:{server.server_port}")

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        place.asked += 1
        return {"keys": place.keys}

    @app.get("/moved")
    def moved() -> Any:
        return flask.redirect("/keys")

    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    place.keys += httpx.get(f"{provider.issuer}/jwks", trust_env=False).json()["keys"]
    provider.overrides = {"jwks_uri": f"{place.url}/keys"}
    yield place
    server.shutdown()
    thread.join()
    server.server_close()


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def signed_by_hand(
    claims: dict[str, Any], header: dict[str, Any], secret: bytes
) -> str:
    """Return a token that PyJWT refuses to create."""
    parts = [encoded(json.dumps(each).encode()) for each in (header, claims)]
    signature = hmac.new(secret, ".".join(parts).encode(), hashlib.sha256).digest()
    if header["alg"] == "none":
        signature = b""
    return ".".join([*parts, encoded(signature)])


def say(provider: Provider, header: dict[str, Any], secret: bytes) -> None:
    """Let the token endpoint return a token of an admin."""

    def forge(answer: dict[str, Any]) -> dict[str, Any]:
        claims = claims_of(answer["id_token"]) | {"groups": ["admins"]}
        return answer | {"id_token": signed_by_hand(claims, header, secret)}

    provider.tamper = forge


def publish_a_shared_secret(place: Place) -> dict[str, str]:
    """Publish a shared secret; return the header of its tokens."""
    place.keys.append(
        {"kty": "oct", "kid": "shared", "alg": "HS256", "k": encoded(KNOWN_TO_ALL)}
    )
    return {"alg": "HS256", "kid": "shared", "typ": "JWT"}


def test_the_provider_s_own_key_is_good(
    client: Client, provider: Provider, place: Place
) -> None:
    provider.sign_in(client, "42")
    assert is_inside(client)
    assert place.asked == 1


def test_a_key_that_everybody_knows(
    client: Client, provider: Provider, place: Place
) -> None:
    say(provider, publish_a_shared_secret(place), KNOWN_TO_ALL)
    assert refused(provider.sign_in(client, "42"), client)


def test_a_shared_secret_works_if_hs256_is_allowed(
    client: Client, provider: Provider, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token of the test above is refused only for its algorithm."""
    monkeypatch.setattr(oidc, "ALGORITHMS", [*oidc.ALGORITHMS, "HS256"])
    say(provider, publish_a_shared_secret(place), KNOWN_TO_ALL)
    provider.sign_in(client, "42")
    assert is_inside(client)
    assert User.objects.get().role == "admin"


@pytest.mark.parametrize("algorithm", ["HS256", "none", "None", "nOnE", "RS256"])
@pytest.mark.parametrize("form", ["pem", "jwk", "modulus"])
def test_a_public_key_is_no_secret(
    client: Client, provider: Provider, place: Place, algorithm: str, form: str
) -> None:
    """The public key is used as an HMAC secret, or there is no signature."""
    (key,) = place.keys
    public = jwt.PyJWK(key).key
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(key).encode(),
        "modulus": key["n"].encode(),
    }[form]
    header = {"alg": algorithm, "typ": "JWT"}
    say(provider, header | ({"kid": key["kid"]} if "kid" in key else {}), secret)
    assert refused(provider.sign_in(client, "42"), client)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_key_that_the_token_brings_along(
    client: Client, provider: Provider, place: Place, kind: str
) -> None:
    """``jwk``, ``jku`` and ``x5u`` of a header are not trusted."""
    key: Any
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        algorithm: Any = jwt.algorithms.RSAAlgorithm
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        algorithm = jwt.algorithms.ECAlgorithm
    public = json.loads(algorithm.to_jwk(key.public_key()))
    header = {"jwk": public, "jku": f"{place.url}/keys", "x5u": f"{place.url}/keys"}
    if "kid" in place.keys[0]:
        header["kid"] = place.keys[0]["kid"]

    def forge(answer: dict[str, Any]) -> dict[str, Any]:
        claims = claims_of(answer["id_token"]) | {"groups": ["admins"]}
        name = {"rsa": "RS256", "ec": "ES256"}[kind]
        token = jwt.encode(claims, key, name, headers=header)
        return answer | {"id_token": token}

    provider.tamper = forge
    assert refused(provider.sign_in(client, "42"), client)


def test_no_redirect_is_followed(
    client: Client, provider: Provider, place: Place
) -> None:
    provider.overrides = {"jwks_uri": f"{place.url}/moved"}
    assert refused(provider.sign_in(client, "42"), client)
    assert place.asked == 0


def test_no_provider_comes_from_the_database(
    client: Client, provider: Provider
) -> None:
    SocialApp.objects.create(
        provider="openid_connect",
        provider_id="sso",
        name="evil",
        client_id="evil",
        settings={"server_url": "http://127.0.0.1:1", "issuer": "http://127.0.0.1:1"},
    )
    address = provider.begin(client)
    assert address.startswith(provider.issuer)
    assert query_of(address)["client_id"] == "curfew"
    assert "evil" not in client.get("/accounts/login/").text


def test_an_address_that_is_taken_stays_where_it_is(
    client: Client, provider: Provider
) -> None:
    other = User.objects.create_user("other", role="admin", email="Anna@example.org")
    provider.sign_in(client, "42")
    assert User.objects.get(username="anna").email == ""
    other.refresh_from_db()
    assert other.email == "Anna@example.org"


def test_no_token_of_theirs_is_kept(client: Client, provider: Provider) -> None:
    """Tokens of the provider are not stored, shown or logged."""
    stored: list[str] = []

    def note(answer: dict[str, Any]) -> dict[str, Any]:
        stored.extend(
            value for name, value in answer.items() if name.endswith("_token") and value
        )
        return answer

    provider.tamper = note
    response = provider.sign_in(client, "42")
    assert is_inside(client)
    page = client.get("/instances/")
    session = json.dumps(dict(client.session.items()), default=str)
    account = User.objects.get().socialaccount_set.get()
    assert not account.socialtoken_set.exists()
    assert len(stored) >= 2
    places = [page.text, session, str(response.headers), str(account.extra_data)]
    assert [token for token in stored for text in places if token in text] == []
