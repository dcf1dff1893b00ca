"""The body of a create request.

Source: ``docs/modelarts-api.md``, A.3, D.3.
"""

import re
from dataclasses import dataclass
from typing import Any

from .catalog import FLAVORS, PROFILES, Flavor, Profile, hardware
from .errors import service_refusal
from .instance import AutoStop
from .members import (
    forbidden,
    missing,
    object_member,
    parse_object,
    string_member,
    wrong_type,
    wrong_value,
)
from .people import POOLS, WORKSPACES, Pool, Workspace
from .validation import (
    DURATION_SECONDS,
    AutoStopChange,
    check_description,
    parse_auto_stop,
)

EVS_GB = (5, 4_096)


@dataclass(frozen=True)
class CreateRequest:
    name: str
    description: str
    flavor: Flavor
    profile: Profile
    storage: dict[str, Any]
    auto_stop: AutoStop
    workspace: Workspace
    pool: Pool | None


def parse_create(body: bytes) -> CreateRequest:
    document = parse_object(body)
    name = string_member(document, "name")
    if bad := re.search(r"[^A-Za-z0-9_-]", name):
        raise forbidden("name", bad.group())
    if not 1 <= len(name) <= 64:
        raise wrong_value("name")
    profile_id = string_member(document, "profile_id")
    profile = next((p for p in PROFILES if p.is_called(profile_id)), None)
    if profile is None:
        raise wrong_value("profile_id")
    flavor = FLAVORS.get(string_member(document, "flavor"))
    if flavor is None:
        raise service_refusal("6323", "The flavor is not supported.")
    if hardware(flavor) not in profile.kinds:
        raise service_refusal("6330", "The flavor does not match the profile.")
    spec = object_member(document, "spec")
    if spec is None:
        raise missing("spec")
    requested = parse_auto_stop(spec) or AutoStopChange(None, None, None)
    workspace_id = (object_member(document, "workspace") or {}).get("id", "0")
    workspace = next((w for w in WORKSPACES if w.id == workspace_id), None)
    if workspace is None:
        raise service_refusal("0102", "The workspace does not exist.")
    return CreateRequest(
        name=name,
        description=check_description(document.get("description", "")),
        flavor=flavor,
        profile=profile,
        storage=_storage(spec, flavor),
        auto_stop=AutoStop(
            enable=bool(requested.enable),
            duration_seconds=requested.duration_seconds or DURATION_SECONDS[0],
            prompt=requested.prompt is not False,
        ),
        workspace=workspace,
        pool=_pool(document),
    )


def _storage(spec: dict[str, Any], flavor: Flavor) -> dict[str, Any]:
    storage = object_member(spec, "storage")
    if storage is None:
        raise service_refusal("6316", "The param storage is missing.")
    kind = string_member(storage, "type")
    if kind not in flavor.storage:
        raise service_refusal("6324", "The storage type is not supported.")
    location = object_member(storage, "location") or {}
    if kind == "evs":
        size = location.get("volume_size", EVS_GB[0])
        if type(size) is not int:
            raise wrong_type("volume_size")
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
    reference = object_member(document, "pool")
    if reference is None:
        return None
    pool_id = string_member(reference, "id")
    pool = next((pool for pool in POOLS if pool.id == pool_id), None)
    if pool is None:
        raise wrong_value("pool.id")
    return pool
