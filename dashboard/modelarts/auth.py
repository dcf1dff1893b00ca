"""How a ModelArts request proves who sends it: by token or by signature.

Source: ModelArts API Reference, "Authentication".
"""

import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import httpx

from dashboard.modelarts import messages, signing
from dashboard.modelarts.errors import (
    AuthenticationError,
    ModelArtsError,
    NotSentError,
)
from dashboard.modelarts.iam import IssuedToken, PasswordCredentials, fetch_token
from dashboard.modelarts.responses import error_from, is_credentials_refusal
from dashboard.outbound.transport import deadline

HOLD_SECONDS = 60.0
"""How long nobody signs in again after our credentials were refused."""

_RENEWED_AT = 0.8  # of a token's life
_JITTER = 0.05  # so that processes started together do not renew together
_RETRY_RENEWAL_SECONDS = 30.0

type Fetch = Callable[[], IssuedToken]


@dataclass(slots=True, eq=False)
class _HeldToken:
    """A token in use. Times are of the monotonic clock, in seconds."""

    issued: IssuedToken = field(repr=False)
    renew_at: float
    expires_at: float
    replaces_refused: bool
    accepted: bool = False


class IamTokenAuth(httpx.Auth):
    """Signs in with a password and sends the token with each request.

    A token is renewed when 80 % of its life are over (give or take 5 %), and once when
    the cloud refuses it; then the request is repeated once. However many threads need
    a token, one signs in. After a refusal that a new token did not mend, or that IAM
    itself spoke, nobody signs in for a minute: wrong passwords lock the user.
    """

    def __init__(
        self,
        credentials: PasswordCredentials,
        *,
        with_catalog: bool,
        region: str | None = None,
        verify: bool | str = True,
        proxy: str | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send nothing before the first request.

        Args:
            credentials: Who signs in.
            with_catalog: Whether the address of ModelArts must come from the token.
            region: Whose ModelArts to take from the catalog.
            verify: See ``transport.open_http``.
            proxy: See ``transport.open_http``.
            fetch: Instead of asking IAM, for tests.
            clock: Monotonic seconds.
        """

        def ask_iam() -> IssuedToken:
            return fetch_token(
                credentials,
                with_catalog=with_catalog,
                region=region,
                verify=verify,
                proxy=proxy,
            )

        self._fetch = fetch or ask_iam
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _HeldToken | None = None
        self._refusal: AuthenticationError | None = None
        self._held_until = 0.0

    def scope(self) -> IssuedToken:
        """Return the present token; sign in if there is none.

        Raises:
            ModelArtsError: As ``iam.fetch_token``.
        """
        return self._present().issued

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send with the token; once more with a new one if it is refused.

        Raises:
            ModelArtsError: As ``iam.fetch_token``; nothing was changed then.
        """
        token = self._present()
        request.headers["X-Auth-Token"] = token.issued.value
        response = yield request
        if not _refused(response):
            token.accepted = True
            return
        token = self._replace(token, response)
        request.headers["X-Auth-Token"] = token.issued.value
        response = yield request
        if _refused(response):
            self._give_up(token, response)
        else:
            token.accepted = True

    def _present(self) -> _HeldToken:
        token = self._token
        now = self._clock()
        if token is None or now >= token.expires_at:
            with self._alone():
                return self._token_or_new()
        if now >= token.renew_at and self._lock.acquire(blocking=False):
            # Others go on with the old token meanwhile, and so do we if IAM is down.
            try:
                return self._renew_ahead(token)
            finally:
                self._lock.release()
        return token

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with deadline() as present:
            patience = max(present.remaining_seconds(), 0.0)
            if not self._lock.acquire(timeout=patience):
                raise NotSentError(messages.SIGN_IN_TOO_SLOW)
            try:
                yield
            finally:
                self._lock.release()

    def _token_or_new(self, *, replaces_refused: bool = False) -> _HeldToken:
        token = self._token
        if token is None or self._clock() >= token.expires_at:
            token = self._sign_in(replaces_refused=replaces_refused)
        return token

    def _renew_ahead(self, old: _HeldToken) -> _HeldToken:
        if self._token is not old:
            return self._token_or_new()
        try:
            return self._sign_in(replaces_refused=False)
        except ModelArtsError:
            old.renew_at = self._clock() + _RETRY_RENEWAL_SECONDS
            return old

    def _replace(self, refused: _HeldToken, response: httpx.Response) -> _HeldToken:
        with self._alone():
            if self._token is refused:
                if refused.replaces_refused and not refused.accepted:
                    # Fresh from a renewal and never accepted: another thread is about
                    # to learn the same. One more token would not help either.
                    self._hold(_authentication_error(response))
                self._token = None
            return self._token_or_new(replaces_refused=True)

    def _give_up(self, refused: _HeldToken, response: httpx.Response) -> None:
        with self._alone():
            if self._token is refused:
                self._token = None
            self._hold(_authentication_error(response))

    def _sign_in(self, *, replaces_refused: bool) -> _HeldToken:
        """Sign in at IAM; the caller has the lock."""
        now = self._clock()
        if self._refusal is not None and now < self._held_until:
            raise _repeated(self._refusal, self._held_until - now)
        try:
            issued = self._fetch()
        except AuthenticationError as error:
            self._token = None
            self._hold(error)
            raise
        self._refusal = None
        # The jitter keeps processes apart and guards no secret.
        share = _RENEWED_AT * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        self._token = _HeldToken(
            issued,
            renew_at=now + share * issued.life_seconds,
            expires_at=now + issued.life_seconds,
            replaces_refused=replaces_refused,
        )
        return self._token

    def _hold(self, refusal: AuthenticationError) -> None:
        self._refusal = refusal
        self._held_until = self._clock() + HOLD_SECONDS


class StaticTokenAuth(httpx.Auth):
    """Sends a configured token (``auth.token``), which cannot be renewed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["X-Auth-Token"] = self._token
        yield request


class AkSkAuth(httpx.Auth):
    """Signs each request with an access key (SDK-HMAC-SHA256)."""

    requires_request_body = True

    def __init__(
        self,
        *,
        access_key: str,
        secret_key: str,
        project_id: str,
        security_token: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Use this key for all requests.

        Args:
            access_key: Name of the key (AK).
            secret_key: The key (SK).
            project_id: Sent and signed as ``X-Project-Id``.
            security_token: Goes with a temporary key.
            now: Aware time; the cloud allows 15 minutes of difference.
        """
        self._access_key = access_key
        self._secret_key = secret_key
        self._project_id = project_id
        self._security_token = security_token
        self._now = now

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign; the query is put into the form that is signed, so both are equal."""
        path, _, sent_query = request.url.raw_path.decode("ascii").partition("?")
        query = signing.canonical_query(parse_qsl(sent_query, keep_blank_values=True))
        target = f"{path}?{query}" if query else path
        request.url = request.url.copy_with(raw_path=target.encode("ascii"))
        request.headers["X-Sdk-Date"] = self._now().strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Project-Id"] = self._project_id
        signed = ["Host", "X-Sdk-Date", "X-Project-Id"]
        if "Content-Type" in request.headers:
            signed.append("Content-Type")
        if self._security_token:
            request.headers["X-Security-Token"] = self._security_token
            signed.append("X-Security-Token")
        request.headers["Authorization"] = signing.authorization(
            access_key=self._access_key,
            secret_key=self._secret_key,
            method=request.method,
            path=path,
            query=query,
            headers={name: request.headers[name] for name in signed},
            body=request.content,
        )
        yield request


def _refused(response: httpx.Response) -> bool:
    if not response.is_client_error:
        return False
    response.read()
    return is_credentials_refusal(response)


def _authentication_error(response: httpx.Response) -> AuthenticationError:
    error = error_from(response)
    return AuthenticationError(
        error.code,
        error.params,
        status=error.status,
        error_code=error.error_code,
        upstream_message=error.upstream_message,
        request_id=error.request_id,
    )


def _repeated(error: AuthenticationError, seconds: float) -> AuthenticationError:
    """Return a copy of the refusal, since threads must not share a traceback."""
    return AuthenticationError(
        error.code,
        error.params,
        status=error.status,
        error_code=error.error_code,
        upstream_message=error.upstream_message,
        request_id=error.request_id,
        retry_after_seconds=seconds,
    )
