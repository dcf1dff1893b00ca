"""Access keys and their signatures.

Source: ``docs/modelarts-api.md``, C.3 (signatures), D.3 (codes).
"""

import hmac
import threading
from datetime import UTC, datetime

from .clock import Clock
from .errors import RefusalError, gateway_refusal
from .message import Request
from .people import USERS, User
from .signature import (
    DATE_FORMAT,
    expected_signature,
    parse_authorization,
    signing_time,
)

SIGNATURE_TOLERANCE_SECONDS = 15 * 60
#: A key is locked after more failures in a row than this, for this long.
KEY_FAILURES, KEY_LOCK_SECONDS = 5, 5 * 60


class KeyRing:
    """The access keys of all users; counts failures and locks keys."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._locked_until: dict[str, float] = {}

    def verify(self, request: Request, header: str) -> User:
        """Return the user who signed the request; ``header`` is ``Authorization``."""
        authorization = parse_authorization(header)
        if authorization is None:
            raise incorrect("Authorization format is incorrect", request)
        key = authorization.access_key
        user = next((u for u in USERS.values() if u.access_key == key), None)
        if user is None:
            raise incorrect("verify aksk signature fail", request)
        now = self._clock.gateway_seconds()
        if self._locked_until.get(key, 0) > now:
            raise incorrect("AK access failed to reach the limit", request)
        date = request.headers.get("x-sdk-date", "")
        signed_at = signing_time(date)
        if signed_at is None:
            raise incorrect("X-Sdk-Date is malformed", request)
        if abs(now - signed_at) > SIGNATURE_TOLERANCE_SECONDS:
            server_time = datetime.fromtimestamp(now, UTC).strftime(DATE_FORMAT)
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
            raise incorrect("verify aksk signature fail", request)
        with self._lock:
            self._failures.pop(key, None)
        return user

    def _count_failure(self, key: str, now: float) -> None:
        with self._lock:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            if failures > KEY_FAILURES:
                self._locked_until[key] = now + KEY_LOCK_SECONDS
                del self._failures[key]


def incorrect(reason: str, request: Request) -> RefusalError:
    """Build APIG.0301, failed authentication."""
    message = f"Incorrect IAM authentication information: {reason}"
    return gateway_refusal("0301", message, 401, request.id)
