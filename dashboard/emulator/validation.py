"""Validation of list, update and action, with its error codes.

Source: ``docs/modelarts-api.md``, A.2 (list), A.5 (update), A.8 (action), D.3 (codes).
Where the documents name a rule but no code, 6336 (wrong value) is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import service_refusal
from .instance import STATUSES
from .members import (
    boolean_member,
    forbidden,
    missing,
    object_member,
    parse_object,
    string_member,
    wrong_type,
    wrong_value,
)

DESCRIPTION_LIMIT = 512
FORBIDDEN = "&<>\"'/"
DURATION_SECONDS = (3_600, 86_400)


@dataclass(frozen=True)
class ListQuery:
    """A list request; None means no filter, a limit of 0 means all."""

    status: str | None
    sort_by: str
    descending: bool
    offset: int
    limit: int
    only_own: bool
    workspace_id: str | None
    pool_id: str | None
    ai_project_id: str | None


@dataclass(frozen=True)
class AutoStopChange:
    """The auto_stop of a request; None where a member is absent."""

    enable: bool | None
    duration_seconds: int | None
    prompt: bool | None


@dataclass(frozen=True)
class UpdateRequest:
    """The body of an update; None where a member is absent."""

    description: str | None
    auto_stop: AutoStopChange | None


def parse_list_query(query: Mapping[str, str]) -> ListQuery:
    """Parse the parameters of a list request; unknown ones are ignored."""
    if "de_type" not in query:
        raise missing("de_type")
    _one_of(query, "de_type", ("Notebook",))
    _one_of(query, "provision_type", ("Docker",))
    _one_of(query, "status", STATUSES)
    if query.get("sortby", "name") not in {"name", "creation_timestamp"}:
        raise service_refusal("6303", "The instances cannot be sorted by this field.")
    _one_of(query, "order", ("asc", "desc"))
    _one_of(query, "show_self", ("true", "false"))
    return ListQuery(
        status=query.get("status"),
        sort_by=query.get("sortby", "name"),
        descending=query.get("order") == "desc",
        offset=_count(query, "offset"),
        limit=_count(query, "limit"),
        only_own=query.get("show_self", "true") == "true",
        # The manual's default is workspace 0, but it also says that a list without the
        # parameter contains all: taken as no filter.
        workspace_id=query.get("workspace_id"),
        pool_id=query.get("pool_id"),
        # The manual's name, and the name that a known client sends (A.2, C).
        ai_project_id=query.get("ai_project", query.get("ai_project_id")),
    )


def parse_update(body: bytes) -> UpdateRequest:
    """Parse the body of an update; unknown members are ignored."""
    document = parse_object(body)
    description = document.get("description")
    if "description" in document:
        description = check_description(description)
    return UpdateRequest(description, parse_auto_stop(object_member(document, "spec")))


def parse_action(body: bytes) -> str:
    """Parse the body of an action: start, stop or restart."""
    document = parse_object(body)
    action = string_member(document, "action")
    if action not in {"start", "stop", "restart"}:
        raise wrong_value("action")
    return action


def check_description(value: object) -> str:
    """Check a description; its limit counts characters, since no document says."""
    if not isinstance(value, str):
        raise wrong_type("description")
    for character in FORBIDDEN:
        if character in value:
            raise forbidden("description", character)
    if len(value) > DESCRIPTION_LIMIT:
        raise wrong_value("description")
    return value


def parse_auto_stop(spec: dict[str, Any] | None) -> AutoStopChange | None:
    """Parse the auto_stop of a request's spec; None without one."""
    document = object_member(spec or {}, "auto_stop")
    if document is None:
        return None
    enable = boolean_member(document, "enable")
    prompt = boolean_member(document, "prompt")
    duration = document.get("duration")
    if "duration" in document:
        if type(duration) is not int:
            raise wrong_type("duration")
        low, high = DURATION_SECONDS
        if not low <= duration <= high:
            raise service_refusal(
                "6349", f"The auto stop duration must be from {low} to {high} seconds."
            )
    elif enable:
        raise service_refusal(
            "6348", "The duration is mandatory when auto stop is enabled."
        )
    return AutoStopChange(enable, duration, prompt)


def _one_of(query: Mapping[str, str], name: str, values: tuple[str, ...]) -> None:
    if name in query and query[name] not in values:
        raise wrong_value(name)


def _count(query: Mapping[str, str], name: str) -> int:
    try:
        value = int(query.get(name, "0"))
    except ValueError:
        raise wrong_type(name) from None
    if value < 0:
        raise wrong_value(name)
    return value
