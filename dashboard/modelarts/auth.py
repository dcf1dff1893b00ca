"""Authentication of ModelArts requests, by token or by signature.

Source: ModelArts API Reference, "Authentication".
"""

import copy
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from urllib.parse import parse_qsl

import httpx

from dashboard.modelarts import signing
from dashboard.modelarts.errors import (
    AuthenticationError,
    ModelArtsError,
    NotSentError,
)
from dashboard.modelarts.iam import IssuedToken, PasswordCredentials, fetch_token
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.responses import error_from
from dashboard.outbound.transport import deadline

HOLD_SECONDS = 60.0
"""How long no thread signs in after our credentials were refused."""

_RENEWED_AT = 0.8  # of a token's lifetime
_JITTER = 0.05  # so that processes started together do not renew together
_RETRY_RENEWAL_SECONDS = 30.0

type _Flow = Generator[httpx.Request, httpx.Response, None]


@dataclass(eq=False)
class _CachedToken:
    """A token in use. Times are seconds of the monotonic clock."""

    issued: IssuedToken = field(repr=False)
    renew_at: float
    expires_at: float
    replaces_refused: bool
    accepted: bool = False


class IamTokenAuth(httpx.Auth):
    """Signs in with a password and sends the token with each request.

    A token is renewed after 80 % of its lifetime, give or take 5 %. When the cloud
    refuses a token, it is replaced and the request is sent once more. One thread signs
    in for all. When IAM refuses the sign-in, or the cloud refuses the new token too, no
    thread signs in for a minute: wrong passwords lock the user.
    """

    def __init__(
        self,
        credentials: PasswordCredentials,
        *,
        with_catalog: bool,
        region: str | None = None,
        verify: bool | str = True,
        proxy: str | None = None,
        fetch: Callable[[], IssuedToken] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the settings; nothing is sent before the first request.

        Args:
            credentials: Who signs in.
            with_catalog: Whether the address of ModelArts must come from the token.
            region: The region whose ModelArts to take from the catalog.
            verify: See ``transport.open_http``.
            proxy: See ``transport.open_http``.
            fetch: Replaces the sign-in at IAM, for tests.
            clock: Monotonic seconds.
        """
        self._fetch = fetch or partial(
            fetch_token,
            credentials,
            with_catalog=with_catalog,
            region=region,
            verify=verify,
            proxy=proxy,
        )
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _CachedToken | None = None
        self._refusal: AuthenticationError | None = None
        self._held_until = 0.0

    def scope(self) -> IssuedToken:
        """Return the current token; sign in if there is none.

        Raises:
            ModelArtsError: As ``iam.fetch_token``.
        """
        return self._current().issued

    @property
    def password_expires_at(self) -> datetime | None:
        """When the password expires, as the last sign-in has said; else None."""
        token = self._token
        return token.issued.password_expires_at if token else None

    def sync_auth_flow(self, request: httpx.Request) -> _Flow:
        """Send with the token; once more with a new one if it is refused.

        Raises:
            ModelArtsError: As ``iam.fetch_token``; nothing was changed then.
        """
        token = self._current()
        request.headers["X-Auth-Token"] = token.issued.value
        refusal = _refusal(token, (yield request))
        if refusal is None:
            return
        token = self._replace(token, refusal)
        request.headers["X-Auth-Token"] = token.issued.value
        refusal = _refusal(token, (yield request))
        if refusal is not None:
            self._give_up(token, refusal)

    def without_renewal(self) -> httpx.Auth:
        """Return an authentication that sends the token and ignores a refusal.

        For other services than ModelArts, which may refuse a token that ModelArts
        accepts: that must not stop the calls to ModelArts.
        """
        return _BorrowedTokenAuth(self)

    def _current(self) -> _CachedToken:
        token = self._token
        now = self._clock()
        if token is None or now >= token.expires_at:
            with self._locked():
                return self._token_or_new()
        if now >= token.renew_at and self._lock.acquire(blocking=False):
            # Other threads use the old token meanwhile; so does this one if IAM is
            # down.
            try:
                return self._renew_ahead(token)
            finally:
                self._lock.release()
        return token

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with deadline() as current:
            if not self._lock.acquire(timeout=max(current.remaining_seconds(), 0.0)):
                raise NotSentError(Problem.SIGN_IN_TOO_SLOW)
            try:
                yield
            finally:
                self._lock.release()

    def _token_or_new(self, *, replaces_refused: bool = False) -> _CachedToken:
        token = self._token
        if token is None or self._clock() >= token.expires_at:
            token = self._sign_in(replaces_refused=replaces_refused)
        return token

    def _renew_ahead(self, old: _CachedToken) -> _CachedToken:
        if self._token is not old:
            return self._token_or_new()
        try:
            return self._sign_in(replaces_refused=False)
        except ModelArtsError:
            old.renew_at = self._clock() + _RETRY_RENEWAL_SECONDS
            return old

    def _replace(
        self, refused: _CachedToken, refusal: AuthenticationError
    ) -> _CachedToken:
        with self._locked():
            if self._token is refused:
                if refused.replaces_refused and not refused.accepted:
                    # It was renewed and never accepted: another thread is about to
                    # find out the same, and one more token would not help either.
                    self._hold(refusal)
                self._token = None
            return self._token_or_new(replaces_refused=True)

    def _give_up(self, refused: _CachedToken, refusal: AuthenticationError) -> None:
        with self._locked():
            if self._token is refused:
                self._token = None
            self._hold(refusal)

    def _sign_in(self, *, replaces_refused: bool) -> _CachedToken:
        """Sign in at IAM; the caller has the lock."""
        now = self._clock()
        if self._refusal is not None and now < self._held_until:
            # A copy, since threads must not share a traceback.
            refusal = copy.copy(self._refusal)
            refusal.retry_after_seconds = self._held_until - now
            raise refusal
        try:
            issued = self._fetch()
        except AuthenticationError as error:
            self._token = None
            self._hold(error)
            raise
        self._refusal = None
        share = _RENEWED_AT * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        self._token = _CachedToken(
            issued,
            renew_at=now + share * issued.life_seconds,
            expires_at=now + issued.life_seconds,
            replaces_refused=replaces_refused,
        )
        return self._token

    def _hold(self, refusal: AuthenticationError) -> None:
        self._refusal = refusal
        self._held_until = self._clock() + HOLD_SECONDS


class _BorrowedTokenAuth(httpx.Auth):
    """Sends the token of another authentication, and ignores its refusal."""

    def __init__(self, lender: IamTokenAuth) -> None:
        self._lender = lender

    def auth_flow(self, request: httpx.Request) -> _Flow:
        request.headers["X-Auth-Token"] = self._lender.scope().value
        yield request


class StaticTokenAuth(httpx.Auth):
    """Sends a configured token (``auth.token``), which cannot be renewed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> _Flow:
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
            access_key: ID of the key (AK).
            secret_key: The key (SK).
            project_id: Sent and signed as ``X-Project-Id``.
            security_token: Belongs to a temporary key.
            now: Aware time; the cloud allows a difference of 15 minutes.
        """
        self._access_key = access_key
        self._secret_key = secret_key
        self._project_id = project_id
        self._security_token = security_token
        self._now = now

    def auth_flow(self, request: httpx.Request) -> _Flow:
        """Sign the request; its query is rewritten to the form that is signed."""
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


def _refusal(
    token: _CachedToken, response: httpx.Response
) -> AuthenticationError | None:
    """Return the error if the answer refuses the token; note it if not."""
    if response.is_client_error:
        response.read()
        error = error_from(response)
        if isinstance(error, AuthenticationError):
            return error
    token.accepted = True
    return None
