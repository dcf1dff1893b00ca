"""How the body of a request is read."""

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser


class StrictParser(Parser):
    """Takes JSON whose names come once, and whose texts can be stored."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Read it; ninja answers 400 to whatever is raised."""
        body = json.loads(request.body, object_pairs_hook=_once)
        # Half of a character, such as "\ud800", is no text to any database.
        json.dumps(body, ensure_ascii=False).encode()
        return body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found
