"""The API over HTTP."""

import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import quote

import httpx

from .config import Config
from .errors import Code, CommandError, TokenRefusedError, UnreachableError

TIMEOUT_SECONDS = 15
WRITE_ATTEMPTS = 3

_CODES = {401: Code.SETUP, 403: Code.REFUSED, 404: Code.NOT_FOUND}

type Json = dict[str, Any]


class Api:
    def __init__(
        self,
        config: Config,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause = pause
        self._http = httpx.Client(
            base_url=f"{config.url}/api/v1",
            headers={"Authorization": f"Bearer {config.token}"},
            timeout=timeout_seconds,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(
        self, path: str, query: Mapping[str, str | list[str]] | None = None
    ) -> Json | None:
        """Return a document; None for 204."""
        return self._request("GET", path, params=dict(query or {}))

    def write(self, method: str, path: str, body: Json | None = None) -> Json | None:
        """Send a write; repeat it if the response is lost.

        All attempts have the same idempotency key, so that it takes effect only once.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        for attempt in range(1, WRITE_ATTEMPTS):
            try:
                return self._request(method, path, json=body or {}, headers=headers)
            except UnreachableError as error:
                self._pause(error.wait_seconds or 2**attempt)
        return self._request(method, path, json=body or {}, headers=headers)

    def pages(self, path: str, query: Mapping[str, str | list[str]]) -> Iterator[Json]:
        """Yield all items of a list."""
        for number in itertools.count(1):
            params = {**query, "page": str(number), "per_page": "100"}
            page = self.get(path, params) or {"items": [], "pages": 0}
            yield from page["items"]
            if number >= page["pages"]:
                return

    def find(self, reference: str) -> Json:
        """Return the instance with this ``cloud/id``, ID or name.

        Raises:
            CommandError: There is no such instance, or several.
        """
        cloud, slash, instance_id = reference.rpartition("/")
        if slash:
            return self.get(path_of(cloud, instance_id)) or {}
        matches = [
            (instance["cloud"], instance["instance_id"])
            for instance in self.pages("/instances", {"q": reference[:512]})
            if reference in (instance["name"], instance["instance_id"])
        ]
        if not matches:
            raise CommandError(Code.NOT_FOUND, f"No instance matches “{reference}”.")
        if len(matches) > 1:
            names = ", ".join(map("/".join, matches))
            raise CommandError(Code.NOT_FOUND, f"“{reference}” is ambiguous: {names}.")
        return self.get(path_of(*matches[0])) or {}

    def _request(self, method: str, path: str, **options: Any) -> Json | None:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            # Without a user and password, which ``netloc`` leaves out.
            url, kind = self._http.base_url, type(error).__name__
            address = f"{url.scheme}://{url.netloc.decode()}"
            raise UnreachableError(
                f"Cannot reach Curfew at {address} ({kind})."
            ) from None
        status = response.status_code
        if status == 204:
            return None
        if status < 300:
            return _document(response)
        if status == 429 or status >= 500:
            wait = response.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdecimal() else 0
            raise UnreachableError(f"Curfew returned {status}.", min(seconds, 120))
        refusal = TokenRefusedError if status in {401, 403} else CommandError
        raise refusal(_CODES.get(status, Code.REFUSED), _reason(response))


def path_of(cloud: str, instance_id: str) -> str:
    """Return the path of an instance. Source of the escapes: ``docs/api.md``."""
    return f"/instances/{_part(cloud)}/{_part(instance_id)}"


def _part(name: str) -> str:
    only_dots = not name.strip(".")
    escaped = (
        "".join(f"~{byte:02X}" for byte in character.encode())
        if only_dots or character in "/~\\" or not character.isprintable()
        else character
        for character in name
    )
    return quote("".join(escaped), safe="~")


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


def _reason(response: httpx.Response) -> str:
    """Return the reason of an error; for a conflict, with both values."""
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
