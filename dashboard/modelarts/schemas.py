"""The answers of the demanager generation.

Source: ModelArts API Reference, "Modifying the Description of a Development
Environment Instance", tables 5 to 24. Answers are read leniently (see ``lenient``): any
member may be None, and enumerations are plain strings, since they grow and change their
case. No field holds a secret (``credential`` of tables 14 and 23, all of table 24) or
``repository.user_email``, which is personal.

Units: ``*_timestamp`` is Unix time in **milliseconds**, other times are **seconds**,
unless a docstring says otherwise.
"""

from typing import Any, Self

from pydantic import (
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

from dashboard.modelarts import json_reader, lenient
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.instance_state import InstanceState
from dashboard.modelarts.lenient import (
    Address,
    Boolean,
    FreeMap,
    InstanceId,
    Integer,
    LenientModel,
    MomentMs,
    Seconds,
    Text,
    TextMap,
)
from dashboard.modelarts.statuses import InstanceStatus


class ProvisionParams(LenientModel):
    """Docker image of a profile (table 9)."""

    namespace: Text = None
    image_name: Text = None
    image_tag: Text = None
    annotations: TextMap = None


class ProvisionSpec(LenientModel):
    """Deployment details (table 8). ``engine`` is always ``CCE``."""

    engine: Text = None
    params: ProvisionParams | None = None


class Provision(LenientModel):
    """Deployment (table 7; ``annotations`` from the list document's table)."""

    type: Text = None
    spec: ProvisionSpec | None = None
    annotations: TextMap = None


class Profile(LenientModel):
    """Work environment (table 6). ``id`` may be a name or a UUID."""

    id: Text = None
    name: Text = None
    description: Text = None
    de_type: Text = None
    provision: Provision | None = None
    labels: TextMap = None
    flavor_type: Text = None


class FlavorDetails(LenientModel):
    """Hardware an instance runs on, and how it is sold (table 10).

    Attributes:
        status: ``onSale`` or ``soldOut``.
        queuing_num: Instances in the queue; only for a sold-out free flavor.
        queue_left_time: Remaining seconds of the queue; only for such a flavor, too.
        storage_list: ``obs``, ``evs``; newer answers also ``efs``.
        is_permitted: Whether the calling account may use the flavor.
        type: ``CPU``, ``GPU``, ``ASCEND`` or ``Ascend``: compare without case.
        params: Free form: numbers ``CPU``, ``GPU``, ``NPU``, texts such as ``memory``.
        promo_type: ``Free`` or ``NoDiscount``.
        instance_num: The caller's instances of this flavor.
        duration: Auto-stop time after a start, seconds.
        store_time: **Hours** for which an idle instance is kept; -1 for no limit.
        billing_flavor: Empty if the flavor is billed as itself.
        billing_params: Billing ratio.
    """

    name: Text = None
    status: Text = None
    queuing_num: Integer = None
    queue_left_time: Seconds = None
    storage_list: list[str] | None = None
    is_permitted: Boolean = None
    type: Text = None
    params: FreeMap = None
    promo_type: Text = None
    instance_num: Integer = None
    duration: Seconds = None
    store_time: Integer = None
    billing_flavor: Text = None
    billing_params: Integer = None


class PoolOwner(LenientModel):
    """Project that owns a dedicated pool (table 13)."""

    project_id: Text = None


class Pool(LenientModel):
    """Dedicated resource pool (table 11). ``USER_DEFINED`` is a dedicated one."""

    id: Text = None
    name: Text = None
    type: Text = None
    owner: PoolOwner | None = None


class AiProject(LenientModel):
    """AI project (table 12)."""

    id: Text = None


class Location(LenientModel):
    """Location of a storage (table 16; only samples have the volume members).

    Attributes:
        path: Bucket directory for ``obs``, mount point for ``evs``.
        volume_size: Size of the disk in ``volume_unit``.
        volume_unit: ``GB``.
    """

    path: Address = None
    volume_size: Integer = None
    volume_unit: Text = None


class Storage(LenientModel):
    """Storage of an instance (table 15). ``type`` is ``obs``, ``evs`` or ``obsfs``."""

    type: Text = None
    location: Location | None = None


class ConnectionInfo(LenientModel):
    """Address of a Git repository (table 23, without ``credential``)."""

    protocol: Text = None
    url: Address = None


class Repository(LenientModel):
    """Git repository of an instance (table 22, without ``user_email``)."""

    id: Text = None
    branch: Text = None
    user_name: Text = None
    type: Text = None
    connection_info: ConnectionInfo | None = None


class AutoStop(LenientModel):
    """When ModelArts stops an instance (table 17).

    Attributes:
        enable: Whether it stops the instance at all.
        duration: Run time from each start, seconds.
        prompt: Whether the console reminds its user again.
        stop_timestamp: End of this run, ms; None unless the instance is running.
        remain_time: Seconds left at the time of the answer, rounded up; None unless
            the instance is running. Outdated at once, so never stored.
    """

    enable: Boolean = None
    duration: Seconds = None
    prompt: Boolean = None
    stop_timestamp: MomentMs = None
    remain_time: Seconds = None


class FailedReasons(LenientModel):
    """Why a creation or a start failed (table 18)."""

    code: Text = None
    message: Address = None
    detail: TextMap = None


class NotebookSpec(LenientModel):
    """Settings of an instance (table 14, without ``credential``).

    Attributes:
        annotations: Keys ``url`` (empty unless running) and ``target_domain``. The
            address "cannot be directly accessed": text, not a link.
        resource_reserved_timestamp: Probably ms; no sample shows it.
        extend_storage: Only in samples and in the document of the create call.
    """

    log_path: Address = None
    custom_script_path: Address = None
    storage: Storage | None = None
    extend_storage: list[Storage] | None = None
    repository: Repository | None = None
    resource_reserved_timestamp: MomentMs = None
    auto_stop: AutoStop | None = None
    failed_reasons: FailedReasons | None = None
    annotations: TextMap = None
    extend_params: TextMap = None


class Workspace(LenientModel):
    """Workspace (table 19). ``0`` is the default workspace."""

    id: Text = None


class QueuingInfo(LenientModel):
    """Position in the queue for free resources (table 20).

    Attributes:
        status: ``CREATE_QUEUING`` or ``START_QUEUING``.
        begin_timestamp: When the instance joined the queue, ms.
        end_timestamp: When it is expected to leave the queue, ms.
        remain_time: Remaining seconds of the wait.
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
    rank: Integer = None


class User(LenientModel):
    """Creator of an instance (table 21)."""

    id: Text = None
    name: Text = None


class Instance(LenientModel):
    """One development environment instance (table 5).

    ``Instance.model_validate`` reads and redacts any document that has a usable id. It
    raises ``pydantic.ValidationError`` for other documents.

    Attributes:
        id: At most 128 printable characters, no slash.
        status: See ``InstanceStatus``; other values are kept.
        creation_timestamp: ms; a string in the answer.
        latest_update_timestamp: ms; a string in the answer. Not every change of status
            moves it.
        error_code: ModelArts code of a failed instance, not of a failed call.
        queuing_info: Only while the instance is in a queue.
    """

    id: InstanceId
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
        """Paths of the members that could not be read, such as ``spec.storage``."""
        return list(self._problems)

    def document(self) -> dict[str, Any]:
        """Return the redacted document as JSON values, for storing.

        It omits members that are None, and ``spec.auto_stop.remain_time``, which would
        make every copy differ. ``Instance.model_validate`` reads it back.
        """
        return self.model_dump(
            mode="json",
            exclude_none=True,
            exclude={"spec": {"auto_stop": {"remain_time"}}},
        )

    def state(self) -> InstanceState:
        """Return what both generations have in common."""
        auto_stop = (self.spec and self.spec.auto_stop) or AutoStop()
        profile, flavor = self.profile or Profile(), self.flavor_details
        flavor = flavor or FlavorDetails()
        user, workspace = self.user or User(), self.workspace or Workspace()
        status = (self.status or "").upper()
        is_running = status == InstanceStatus.RUNNING
        return InstanceState(
            generation=Generation.DEMANAGER,
            id=self.id,
            name=self.name or "",
            description=self.description,
            status=status,
            owner_id=user.id or "",
            owner_name=user.name or "",
            flavor=self.flavor or flavor.name or "",
            flavor_type=(flavor.type or profile.flavor_type or "").upper(),
            workspace_id=workspace.id or "",
            auto_stop_enable=auto_stop.enable,
            auto_stop_duration=auto_stop.duration,
            auto_stop_prompt=auto_stop.prompt,
            # Auto-stop that was switched off during a run still ends this run.
            stop_timestamp_ms=auto_stop.stop_timestamp if is_running else None,
            remain_time=auto_stop.remain_time if is_running else None,
            created_ms=self.creation_timestamp,
            updated_ms=self.latest_update_timestamp,
            is_partial=self.spec is None,
        )

    @model_validator(mode="wrap")
    @classmethod
    def _read_document(
        cls, document: Any, read: ModelWrapValidatorHandler[Self]
    ) -> Self:
        if isinstance(document, dict):
            document = json_reader.redact(document)
        instance, problems = lenient.read(read, document)
        if problems:
            instance._problems = tuple(problems)
        return instance


class ActionResponse(LenientModel):
    """Answer to start and stop ("Managing a Development Environment Instance").

    Attributes:
        current_status: Status after the call, usually a transitional status.
        previous_state: Status before the call.
    """

    current_status: Text = None
    previous_state: Text = None
