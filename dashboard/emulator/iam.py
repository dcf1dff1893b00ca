"""The identity service: tokens, projects and authentication.

Source: ``docs/modelarts-api.md``, C.1 (tokens), D.3 (codes).
"""

import hmac
import json
import secrets
import threading
from typing import Any

from .clock import Clock
from .errors import RefusalError, gateway_refusal, iam_refusal, service_refusal
from .keys import KeyRing, incorrect
from .keystone import Token, find_project, is_ours, token_document
from .message import Answer, Request
from .people import DOMAIN_ID, PROJECTS, USERS, Project, User


class Iam:
    """Issues and checks tokens, checks signatures.

    Args:
        clock: The cloud's clock: tokens expire by it.
        token_seconds: Emulated seconds; 24 hours in the documents.

    Attributes:
        password_expires_at: Of everybody, as tokens say it; empty for never.
    """

    def __init__(self, clock: Clock, token_seconds: float = 86_400) -> None:
        self._clock = clock
        self.token_seconds = token_seconds
        self.password_expires_at = ""
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        self._keys = KeyRing(clock)

    def issue(self, request: Request) -> Answer:
        """``POST /v3/auth/tokens``: 201, the token only in ``X-Subject-Token``."""
        try:
            auth = json.loads(request.body)["auth"]
            identity = auth["identity"]
            methods = tuple(identity["methods"])
            user = self._identify(identity, methods)
            project = find_project(auth.get("scope"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise iam_refusal(400, f"The request body is invalid: {error}") from None
        now_ms = self._clock.now_ms()
        expires_ms = now_ms + int(self.token_seconds * 1000)
        token = Token(user, project, methods, now_ms, expires_ms)
        # Real tokens are several kilobytes of CMS, so this one is long, too.
        text = "MIIF" + secrets.token_urlsafe(1_500)
        with self._lock:
            self._tokens[text] = token
        with_catalog = not request.query.get("nocatalog")
        return Answer(
            201,
            self._document(token, request.base_url, with_catalog),
            {"X-Subject-Token": text},
        )

    def show(self, request: Request) -> Answer:
        """``GET`` and ``HEAD /v3/auth/tokens``: describe X-Subject-Token."""
        self.authenticate(request)
        text = request.headers.get("x-subject-token", "")
        document = self._document(self._subject(text), request.base_url, True)
        return Answer(200, document, {"X-Subject-Token": text})

    def _document(
        self, token: Token, base_url: str, with_catalog: bool
    ) -> dict[str, Any]:
        document = token_document(token, base_url, with_catalog)
        document["token"]["user"]["password_expires_at"] = self.password_expires_at
        return document

    def revoke(self, request: Request) -> Answer:
        """``DELETE /v3/auth/tokens``: revoke X-Subject-Token."""
        self.authenticate(request)
        text = request.headers.get("x-subject-token", "")
        self._subject(text)
        with self._lock:
            self._tokens.pop(text, None)
        return Answer(204)

    def projects(self, request: Request) -> Answer:
        """``GET /v3/projects?name=``: the account's projects."""
        self.authenticate(request)
        name = request.query.get("name")
        base = f"{request.base_url}/v3/projects"
        projects = [
            {
                "is_domain": False,
                "description": "",
                "links": {"self": f"{base}/{project.id}"},
                "enabled": True,
                "id": project.id,
                "parent_id": DOMAIN_ID,
                "domain_id": DOMAIN_ID,
                "name": project.name,
            }
            for project in PROJECTS
            if name in {None, project.name}
        ]
        links = {"self": base, "previous": None, "next": None}
        return Answer(200, {"links": links, "projects": projects})

    def authenticate(self, request: Request) -> Token:
        """Check the caller's own token; refuse it with 401, as Keystone does."""
        token = self._valid(request.headers.get("x-auth-token", ""))
        if token is None:
            raise iam_refusal(401, "The request you have made requires authentication.")
        return token

    def authorize(self, request: Request, project_id: str) -> User:
        """Check a request to ModelArts, by token or by signature.

        Raises:
            RefusalError: 401 APIG.0301, .0303 and .0307; 400 ModelArts.0204 for a token
                without project; 403 ModelArts.0210 for another project's.
        """
        user, project = self.identify(request)
        if "authorization" in request.headers:
            known = {project.id for project in PROJECTS}
            named = request.headers.get("x-project-id", project_id)
            if project_id not in known or named != project_id:
                raise _wrong_project()
            return user
        if project is None:
            raise service_refusal("0204", "The token carries no project.")
        if project.id != project_id:
            raise _wrong_project()
        return user

    def identify(self, request: Request) -> tuple[User, Project | None]:
        """Check a token or a signature; return who calls, and the token's project.

        A signature names no project here, whatever its headers say.

        Raises:
            RefusalError: 401 APIG.0301, .0303 and .0307.
        """
        text = request.headers.get("x-auth-token")
        header = request.headers.get("authorization")
        if (text is None) == (header is None):
            # Both at once is forbidden (C); neither is no authentication.
            raise incorrect("x-auth-token or signature not found", request)
        if header is not None:
            return self._keys.verify(request, header), None
        token = self._tokens.get(text or "")
        if token is None:
            raise incorrect("decrypt token fail", request)
        if token.expires_ms <= self._clock.now_ms():
            raise gateway_refusal("0307", "The token must be updated.", 401, request.id)
        return token.user, token.project

    def revoke_all(self) -> int:
        """Invalidate all tokens and return their number."""
        with self._lock:
            count = len(self._tokens)
            self._tokens.clear()
        return count

    def _identify(self, identity: dict[str, Any], methods: tuple[str, ...]) -> User:
        if methods == ("token",):
            token = self._valid(identity["token"]["id"])
            if token is None:
                raise iam_refusal(401, "The token is invalid.")
            return token.user
        if methods != ("password",):
            raise ValueError("methods")
        given = identity["password"]["user"]
        for user in USERS.values():
            if given.get("id") == user.id or (
                given.get("name") == user.name and is_ours(given["domain"])
            ):
                if hmac.compare_digest(
                    str(given["password"]).encode(), user.password.encode()
                ):
                    return user
                break
        raise iam_refusal(401, "The username or password is wrong.")

    def _subject(self, text: str) -> Token:
        token = self._valid(text)
        if token is None:
            raise iam_refusal(404, "The token cannot be found.")
        return token

    def _valid(self, text: str) -> Token | None:
        token = self._tokens.get(text)
        if token is None or token.expires_ms <= self._clock.now_ms():
            return None
        return token


def _wrong_project() -> RefusalError:
    return service_refusal(
        "0210", "The project in the URL is not the one of the token.", 403
    )
