"""Poll tokens: with one, a poll of an unchanged page is answered without SQL.

A token is bound to the session and to the URL of the poll with its filters. It names a
fleet version and what the page showed then (``SharedPage``), and expires after a
minute. It gives access to no data: it shows at most that the page is still the same.
Django answers the poll of a page that has changed, with all checks.
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
"""A session that has ended gets 204 for at most this long."""

_MAX_LENGTH = 200


class SharedPage(NamedTuple):
    """What a page shows, for everyone who sees the same.

    Attributes:
        key: ``page_key`` of the page; empty for one that is not shared.
        digest: Of all that changes on it with the fleet; letters and digits.
    """

    key: str = ""
    digest: str = ""


ALONE = SharedPage()
"""Of a page whose polls Django answers after each change of the fleet."""


class PollToken(NamedTuple):
    """The content of a poll token.

    Attributes:
        version: Fleet version of the page as drawn.
        expires_at: Unix time in seconds.
        cloud_pk: The cloud whose age the page shows; 0 for all.
        page: What the page showed at that version.
    """

    version: int
    expires_at: int
    user_pk: int
    cloud_pk: int
    page: SharedPage


def issue(
    *,
    version: int,
    user_pk: int,
    session_key: str,
    url: str,
    cloud_pk: int = 0,
    until_ms: int | None = None,
    page: SharedPage = ALONE,
) -> str:
    """Return a poll token for the next minute.

    Call it only after session, person and permissions were checked.

    Args:
        version: Read before what the page shows.
        user_pk, session_key: The person who polls, and their session.
        url: Path, from the root of the host, and query that the poller requests.
        cloud_pk, page: See ``PollToken``.
        until_ms: When the page changes without a new version, Unix **ms**; the token
            expires before.
    """
    expires_at = int(time.time()) + LIFE_SECONDS
    if until_ms is not None:
        expires_at = min(expires_at, until_ms // 1000)
    content = f"{version}.{expires_at}.{user_pk}.{cloud_pk}.{page.key}.{page.digest}"
    path, _, query = url.partition("?")
    mac = _mac(content, session_key, unquote_to_bytes(path), query)
    return f"{content}.{mac.decode()}"


def read(
    text: str, *, session_key: str, path: bytes, query: str, may_be_old: bool = False
) -> PollToken | None:
    """Return the content of a poll token; None unless it is valid for this request.

    Args:
        text: The header.
        session_key: From the cookie.
        path: Percent-decoded.
        query: As received.
        may_be_old: Whether to read one that has expired, too.
    """
    content, _, mac = text[:_MAX_LENGTH].rpartition(".")
    if not hmac.compare_digest(_mac(content, session_key, path, query), mac.encode()):
        return None
    *numbers, key, digest = content.split(".")
    version, expires_at, user_pk, cloud_pk = map(int, numbers)
    if expires_at <= time.time() and not may_be_old:
        return None
    page = SharedPage(key, digest)
    return PollToken(version, expires_at, user_pk, cloud_pk, page)


def expires_at(text: str) -> int:
    """Return when a valid poll token expires, Unix seconds."""
    return int(text.split(".")[1])


def page_key(*parts: object) -> str:
    """Return the key of a page for ``SharedPage``.

    Args:
        parts: All that decides what the page shows, apart from the fleet: what the
            person may see, filters, order, page. Their ``repr`` must be stable.
    """
    text = repr(parts).encode()
    return hashlib.blake2b(text, key=_key(), digest_size=12).hexdigest()


def _mac(content: str, session_key: str, path: bytes, query: str) -> bytes:
    # Neither numbers nor keys contain a line break; the length of the path is signed.
    head = f"{content}\n{session_key}\n{len(path)}\n".encode()
    message = head + path + query.encode("utf-8", "surrogateescape")
    digest = hmac.digest(_key(), message, "sha256")
    return urlsafe_b64encode(digest[:18])


@cache
def _key() -> bytes:
    secret = settings.SECRET_KEY.encode()
    return hashlib.sha256(b"curfew.tokens\n" + secret).digest()
