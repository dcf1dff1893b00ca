"""The API over HTTP: one exchange for each call, errors as sentences."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import quote

import httpx

from .config import Config
from .errors import Code, CommandError, UnreachableError

TIMEOUT_SECONDS = 15
ATTEMPTS = 3
"""Of a write: each has its own key, so that trying again does nothing twice."""

_CODES = {401: Code.SETUP, 403: Code.REFUSED, 404: Code.NOT_FOUND}

type Json = dict[str, Any]


class Api:
    """Curfew, as far as a command needs it.

    Args:
        config: Where it is, and the token.
        transport: For tests.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        config: Config,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause = pause
        self._http = httpx.Client(
            base_url=f"{config.url}/api/v1",
            headers={"Authorization": f"Bearer {config.token}"},
            timeout=TIMEOUT_SECONDS,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, query: dict[str, str] | None = None) -> Json | None:
        """A document; None for 204."""
        return self._ask("GET", path, params=query or {})

    def write(self, method: str, path: str, body: Json | None = None) -> Json | None:
        """A write, tried again under the same key while the answer is lost."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._ask(method, path, json=body or {}, headers=headers)
            except UnreachableError as error:
                if attempt == ATTEMPTS:
                    raise
                self._pause(error.wait_seconds or 2**attempt)
        raise AssertionError("it either returns or raises")

    def pages(self, path: str, query: dict[str, str]) -> Iterator[Json]:
        """Every item of a list, page by page."""
        number = 1
        while True:
            asked = query | {"page": str(number), "per_page": "100"}
            told = self.get(path, asked) or {"items": [], "pages": 0}
            yield from told["items"]
            if number >= told["pages"]:
                return
            number += 1

    def find(self, wanted: str) -> Json:
        """The instance that a person means, by ``cloud/id``, id or name.

        Raises:
            CommandError: None or several are meant.
        """
        cloud, slash, instance_id = wanted.rpartition("/")
        if slash:
            return self.get(path_of(cloud, instance_id)) or {}
        found = [
            one
            for one in self.pages("/instances", {"q": wanted[:512]})
            if wanted in (one["name"], one["instance_id"])
        ]
        if len(found) == 1:
            (one,) = found
            return self.get(path_of(one["cloud"], one["instance_id"])) or {}
        if not found:
            raise CommandError(Code.NOT_FOUND, f"No instance matches “{wanted}”.")
        names = ", ".join(f"{one['cloud']}/{one['instance_id']}" for one in found)
        raise CommandError(Code.NOT_FOUND, f"“{wanted}” is ambiguous: {names}.")

    def _ask(self, method: str, path: str, **sent: Any) -> Json | None:
        try:
            response = self._http.request(method, path, **sent)
        except httpx.HTTPError as error:
            kind = type(error).__name__
            raise UnreachableError(f"Cannot reach Curfew ({kind}).") from None
        status = response.status_code
        if status == 204:
            return None
        if status < 300:
            return _document(response)
        if status == 429 or status >= 500:
            wait = response.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdecimal() else 0
            raise UnreachableError(f"Curfew returned {status}.", min(seconds, 120))
        raise CommandError(_CODES.get(status, Code.REFUSED), _sentence(response))


def path_of(cloud: str, instance_id: str) -> str:
    """Address of an instance; docs/api.md says what a path cannot hold."""
    return f"/instances/{_part(cloud)}/{_part(instance_id)}"


def _part(name: str) -> str:
    only_dots = not name.strip(".")
    signs = (
        "".join(f"~{byte:02X}" for byte in sign.encode())
        if only_dots or sign in "/~\\" or not sign.isprintable()
        else sign
        for sign in name
    )
    return quote("".join(signs), safe="~")


def _document(response: httpx.Response) -> Json:
    try:
        told: Json = response.json()
    except ValueError:
        told = {}
    if not isinstance(told, dict) or not told:
        said = "The server at CURFEW_URL is not a Curfew API. Check the URL."
        raise CommandError(Code.SETUP, said)
    return told


def _sentence(response: httpx.Response) -> str:
    """Why it was refused; of a conflict with both values."""
    try:
        told: Json = response.json()
        said = [str(told["detail"])]
        said += [
            f"{one['field']}: was {one['seen']!r}, is now {one['now']!r}."
            for one in told.get("differences", [])
        ]
    except (ValueError, KeyError, TypeError):
        return f"Curfew returned {response.status_code}."
    return " ".join(said)
