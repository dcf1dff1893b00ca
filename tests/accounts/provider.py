"""A real OpenID provider on loopback that can send forged answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import httpx
import oidc_provider_mock
from django.test import Client
from oidc_provider_mock import User
from werkzeug.serving import make_server

CALLBACK = "/accounts/oidc/sso/login/callback/"
LOGIN = "/accounts/oidc/sso/login/"

Tamper = Callable[[dict[str, Any]], dict[str, Any]]


class Provider:
    """The provider, as tests control it.

    Attributes:
        issuer: Its address.
        tokens: Bodies of the requests to its token endpoint.
        tamper: Changes what its token endpoint answers.
        overrides: Entries of its discovery document to replace.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.tokens: list[dict[str, str]] = []
        self.tamper: Tamper = lambda answer: answer
        self.overrides: dict[str, Any] = {}

    def know(self, sub: str, **claims: Any) -> None:
        """Add a person to the provider."""
        url = f"{self.issuer}/users/{sub}"
        httpx.put(url, json=claims, trust_env=False).raise_for_status()

    def begin(self, client: Client, query: str = "") -> str:
        """Start a sign-in; return the URL of the provider."""
        response = client.get(LOGIN + query)
        assert response.status_code == 302, response.text
        return response.headers["Location"]

    def consent(self, address: str, sub: str) -> str:
        """Consent as a person; return the callback URL with the code."""
        response = httpx.post(address, data={"sub": sub}, trust_env=False)
        assert response.status_code == 302, response.text
        parts = urlsplit(response.headers["Location"])
        assert parts.path == CALLBACK
        return f"{parts.path}?{parts.query}"

    def sign_in(self, client: Client, sub: str, query: str = "") -> Any:
        """Sign in; return the response to the callback."""
        return client.get(self.consent(self.begin(client, query), sub))


def query_of(address: str) -> dict[str, str]:
    """Return the query parameters of a URL, each of which occurs once."""
    return {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider on a free port. Needs ``AUTHLIB_INSECURE_TRANSPORT``."""
    app = oidc_provider_mock.app(require_nonce=True, user_claims=[User(sub="nobody")])
    seen: list[Provider] = []

    @app.after_request
    def meddle(response: flask.Response) -> flask.Response:
        provider = seen[0]
        if flask.request.path == "/oauth2/token":
            provider.tokens.append(flask.request.form.to_dict())
            body = response.get_json()
            if "id_token" in body:
                response.set_data(flask.json.dumps(provider.tamper(body)))
        if flask.request.path.endswith("openid-configuration"):
            body = response.get_json() | provider.overrides
            response.set_data(flask.json.dumps(body))
        return response

    server = make_server("127.0.0.1", 0, app, threaded=True)
    seen.append(Provider(f"http://127.0.0.1:{server.server_port}"))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield seen[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
