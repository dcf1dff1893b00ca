"""Grants: leave to be told "nothing changed" without being looked up again.

A page's poller carries one. It is bound to the session and to the very address that
the poller asks for, so to its filters; it names a version of the fleet and lives for a
minute. It holds no data and opens none: whoever has one learns at most that the fleet
is still at that version; all that changed takes the full path with all its checks.
"""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from django.conf import settings

HEADER = "Curfew-Poll-Token"
ENVIRON_KEY = "HTTP_CURFEW_POLL_TOKEN"
LIFE_SECONDS = 60
"""For so long at most a session that ended goes on to be told that nothing changed."""

_LONGEST = 200


class PollToken(NamedTuple):
    """What a poll_token says.

    Attributes:
        version: The fleet's, of the page as drawn.
        expires_at: Unix time in seconds.
        user_pk: Whose it is.
        cloud_pk: Whose mirror's age the page tells; 0 for that of all clouds.
    """

    version: int
    expires_at: int
    user_pk: int
    cloud_pk: int


def issue(
    *,
    version: int,
    user_pk: int,
    session_key: str,
    url: str,
    cloud_pk: int = 0,
    until_ms: int | None = None,
) -> str:
    """A poll_token for the coming minute.

    Call it only where session, person and all rights were just looked up.

    Args:
        version: Read before what the page shows.
        user_pk: Who asks.
        session_key: Of the session that asks.
        url: Path and query that the poller is going to ask for.
        cloud_pk: See ``PollToken``.
        until_ms: When the page changes by time alone, Unix **ms**: it ends before.
    """
    expires_at = int(time.time()) + LIFE_SECONDS
    if until_ms is not None:
        expires_at = min(expires_at, until_ms // 1000)
    says = f"{version}.{expires_at}.{user_pk}.{cloud_pk}"
    path, _, query = url.partition("?")
    mac = _mac(says, session_key, unquote_to_bytes(path), query)
    return f"{says}.{mac.decode()}"


def read(text: str, *, session_key: str, path: bytes, query: str) -> PollToken | None:
    """What a poll_token says; None when it is none, not for this request, or too old.

    Args:
        text: The header.
        session_key: As the cookie claims.
        path: Of the request, without percent signs.
        query: Of the request, as received.
    """
    says, _, mac = text[:_LONGEST].rpartition(".")
    if not hmac.compare_digest(_mac(says, session_key, path, query), mac.encode()):
        return None
    version, expires_at, user_pk, cloud_pk = map(int, says.split("."))
    if expires_at <= time.time():
        return None
    return PollToken(version, expires_at, user_pk, cloud_pk)


def _mac(says: str, session_key: str, path: bytes, query: str) -> bytes:
    # Neither numbers nor keys hold a line break, and the path's length is told.
    head = f"{says}\n{session_key}\n{len(path)}\n".encode()
    message = head + path + query.encode("utf-8", "surrogateescape")
    digest = hmac.digest(_key(), message, "sha256")
    return urlsafe_b64encode(digest[:18])


@cache
def _key() -> bytes:
    secret = settings.SECRET_KEY.encode()
    return hashlib.sha256(b"curfew.tokens\n" + secret).digest()
