"""The identity service: tokens, projects, and who sent a request.

Source: modelarts-api.md C.1 (tokens), C.3 (signatures), D.3 (codes).
"""

import hmac
import json
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .clock import Clock
from .errors import RefusalError, gateway_refusal, iam_refusal, service_refusal
from .message import Answer, Request
from .people import (
    DOMAIN_ID,
    DOMAIN_NAME,
    PROJECTS,
    REGION,
    USERS,
    Project,
    User,
    fixed_id,
)
from .signature import expected_signature, parse_authorization, signing_time

SIGNATURE_TOLERANCE_SECONDS = 15 * 60
#: More failures in a row than this lock a key, for this long (C.3).
KEY_FAILURES, KEY_LOCK_SECONDS = 5, 5 * 60


@dataclass(frozen=True)
class Token:
    """An issued token; times are Unix milliseconds of the cloud's clock.

    Attributes:
        project: Scope; None for a token scoped to the domain or to nothing.
    """

    user: User
    project: Project | None
    methods: tuple[str, ...]
    issued_ms: int
    expires_ms: int


class Iam:
    """Issues and checks tokens, checks signatures.

    Args:
        clock: The cloud's clock: tokens expire by it.
        token_seconds: Life of a token, emulated seconds; 24 hours in the documents.
    """

    def __init__(self, clock: Clock, token_seconds: float = 86_400) -> None:
        self._clock = clock
        self.token_seconds = token_seconds
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        self._key_failures: dict[str, int] = {}
        self._locked_until: dict[str, float] = {}

    def issue(self, request: Request) -> Answer:
        """``POST /v3/auth/tokens``: 201, the token only in ``X-Subject-Token``.

        Raises:
            RefusalError: 400 malformed; 401 wrong user, password, domain, token or
                project.
        """
        try:
            auth = json.loads(request.body)["auth"]
            identity = auth["identity"]
            methods = tuple(identity["methods"])
            user = self._identify(identity, methods)
            project = _scope(auth.get("scope"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise iam_refusal(400, f"The request body is invalid: {error}") from None
        now_ms = self._clock.now_ms()
        expires_ms = now_ms + int(self.token_seconds * 1000)
        token = Token(user, project, methods, now_ms, expires_ms)
        # Real ones are several kilobytes of CMS, so this one is long, too.
        text = "MIIF" + secrets.token_urlsafe(1_500)
        with self._lock:
            self._tokens[text] = token
        with_catalog = not request.query.get("nocatalog")
        return Answer(
            201,
            _token_document(token, request.base_url, with_catalog),
            {"X-Subject-Token": text},
        )

    def show(self, request: Request) -> Answer:
        """``GET`` and ``HEAD /v3/auth/tokens``: the token named by X-Subject-Token.

        Raises:
            RefusalError: 401 the caller's token; 404 the subject.
        """
        self.authenticate(request)
        text = request.headers.get("x-subject-token", "")
        document = _token_document(self._subject(text), request.base_url, True)
        return Answer(200, document, {"X-Subject-Token": text})

    def revoke(self, request: Request) -> Answer:
        """``DELETE /v3/auth/tokens``: 204.

        Raises:
            RefusalError: 401 the caller's token; 404 the subject.
        """
        self.authenticate(request)
        text = request.headers.get("x-subject-token", "")
        self._subject(text)
        with self._lock:
            self._tokens.pop(text, None)
        return Answer(204)

    def projects(self, request: Request) -> Answer:
        """``GET /v3/projects?name=``: the account's projects.

        Raises:
            RefusalError: 401.
        """
        self.authenticate(request)
        name = request.query.get("name")
        base = f"{request.base_url}/v3/projects"
        found = [
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
        return Answer(200, {"links": links, "projects": found})

    def authenticate(self, request: Request) -> Token:
        """Check the caller's own token at IAM.

        Raises:
            RefusalError: 401 in Keystone's shape.
        """
        token = self._valid(request.headers.get("x-auth-token", ""))
        if token is None:
            raise iam_refusal(401, "The request you have made requires authentication.")
        return token

    def authorize(self, request: Request, project_id: str) -> User:
        """Check a request to ModelArts, by token or by signature.

        Args:
            request: The request.
            project_id: The project in its URL.

        Raises:
            RefusalError: 401 APIG.0301, .0303 and .0307; 400 ModelArts.0204 for a token
                without project; 403 ModelArts.0210 for another project's.
        """
        text = request.headers.get("x-auth-token")
        header = request.headers.get("authorization")
        if (text is None) == (header is None):
            # Both at once is forbidden (C.3, 1); neither is no authentication.
            raise _incorrect("x-auth-token or signature not found", request)
        if header is not None:
            user = self._verify(request, header)
            known = {project.id for project in PROJECTS}
            named = request.headers.get("x-project-id", project_id)
            if project_id not in known or named != project_id:
                raise _wrong_project()
            return user
        token = self._tokens.get(text or "")
        if token is None:
            raise _incorrect("decrypt token fail", request)
        if token.expires_ms <= self._clock.now_ms():
            raise gateway_refusal("0307", "The token must be updated.", 401, request.id)
        if token.project is None:
            raise service_refusal("0204", "The token carries no project.")
        if token.project.id != project_id:
            raise _wrong_project()
        return token.user

    def revoke_all(self) -> int:
        """Make every token issued so far invalid; return how many there were."""
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
                given.get("name") == user.name and _is_ours(given["domain"])
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

    def _verify(self, request: Request, header: str) -> User:
        authorization = parse_authorization(header)
        if authorization is None:
            raise _incorrect("Authorization format is incorrect", request)
        key = authorization.access_key
        user = next((u for u in USERS.values() if u.access_key == key), None)
        if user is None:
            raise _incorrect("verify aksk signature fail", request)
        now = self._clock.gateway_seconds()
        if self._locked_until.get(key, 0) > now:
            raise _incorrect("AK access failed to reach the limit", request)
        date = request.headers.get("x-sdk-date", "")
        signed_at = signing_time(date)
        if signed_at is None:
            raise _incorrect("X-Sdk-Date is malformed", request)
        if abs(now - signed_at) > SIGNATURE_TOLERANCE_SECONDS:
            server_time = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
            raise gateway_refusal(
                "0303",
                "Incorrect app authentication information: signature expired, "
                f"signature time:{date},server time:{server_time}",
                401,
                request.id,
            )
        expected = expected_signature(
            authorization,
            user.secret_key,
            method=request.method,
            target=request.target,
            headers=request.headers,
            body=request.body,
        )
        if not hmac.compare_digest(expected, authorization.signature):
            self._count_failure(key, now)
            raise _incorrect("verify aksk signature fail", request)
        with self._lock:
            self._key_failures.pop(key, None)
        return user

    def _count_failure(self, key: str, now: float) -> None:
        with self._lock:
            failures = self._key_failures[key] = self._key_failures.get(key, 0) + 1
            if failures > KEY_FAILURES:
                self._locked_until[key] = now + KEY_LOCK_SECONDS
                del self._key_failures[key]


def _scope(scope: Any) -> Project | None:
    """Return the project asked for. With both scopes, the project wins (C.1)."""
    given = (scope or {}).get("project")
    if given is None:
        return None
    for project in PROJECTS:
        # With a name alone IAM looks inside the user's own domain.
        by_name = given.get("name") == project.name and _is_ours(
            given.get("domain", {"id": DOMAIN_ID})
        )
        if given.get("id") == project.id or by_name:
            return project
    raise iam_refusal(401, "The project does not exist or is not accessible.")


def _is_ours(domain: dict[str, Any]) -> bool:
    return domain.get("id") == DOMAIN_ID or domain.get("name") == DOMAIN_NAME


def _token_document(token: Token, base_url: str, with_catalog: bool) -> dict[str, Any]:
    domain = {"id": DOMAIN_ID, "name": DOMAIN_NAME}
    document: dict[str, Any] = {
        "methods": list(token.methods),
        "expires_at": _iso(token.expires_ms),
        "issued_at": _iso(token.issued_ms),
        "user": {
            "domain": domain,
            "id": token.user.id,
            "name": token.user.name,
            "password_expires_at": "",
        },
        "roles": [{"id": fixed_id("role", "te_admin"), "name": "te_admin"}],
    }
    if token.project is None:
        document["domain"] = domain
    else:
        document["project"] = {
            "domain": domain,
            "id": token.project.id,
            "name": token.project.name,
        }
    if with_catalog:
        document["catalog"] = [_entry("identity", "iam", "*", f"{base_url}/v3")]
        if token.project is not None:
            url = f"{base_url}/v1/{token.project.id}"
            document["catalog"].append(
                _entry("modelartsv1", "modelartsv1", REGION, url)
            )
    return {"token": document}


def _entry(kind: str, name: str, region: str, url: str) -> dict[str, Any]:
    return {
        "type": kind,
        "id": fixed_id("service", kind),
        "name": name,
        "endpoints": [
            {
                "url": url,
                "region": region,
                "region_id": region,
                "interface": "public",
                "id": fixed_id("endpoint", kind),
            }
        ],
    }


def _iso(moment_ms: int) -> str:
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _incorrect(reason: str, request: Request) -> RefusalError:
    message = f"Incorrect IAM authentication information: {reason}"
    return gateway_refusal("0301", message, 401, request.id)


def _wrong_project() -> RefusalError:
    return service_refusal(
        "0210", "The project in the URL is not the one of the token.", 403
    )
