"""Members of a JSON body, and the refusals for invalid members.

Source: ``docs/modelarts-api.md``, D.3.
"""

import json
from collections.abc import Mapping
from typing import Any

from .errors import RefusalError, service_refusal


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a body; refuse it with 6400 unless it is a JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise service_refusal("6400", "The request body cannot be parsed.")
    return value


def object_member(document: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return an object, None if absent or null; refuse other types with 6332."""
    value = document.get(name)
    if value is not None and not isinstance(value, dict):
        raise wrong_type(name)
    return value


def string_member(document: Mapping[str, Any], name: str) -> str:
    """Return a string; refuse with 6335 (missing) or 6332 (wrong type)."""
    value = document.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, str):
        raise wrong_type(name)
    return value


def boolean_member(document: Mapping[str, Any], name: str) -> bool | None:
    """Return a boolean, None if absent; refuse other types with 6332."""
    value = document.get(name)
    if name in document and not isinstance(value, bool):
        raise wrong_type(name)
    return value


def missing(name: str) -> RefusalError:
    return service_refusal("6335", f"The param {name} is missing.")


def wrong_value(name: str) -> RefusalError:
    """Build 6336, also for rules to which no document gives a code."""
    return service_refusal("6336", f"The value of the param {name} is incorrect.")


def wrong_type(name: str) -> RefusalError:
    return service_refusal("6332", f"The type of the param {name} is incorrect.")


def forbidden(name: str, character: str) -> RefusalError:
    """Build 6334, which names the character."""
    return service_refusal(
        "6334", f"The param {name} contains the forbidden character {character}."
    )
