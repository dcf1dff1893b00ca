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
        """Return a document; None for 204."""
        return self._ask("GET", path, params=query or {})

    def write(self, method: str, path: str, body: Json | None = None) -> Json | None:
        """Send a write; repeat it with the same key if the answer is lost."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._ask(method, path, json=body or {}, headers=headers)
            except UnreachableError as error:
                if attempt == ATTEMPTS:
                    raise
                self._pause(error.wait_seconds or 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def pages(self, path: str, query: dict[str, str]) -> Iterator[Json]:
        """Yield all items of a list."""
        number = 1
        while True:
            params = query | {"page": str(number), "per_page": "100"}
            page = self.get(path, params) or {"items": [], "pages": 0}
            yield from page["items"]
            if number >= page["pages"]:
                return
            number += 1

    def find(self, reference: str) -> Json:
        """Return the instance with this ``cloud/id``, id or name.

        Raises:
            CommandError: There is none, or there are several.
        """
        cloud, slash, instance_id = reference.rpartition("/")
        if slash:
            return self.get(path_of(cloud, instance_id)) or {}
        matches = [
            instance
            for instance in self.pages("/instances", {"q": reference[:512]})
            if reference in (instance["name"], instance["instance_id"])
        ]
        if len(matches) == 1:
            (instance,) = matches
            return self.get(path_of(instance["cloud"], instance["instance_id"])) or {}
        if not matches:
            raise CommandError(Code.NOT_FOUND, f"No instance matches “{reference}”.")
        names = ", ".join(
            f"{match['cloud']}/{match['instance_id']}" for match in matches
        )
        raise CommandError(Code.NOT_FOUND, f"“{reference}” is ambiguous: {names}.")

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
    """Return the path of an instance, escaped as docs/api.md says."""
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
        document: Json = response.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict) or not document:
        raise CommandError(
            Code.SETUP, "The server at CURFEW_URL is not a Curfew API. Check the URL."
        )
    return document


def _sentence(response: httpx.Response) -> str:
    """Return the reason of a refusal; for a conflict, with both values."""
    try:
        error: Json = response.json()
        sentences = [str(error["detail"])]
        sentences += [
            "{field}: was {seen!r}, is now {now!r}.".format_map(difference)
            for difference in error.get("differences", [])
        ]
    except (ValueError, KeyError, TypeError):
        return f"Curfew returned {response.status_code}."
    return " ".join(sentences)
