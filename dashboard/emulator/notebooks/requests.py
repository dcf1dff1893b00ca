"""Validation of the calls' parameters and bodies, with its error codes.

Source: ``docs/modelarts-api.md``, B.2, B.5, B.6, D.3;
``modelarts-notebooks.openapi.yaml``. Where the documents name a rule but no code, 6336
(wrong value) is used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.emulator.behavior import Behavior
from dashboard.emulator.errors import service_refusal
from dashboard.emulator.members import (
    forbidden,
    missing,
    object_member,
    parse_object,
    string_member,
    wrong_type,
    wrong_value,
)
from dashboard.emulator.people import POOLS, WORKSPACES, Pool, Workspace
from dashboard.emulator.validation import DESCRIPTION_LIMIT

from .catalog import FLAVORS, IMAGES, NotebookFlavor, NotebookImage
from .lease import HOUR_MS, NO_AUTO_STOP, LeaseRequest, LeaseType
from .notebook import STATUSES, Volume

LIMITS = (10, 20, 50)
NAME_LIMIT = 128
SORT_KEYS = frozenset({"name", "status", "create_at", "update_at", "flavor", "id"})
TAG_KEY_LIMIT, TAG_VALUE_LIMIT = 128, 255
ALLOWED_IPS_LIMIT = 5
CATEGORIES = frozenset({"EVS", "EFS", "SFS"})
#: OTC and the EU site allow the apostrophe, the others do not (B.6).
FORBIDDEN = {"huawei": "&<>\"'/", "otc": '&<>"/'}
_USER_ID = re.compile(r"[a-z0-9]{32}")
#: Filters that only Huawei's edition has.
_HUAWEI_FILTERS = (
    *("flavor", "image_id", "id", "billing", "swr_path", "pool_name"),
    *("description", "username"),
)


@dataclass(frozen=True)
class NotebookQuery:
    """A list request; None means no filter.

    Attributes:
        filters: Further filters, by parameter.
    """

    limit: int
    offset: int
    sort_keys: tuple[str, ...]
    descending: bool
    feature: str
    name: str | None
    owner_id: str | None
    status: str | None
    pool_id: str | None
    workspace_id: str | None
    filters: tuple[tuple[str, str], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Return whether the request asks for everything in the usual order."""
        chosen = (self.name, self.owner_id, self.status, self.pool_id)
        return (
            self.sort_keys == ("create_at",)
            and self.descending
            and self.workspace_id is None
            and not any(chosen)
            and not self.filters
        )


@dataclass(frozen=True)
class NotebookChanges:
    """The body of an update; None where a member is absent."""

    name: str | None
    description: str | None
    flavor: NotebookFlavor | None
    image: NotebookImage | None
    storage_gb: int | None
    allowed_ips: tuple[str, ...] | None
    key_pair_names: tuple[str, ...]

    @property
    def needs_stop(self) -> bool:
        """Return whether it can only be done while the notebook is stopped."""
        return any(
            value is not None for value in (self.flavor, self.image, self.allowed_ips)
        )


@dataclass(frozen=True)
class NotebookCreation:
    """The body of a create request."""

    name: str
    description: str
    feature: str
    flavor: NotebookFlavor
    image: NotebookImage
    volume: Volume
    lease: LeaseRequest
    workspace: Workspace
    pool: Pool | None
    allowed_ips: tuple[str, ...] | None
    key_pair_names: tuple[str, ...]


def parse_list_query(query: Mapping[str, str], behavior: Behavior) -> NotebookQuery:
    """Parse the parameters of both lists; unknown ones are ignored."""
    limit = _integer(query, "limit", 10)
    if limit not in LIMITS:
        raise service_refusal("0101", "The parameter limit must be 10, 20 or 50.")
    offset = _integer(query, "offset", 0)
    if offset < 0:
        raise wrong_value("offset")
    sort_keys = tuple(query.get("sort_key", "create_at").lower().split(","))
    if not set(sort_keys) <= SORT_KEYS:
        raise service_refusal("6303", "The instances cannot be sorted by this field.")
    name = query.get("name")
    if name is not None and len(name) > NAME_LIMIT:
        raise wrong_value("name")
    owner_id = query.get("owner")
    if owner_id is not None and not _USER_ID.fullmatch(owner_id):
        raise wrong_value("owner")
    workspace = "workspace_id" if behavior.is_huawei else "workspaceId"
    filters = _HUAWEI_FILTERS if behavior.is_huawei else ()
    return NotebookQuery(
        limit=limit,
        offset=offset,
        sort_keys=sort_keys,
        descending=_word(query, "sort_dir", "DESC", ("ASC", "DESC")) == "DESC",
        feature=_word(query, "feature", "NOTEBOOK", ("DEFAULT", "NOTEBOOK")),
        name=name,
        owner_id=owner_id,
        status=_word(query, "status", "", ("", *STATUSES)) or None,
        pool_id=query.get("pool_id"),
        # The manual's default is workspace 0; as in the first generation, a list
        # without the parameter contains all.
        workspace_id=query.get(workspace),
        filters=tuple((name, query[name]) for name in filters if name in query),
    )


def parse_update(body: bytes, behavior: Behavior) -> NotebookChanges:
    """Parse the body of an update; unknown members are ignored."""
    document = parse_object(body)
    storage_gb = document.get("storage_new_size")
    if storage_gb is not None and type(storage_gb) is not int:
        raise wrong_type("storage_new_size")
    flavor = None
    if "flavor" in document:
        flavor = _flavor(document)
    allowed_ips, key_pair_names = _ssh(document)
    return NotebookChanges(
        name=_name(document) if "name" in document else None,
        description=_description(document, behavior),
        flavor=flavor,
        image=_image(document) if "image_id" in document else None,
        storage_gb=storage_gb,
        allowed_ips=allowed_ips,
        key_pair_names=key_pair_names,
    )


def parse_create(body: bytes, behavior: Behavior) -> NotebookCreation:
    document = parse_object(body)
    name, flavor, image = _name(document), _flavor(document), _image(document)
    if flavor.category not in image.categories:
        raise service_refusal("6870", "The image does not support the flavor.")
    lease = object_member(document, "lease") or {}
    if "duration" in document:
        # It overrides the lease.
        lease = {"duration": document["duration"]}
    workspace_id = document.get("workspace_id", "0")
    workspace = next((w for w in WORKSPACES if w.id == workspace_id), None)
    if workspace is None:
        raise service_refusal("0102", "The workspace does not exist.")
    pool_id = document.get("pool_id")
    pool = next((pool for pool in POOLS if pool.id == pool_id), None)
    if pool_id is not None and pool is None:
        raise wrong_value("pool_id")
    allowed_ips, key_pair_names = _ssh(document)
    return NotebookCreation(
        name=name,
        description=_description(document, behavior) or "",
        feature=_word(document, "feature", "NOTEBOOK", ("DEFAULT", "NOTEBOOK")),
        flavor=flavor,
        image=image,
        volume=_volume(document, flavor),
        lease=_lease(lease, behavior, may_switch_off=True),
        workspace=workspace,
        pool=pool,
        allowed_ips=allowed_ips,
        key_pair_names=key_pair_names,
    )


def parse_start(
    query: Mapping[str, str], body: bytes, behavior: Behavior
) -> LeaseRequest:
    """Parse a start: its lease is in the query, its body empty or an object."""
    if body:
        parse_object(body)
    lease: dict[str, Any] = dict(query)
    if "duration" in query:
        lease["duration"] = _integer(query, "duration", 0)
    return _lease(lease, behavior, may_switch_off=True)


def parse_renewal(
    query: Mapping[str, str], body: bytes, behavior: Behavior
) -> LeaseRequest:
    """Parse a renewal; a duration in the query replaces the whole body."""
    if "duration" in query:
        duration_ms = _integer(query, "duration", 0)
        return _lease({"duration": duration_ms}, behavior, may_switch_off=False)
    document = parse_object(body) if body else {}
    return _lease(document, behavior, may_switch_off=False)


def parse_tags(body: bytes) -> dict[str, str]:
    """Parse the body of both calls for tags; deleting ignores the values."""
    tags = parse_object(body).get("tags")
    if tags is None:
        raise missing("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise wrong_type("tags")
    parsed = {}
    for tag in tags:
        key, value = string_member(tag, "key"), tag.get("value") or ""
        if not isinstance(value, str):
            raise wrong_type("value")
        if not 1 <= len(key) <= TAG_KEY_LIMIT or len(value) > TAG_VALUE_LIMIT:
            raise wrong_value("tags")
        parsed[key] = value
    return parsed


def _lease(
    document: Mapping[str, Any], behavior: Behavior, *, may_switch_off: bool
) -> LeaseRequest:
    duration_ms = document.get("duration", HOUR_MS)
    if type(duration_ms) is not int:
        raise wrong_type("duration")
    kind = _word(document, "type", "TIMING", ("TIMING", "IDLE"))
    lease_type: LeaseType = "IDLE" if kind == "IDLE" else "TIMING"
    may_switch_off = may_switch_off and behavior.is_huawei
    if duration_ms == NO_AUTO_STOP and may_switch_off:
        return LeaseRequest(NO_AUTO_STOP, lease_type)
    low, high = HOUR_MS, behavior.longest_run_ms
    if not low <= duration_ms <= high:
        raise service_refusal(
            "6349", f"The duration must be from {low} to {high} milliseconds."
        )
    return LeaseRequest(duration_ms, lease_type)


def _name(document: Mapping[str, Any]) -> str:
    name = string_member(document, "name")
    if bad := re.search(r"[^A-Za-z0-9_-]", name):
        raise forbidden("name", bad.group())
    if not 1 <= len(name) <= NAME_LIMIT:
        raise wrong_value("name")
    return name


def _description(document: Mapping[str, Any], behavior: Behavior) -> str | None:
    description = document.get("description")
    if "description" not in document:
        return None
    if not isinstance(description, str):
        raise wrong_type("description")
    for character in FORBIDDEN[behavior.cloud]:
        if character in description:
            raise forbidden("description", character)
    if len(description) > DESCRIPTION_LIMIT:
        raise wrong_value("description")
    return description


def _flavor(document: Mapping[str, Any]) -> NotebookFlavor:
    flavor = FLAVORS.get(string_member(document, "flavor"))
    if flavor is None:
        raise service_refusal("6323", "The flavor is not supported.")
    return flavor


def _image(document: Mapping[str, Any]) -> NotebookImage:
    image = IMAGES.get(string_member(document, "image_id"))
    if image is None:
        raise service_refusal("6797", "The image does not exist.")
    return image


def _volume(document: Mapping[str, Any], flavor: NotebookFlavor) -> Volume:
    volume = object_member(document, "volume")
    if volume is None:
        raise service_refusal("6316", "The param volume is missing.")
    category = string_member(volume, "category").upper()
    ownership = string_member(volume, "ownership").upper()
    if category not in CATEGORIES or ownership not in {"MANAGED", "DEDICATED"}:
        raise service_refusal(
            "6702", f"The storage {category}:{ownership} is not supported"
        )
    if category != "SFS" and category not in flavor.storages:
        raise service_refusal("6324", "The storage type is not supported.")
    capacity = volume.get("capacity", 50)
    if type(capacity) is not int:
        raise wrong_type("capacity")
    if not 1 <= capacity <= 4_096:
        raise service_refusal("6331", "The EVS volume size is out of range.")
    return Volume(category, ownership, capacity)


def _ssh(document: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the addresses and key pairs of the SSH endpoint; None without one."""
    endpoints = document.get("endpoints")
    if endpoints is None:
        return None, ()
    if not isinstance(endpoints, list) or not all(
        isinstance(endpoint, dict) for endpoint in endpoints
    ):
        raise wrong_type("endpoints")
    for endpoint in endpoints:
        allowed_ips = endpoint.get("allowed_access_ips") or []
        key_pair_names = endpoint.get("key_pair_names") or []
        if len(allowed_ips) > ALLOWED_IPS_LIMIT:
            raise wrong_value("allowed_access_ips")
        return tuple(allowed_ips), tuple(key_pair_names)
    return (), ()


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        raise wrong_type(name) from None


def _word(
    document: Mapping[str, Any], name: str, default: str, words: tuple[str, ...]
) -> str:
    """Return an enum value in upper case; requests may have either case."""
    value = document.get(name, default)
    if not isinstance(value, str):
        raise wrong_type(name)
    if value.upper() not in words:
        raise wrong_value(name)
    return value.upper()
