"""What the cloud demands of a request, and the code it refuses with.

Source: modelarts-api.md A.2 (list), A.3 (create), A.5 (update), D.3 (codes). Where the
documents name a rule but no code, 6336 (wrong value) is used.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .catalog import FLAVORS, PROFILES, Flavor, Profile, hardware
from .errors import RefusalError, service_refusal
from .instance import STATUSES, AutoStop
from .people import POOLS, WORKSPACES, Pool, Workspace

DESCRIPTION_LIMIT = 512
FORBIDDEN = "&<>\"'/"
DURATION_SECONDS = (3_600, 86_400)
EVS_GB = (5, 4_096)


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
class AutoStopWish:
    """The auto_stop of a request; None where a member is absent."""

    enable: bool | None
    duration_seconds: int | None
    prompt: bool | None


@dataclass(frozen=True)
class UpdateWish:
    """The body of an update; None where a member is absent."""

    description: str | None
    auto_stop: AutoStopWish | None


@dataclass(frozen=True)
class CreateWish:
    """The body of a create request."""

    name: str
    description: str
    flavor: Flavor
    profile: Profile
    storage: dict[str, Any]
    auto_stop: AutoStop
    workspace: Workspace
    pool: Pool | None


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a body that has to be a JSON object.

    Raises:
        RefusalError: 6400, it is not.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise service_refusal("6400", "The request body cannot be parsed.")
    return value


def parse_list_query(query: Mapping[str, str]) -> ListQuery:
    """Read the parameters of a list request; unknown ones are ignored.

    Raises:
        RefusalError: 6335 de_type missing, 6332 not a number, 6303 unknown sort key,
            6336 any other wrong value.
    """
    if "de_type" not in query:
        raise _missing("de_type")
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
        # The manual's default is workspace 0, yet it has a list without the parameter
        # show all: taken as no filter.
        workspace_id=query.get("workspace_id"),
        pool_id=query.get("pool_id"),
        # The manual's name, and the one a known client sends (A.2, C).
        ai_project_id=query.get("ai_project", query.get("ai_project_id")),
    )


def parse_update(body: bytes) -> UpdateWish:
    """Read the body of an update; members it does not know are ignored.

    Raises:
        RefusalError: 6400, 6332 wrong type, 6334 forbidden character, 6336 too long,
            6348 duration missing, 6349 duration out of range.
    """
    document = parse_object(body)
    description = document.get("description")
    if "description" in document:
        description = check_description(description)
    return UpdateWish(description, _auto_stop(_object(document, "spec")))


def parse_action(body: bytes) -> str:
    """Read the body of an action: start, stop or restart.

    Raises:
        RefusalError: 6400, 6335 missing, 6332 no string, 6336 unknown.
    """
    document = parse_object(body)
    action = _string(document, "action")
    if action not in {"start", "stop", "restart"}:
        raise _wrong("action")
    return action


def parse_create(body: bytes) -> CreateWish:
    """Read the body of a create request.

    Raises:
        RefusalError: As an update, and 6316, 6317, 6318, 6323, 6324, 6330, 6331, 6358,
            0102 (unknown workspace).
    """
    document = parse_object(body)
    name = _string(document, "name")
    if bad := re.search(r"[^A-Za-z0-9_-]", name):
        raise _forbidden("name", bad.group())
    if not 1 <= len(name) <= 64:
        raise _wrong("name")
    profile_id = _string(document, "profile_id")
    profile = next((p for p in PROFILES if profile_id in {p.create_id, p.id}), None)
    if profile is None:
        raise _wrong("profile_id")
    flavor = FLAVORS.get(_string(document, "flavor"))
    if flavor is None:
        raise service_refusal("6323", "The flavor is not supported.")
    if hardware(flavor) not in profile.kinds:
        raise service_refusal("6330", "The flavor does not match the profile.")
    spec = _object(document, "spec")
    if spec is None:
        raise _missing("spec")
    wish = _auto_stop(spec) or AutoStopWish(None, None, None)
    workspace_id = (_object(document, "workspace") or {}).get("id", "0")
    workspace = next((w for w in WORKSPACES if w.id == workspace_id), None)
    if workspace is None:
        raise service_refusal("0102", "The workspace does not exist.")
    return CreateWish(
        name=name,
        description=check_description(document.get("description", "")),
        flavor=flavor,
        profile=profile,
        storage=_storage(spec, flavor),
        auto_stop=AutoStop(
            enable=bool(wish.enable),
            duration_seconds=wish.duration_seconds or DURATION_SECONDS[0],
            prompt=wish.prompt is not False,
        ),
        workspace=workspace,
        pool=_pool(document),
    )


def check_description(value: object) -> str:
    """Return the description if it may be stored.

    Characters are counted, not bytes; the unit of the 512 is documented nowhere.

    Raises:
        RefusalError: 6332, 6334 (naming the character), 6336 too long.
    """
    if not isinstance(value, str):
        raise _wrong_type("description")
    for character in FORBIDDEN:
        if character in value:
            raise _forbidden("description", character)
    if len(value) > DESCRIPTION_LIMIT:
        raise _wrong("description")
    return value


def _auto_stop(spec: dict[str, Any] | None) -> AutoStopWish | None:
    document = _object(spec or {}, "auto_stop")
    if document is None:
        return None
    enable, prompt = _boolean(document, "enable"), _boolean(document, "prompt")
    duration = document.get("duration")
    if "duration" in document:
        if type(duration) is not int:
            raise _wrong_type("duration")
        low, high = DURATION_SECONDS
        if not low <= duration <= high:
            raise service_refusal(
                "6349", f"The auto stop duration must be from {low} to {high} seconds."
            )
    elif enable:
        raise service_refusal(
            "6348", "The duration is mandatory when auto stop is enabled."
        )
    return AutoStopWish(enable, duration, prompt)


def _storage(spec: dict[str, Any], flavor: Flavor) -> dict[str, Any]:
    storage = _object(spec, "storage")
    if storage is None:
        raise service_refusal("6316", "The param storage is missing.")
    kind = _string(storage, "type")
    if kind not in flavor.storage:
        raise service_refusal("6324", "The storage type is not supported.")
    location = _object(storage, "location") or {}
    if kind == "evs":
        size = location.get("volume_size", EVS_GB[0])
        if type(size) is not int:
            raise _wrong_type("volume_size")
        if not EVS_GB[0] <= size <= EVS_GB[1]:
            raise service_refusal("6331", "The EVS volume size is out of range.")
        return evs(size)
    path = location.get("path")
    if not isinstance(path, str) or not path:
        raise service_refusal("6317", "The param path is missing.")
    if not path.endswith("/"):
        raise service_refusal("6318", "The param path needs to end with /.")
    if path.strip("/").count("/") == 0:
        raise service_refusal("6358", "The path must not be the root of a bucket.")
    return {"location": {"path": path}, "type": kind}


def evs(size_gb: int) -> dict[str, Any]:
    """Return the storage document of a disk, with the members only samples have."""
    return {
        "location": {
            "path": "/home/ma-user/work",
            "volume_size": size_gb,
            "volume_unit": "GB",
        },
        "type": "evs",
    }


def _pool(document: dict[str, Any]) -> Pool | None:
    reference = _object(document, "pool")
    if reference is None:
        return None
    pool_id = _string(reference, "id")
    pool = next((pool for pool in POOLS if pool.id == pool_id), None)
    if pool is None:
        raise _wrong("pool.id")
    return pool


def _object(document: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = document.get(name)
    if value is not None and not isinstance(value, dict):
        raise _wrong_type(name)
    return value


def _string(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if value is None:
        raise _missing(name)
    if not isinstance(value, str):
        raise _wrong_type(name)
    return value


def _boolean(document: Mapping[str, Any], name: str) -> bool | None:
    value = document.get(name)
    if name in document and not isinstance(value, bool):
        raise _wrong_type(name)
    return value


def _one_of(query: Mapping[str, str], name: str, values: tuple[str, ...]) -> None:
    if name in query and query[name] not in values:
        raise _wrong(name)


def _count(query: Mapping[str, str], name: str) -> int:
    try:
        value = int(query.get(name, "0"))
    except ValueError:
        raise _wrong_type(name) from None
    if value < 0:
        raise _wrong(name)
    return value


def _missing(name: str) -> RefusalError:
    return service_refusal("6335", f"The param {name} is missing.")


def _wrong(name: str) -> RefusalError:
    return service_refusal("6336", f"The value of the param {name} is incorrect.")


def _wrong_type(name: str) -> RefusalError:
    return service_refusal("6332", f"The type of the param {name} is incorrect.")


def _forbidden(name: str, character: str) -> RefusalError:
    return service_refusal(
        "6334", f"The param {name} contains the forbidden character {character}."
    )
