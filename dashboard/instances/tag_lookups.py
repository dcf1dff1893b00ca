"""Finds instances by their tags, a JSON object of texts."""

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact, IsNull


class _TagValue(Func):
    """The value of one tag; NULL if there is none.

    Django's own transform would take the key ``2026`` for a place in an array.
    """

    function = "JSONB_EXTRACT_PATH_TEXT"
    output_field = TextField()

    def __init__(self, key: str) -> None:
        super().__init__(F("tags"), Cast(Value(key), TextField()))
        self.key = key

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        path = Func(
            self.source_expressions[0],
            # Escaped as in the stored text.
            Value(f"$.{json.dumps(self.key)}"),
            function="JSON_EXTRACT",
            output_field=TextField(),
        )
        return compiler.compile(path)


def has_tag(text: str) -> Q:
    """Match instances with a tag.

    Args:
        text: A key, or ``key=value``. Both may contain further equals signs.
    """
    condition = Q(pk__in=())
    # Not in a tag, and neither database can look for it.
    if '"' in text or "\\" in text:
        return condition
    condition |= Q(IsNull(_TagValue(text), False))
    for at, character in enumerate(text):
        if character == "=":
            value = _TagValue(text[:at])
            # Never NULL, so that its opposite matches instances without the tag.
            condition |= Q(IsNull(value, False)) & Q(Exact(value, text[at + 1 :]))
    return condition


def is_tagged(tags: Mapping[str, str], text: str) -> bool:
    """Whether ``has_tag`` matches an instance with these tags."""
    if '"' in text or "\\" in text:
        return False
    return text in tags or any(
        tags.get(text[:at]) == text[at + 1 :]
        for at, character in enumerate(text)
        if character == "="
    )
