"""What ModelArts answers, and by re-export what it is sent: all shapes of the wire.

Source of every table named here: ModelArts API Reference, "Modifying the Description
of a Development Environment Instance". Answers are read tolerantly (see ``tolerant``):
any member may be None, enumerations are plain strings, since they grow and change
their case. There is no field for a secret (``credential`` of tables 14 and 23, all of
table 24) nor for ``repository.user_email``, which is personal.

Units: ``*_timestamp`` is Unix time in **milliseconds**, other times are **seconds**,
unless a docstring says otherwise.
"""

from typing import Any, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    field_validator,
    model_validator,
)

from dashboard.modelarts import wire
from dashboard.modelarts.limits import (
    AUTO_STOP_MAX_SECONDS,
    AUTO_STOP_MIN_SECONDS,
    DESCRIPTION_FORBIDDEN,
    DESCRIPTION_MAX_LENGTH,
    description_problems,
)
from dashboard.modelarts.requests import AutoStopChange, UpdateInstanceRequest
from dashboard.modelarts.statuses import (
    FAILED,
    STARTABLE,
    STOPPABLE,
    TRANSITIONAL,
    InstanceStatus,
)
from dashboard.modelarts.tolerant import (
    Address,
    Flag,
    FreeMap,
    MomentMs,
    Reading,
    Seconds,
    Text,
    TextMap,
    Tolerant,
    Whole,
)

__all__ = [
    "AUTO_STOP_MAX_SECONDS",
    "AUTO_STOP_MIN_SECONDS",
    "DESCRIPTION_FORBIDDEN",
    "DESCRIPTION_MAX_LENGTH",
    "FAILED",
    "STARTABLE",
    "STOPPABLE",
    "TRANSITIONAL",
    "ActionResponse",
    "AiProject",
    "AutoStop",
    "AutoStopChange",
    "ConnectionInfo",
    "FailedReasons",
    "FlavorDetails",
    "Instance",
    "InstanceList",
    "InstanceStatus",
    "Location",
    "NotebookSpec",
    "Pool",
    "PoolOwner",
    "Profile",
    "Provision",
    "ProvisionParams",
    "ProvisionSpec",
    "QueuingInfo",
    "Repository",
    "Storage",
    "UpdateInstanceRequest",
    "User",
    "Workspace",
    "description_problems",
]

_LONGEST_ID = 128


class ProvisionParams(Tolerant):
    """Docker image of a profile (table 9)."""

    namespace: Text = None
    image_name: Text = None
    image_tag: Text = None
    annotations: TextMap = None


class ProvisionSpec(Tolerant):
    """Deployment details (table 8). ``engine`` is always ``CCE``."""

    engine: Text = None
    params: ProvisionParams | None = None


class Provision(Tolerant):
    """Deployment (table 7; ``annotations`` from the list document's table)."""

    type: Text = None
    spec: ProvisionSpec | None = None
    annotations: TextMap = None


class Profile(Tolerant):
    """Work environment (table 6). ``id`` may be a name or a UUID."""

    id: Text = None
    name: Text = None
    description: Text = None
    de_type: Text = None
    provision: Provision | None = None
    labels: TextMap = None
    flavor_type: Text = None


class FlavorDetails(Tolerant):
    """Hardware an instance runs on, and how it is sold (table 10).

    Attributes:
        status: ``onSale`` or ``soldOut``.
        queuing_num: Instances in the queue; only for a sold-out free flavour.
        queue_left_time: Seconds of queue left; same condition.
        storage_list: ``obs``, ``evs``; newer answers also ``efs``.
        is_permitted: Whether the calling account may use the flavour.
        type: ``CPU``, ``GPU``, ``ASCEND`` or ``Ascend``: compare without case.
        params: Free: numbers ``CPU``, ``GPU``, ``NPU``, texts such as ``memory``.
        promo_type: ``Free`` or ``NoDiscount``.
        instance_num: Instances of this flavour the caller has.
        duration: Auto-stop time after a start, seconds.
        store_time: **Hours** an idle instance is kept; -1 means for ever.
        billing_flavor: Empty when the flavour bills as itself.
        billing_params: Billing ratio.
    """

    name: Text = None
    status: Text = None
    queuing_num: Whole = None
    queue_left_time: Seconds = None
    storage_list: list[str] | None = None
    is_permitted: Flag = None
    type: Text = None
    params: FreeMap = None
    promo_type: Text = None
    instance_num: Whole = None
    duration: Seconds = None
    store_time: Whole = None
    billing_flavor: Text = None
    billing_params: Whole = None


class PoolOwner(Tolerant):
    """Project that owns a dedicated pool (table 13)."""

    project_id: Text = None


class Pool(Tolerant):
    """Dedicated resource pool (table 11). ``USER_DEFINED`` is a dedicated one."""

    id: Text = None
    name: Text = None
    type: Text = None
    owner: PoolOwner | None = None


class AiProject(Tolerant):
    """AI project (table 12)."""

    id: Text = None


class Location(Tolerant):
    """Place of a storage (table 16; the volume members are in samples only).

    Attributes:
        path: Bucket directory for ``obs``, mount point for ``evs``.
        volume_size: Size of the disk in ``volume_unit``.
        volume_unit: ``GB``.
    """

    path: Text = None
    volume_size: Whole = None
    volume_unit: Text = None


class Storage(Tolerant):
    """Storage of an instance (table 15). ``type`` is ``obs``, ``evs`` or ``obsfs``."""

    type: Text = None
    location: Location | None = None


class ConnectionInfo(Tolerant):
    """Where a Git repository is (table 23, without ``credential``)."""

    protocol: Text = None
    url: Address = None


class Repository(Tolerant):
    """Git repository of an instance (table 22, without ``user_email``)."""

    id: Text = None
    branch: Text = None
    user_name: Text = None
    type: Text = None
    connection_info: ConnectionInfo | None = None


class AutoStop(Tolerant):
    """When the cloud will stop an instance by itself (table 17).

    Attributes:
        enable: Whether it stops at all.
        duration: Run time granted at each start, seconds.
        prompt: Whether the console should remind its user again.
        stop_timestamp: End of this run, ms; None while the instance is not running.
        remain_time: Seconds left when the answer was made, rounded up; None while the
            instance is not running. Stale at once, so never stored.
    """

    enable: Flag = None
    duration: Seconds = None
    prompt: Flag = None
    stop_timestamp: MomentMs = None
    remain_time: Seconds = None


class FailedReasons(Tolerant):
    """Why a creation or a start failed (table 18)."""

    code: Text = None
    message: Text = None
    detail: TextMap = None


class NotebookSpec(Tolerant):
    """Settings of an instance (table 14, without ``credential``).

    Attributes:
        annotations: Keys ``url`` (empty unless running) and ``target_domain``. The
            address "cannot be directly accessed": text, not a link.
        resource_reserved_timestamp: Probably ms; no sample shows it.
        extend_storage: In samples and the create document only.
    """

    log_path: Text = None
    custom_script_path: Text = None
    storage: Storage | None = None
    extend_storage: list[Storage] | None = None
    repository: Repository | None = None
    resource_reserved_timestamp: MomentMs = None
    auto_stop: AutoStop | None = None
    failed_reasons: FailedReasons | None = None
    annotations: TextMap = None
    extend_params: TextMap = None


class Workspace(Tolerant):
    """Workspace (table 19). ``0`` is the default one."""

    id: Text = None


class QueuingInfo(Tolerant):
    """Place in the queue for free resources (table 20).

    Attributes:
        status: ``CREATE_QUEUING`` or ``START_QUEUING``.
        begin_timestamp: When it joined the queue, ms.
        end_timestamp: When it is expected to leave it, ms.
        remain_time: Seconds of waiting left.
        rank: Position in the queue.
    """

    id: Text = None
    name: Text = None
    de_type: Text = None
    flavor: Text = None
    flavor_details: FlavorDetails | None = None
    status: Text = None
    begin_timestamp: MomentMs = None
    remain_time: Seconds = None
    end_timestamp: MomentMs = None
    rank: Whole = None


class User(Tolerant):
    """Creator of an instance (table 21)."""

    id: Text = None
    name: Text = None


class Instance(Tolerant):
    """One development environment instance (table 5).

    ``Instance.model_validate`` reads any document that has a usable id, redacts it
    and raises ``pydantic.ValidationError`` for the rest.

    Attributes:
        id: Opaque; at most 128 characters, all printable, no slash.
        status: See ``InstanceStatus``; unknown ones pass through.
        creation_timestamp: ms; a string on the wire.
        latest_update_timestamp: ms; a string on the wire. Does not follow every
            change of status.
        error_code: ModelArts code of a failed instance; not a failed call.
        queuing_info: Only while queuing.
    """

    id: str = Field(min_length=1, max_length=_LONGEST_ID)
    name: Text = None
    description: Text = None
    status: Text = None
    creation_timestamp: MomentMs = None
    latest_update_timestamp: MomentMs = None
    profile: Profile | None = None
    flavor: Text = None
    flavor_details: FlavorDetails | None = None
    pool: Pool | None = None
    spec: NotebookSpec | None = None
    workspace: Workspace | None = None
    ai_project: AiProject | None = None
    error_code: Text = None
    queuing_info: QueuingInfo | None = None
    user: User | None = None
    repository: Repository | None = None

    # Private, so that no answer can set it.
    _problems: tuple[str, ...] = PrivateAttr(default=())

    @property
    def problems(self) -> list[str]:
        """Paths of members that could not be read and are None, as ``spec.storage``."""
        return list(self._problems)

    def document(self) -> dict[str, Any]:
        """The redacted document as plain JSON values, for storing.

        Without members that are None and without ``spec.auto_stop.remain_time``, which
        would make every copy differ. ``Instance.model_validate`` reads it back.
        """
        return self.model_dump(
            mode="json",
            exclude_none=True,
            exclude={"spec": {"auto_stop": {"remain_time"}}},
        )

    @field_validator("id", mode="before")
    @classmethod
    def _read_id(cls, value: Any) -> Any:
        text = str(value) if type(value) is int else value
        if not isinstance(text, str):
            raise ValueError("no id")
        # It goes into paths, ours and the cloud's.
        if not text.isprintable() or "/" in text or text.strip(". ") != text:
            raise ValueError("unusable id")
        return text

    @model_validator(mode="wrap")
    @classmethod
    def _read_document(
        cls, document: Any, read: ModelWrapValidatorHandler[Self]
    ) -> Self:
        if isinstance(document, dict):
            document = wire.redact(document)
        with Reading.begun() as reading:
            instance = read(document)
        if reading.problems:
            instance._problems = tuple(reading.problems)
        return instance


class InstanceList(Tolerant):
    """Answer to the list call ("Querying a List of Development Environment Instances").

    Attributes:
        total_count: All matches, not those on this page.
        instances: Elements as received, so that one bad one does not spoil the others.
    """

    total_count: Whole = None
    instances: list[Any] | None = None


class ActionResponse(Tolerant):
    """Answer to start and stop ("Managing a Development Environment Instance").

    Attributes:
        current_status: Status after the call, usually a transitional one.
        previous_state: Status before it.
    """

    current_status: Text = None
    previous_state: Text = None
