import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser


class StrictParser(Parser):
    """Parse JSON; reject duplicate keys and text that no database can store."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = json.loads(request.body, object_pairs_hook=_once)
        # Half of a surrogate pair, such as "\ud800", cannot be stored.
        json.dumps(body, ensure_ascii=False).encode()
        return body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) < len(pairs):
        raise ValueError("a name comes twice")
    return body
