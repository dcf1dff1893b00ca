import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from .fleet import Applied


@dataclass(frozen=True)
class Request:
    """One HTTP request, read completely.

    Attributes:
        target: Path and query as received, percent-encoded.
        headers: By lower-case name.
        id: Goes into ``X-Request-Id`` and into the gateway's errors.
        base_url: The address that the client used, ``http://host:port``.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    id: str
    base_url: str

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """The decoded query; the last value of a repeated parameter counts."""
        text = self.target.partition("?")[2]
        return dict(parse_qsl(text, keep_blank_values=True))


@dataclass
class Answer:
    """An answer to a request.

    Attributes:
        document: JSON value; None for no body.
        headers: Additional to the usual ones.
        applied: What a write changed.
    """

    status: int = 200
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    applied: Applied | None = None

    def body(self) -> bytes:
        """Return the document in UTF-8; empty for no document."""
        if self.document is None:
            return b""
        return json.dumps(self.document, ensure_ascii=False).encode(
            # A test may set lone surrogates, which are sent as they are.
            errors="surrogatepass"
        )
