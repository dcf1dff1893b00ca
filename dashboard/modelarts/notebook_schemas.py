"""The answers of the notebooks generation.

Source: ``docs/modelarts-api.md``, B.3 to B.5. Answers are read leniently, as in
``schemas``. No field holds a secret: ``token``, ``dew_secret_name``. Of ``url``, which
may contain one, host and path are kept (``docs/decisions/0023-open-notebook.md``). Nor
is there one for addresses of notebooks and of the people who use them: ``ip``,
``user_vpc``, ``volume.uri``, ``endpoints[].uri`` and
``endpoints[].allowed_access_ips``.

Units: all times and durations are **milliseconds**.
"""

from typing import Any, Self

from pydantic import (
    AliasChoices,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

from dashboard.modelarts import json_reader, lenient
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.instance_state import IDLE, TIMING, InstanceState
from dashboard.modelarts.lenient import (
    Address,
    Boolean,
    InstanceId,
    Integer,
    LenientModel,
    Milliseconds,
    MomentMs,
    PageAddress,
    Text,
)
from dashboard.modelarts.limits import MAX_RUN_SECONDS, MIN_RUN_SECONDS
from dashboard.modelarts.statuses import InstanceStatus

_ASCEND = ("ascend", "kat", "npu", "snt")


class Lease(LenientModel):
    """When ModelArts stops a notebook (B.5).

    Attributes:
        create_at: When the notebook was created, ms.
        duration: ms **from ``create_at``**, not from the last start. Each start and
            renewal adds the time passed since ``create_at`` to what it was asked for.
        enable: Whether ModelArts stops the notebook at all.
        type: ``TIMING`` or ``IDLE``, in either case; often absent.
        update_at: Last change, ms.
    """

    create_at: MomentMs = None
    duration: Milliseconds = None
    enable: Boolean = None
    type: Text = None
    update_at: MomentMs = None

    @property
    def kind(self) -> str:
        """``TIMING``, also for an absent type, ``IDLE``, or empty for any other."""
        kind = (self.type or TIMING).lower()
        return kind if kind in {TIMING, IDLE} else ""

    @property
    def end_ms(self) -> int | None:
        """When it ends, if it is enabled and the notebook runs, Unix ms.

        A notebook with an idle lease is stopped then or later.
        """
        if not self.enable or self.create_at is None or (self.duration or 0) <= 0:
            return None
        return self.create_at + (self.duration or 0)

    @property
    def asked_seconds(self) -> int | None:
        """What the last start or renewal asked for; None if that cannot be told.

        Of an idle lease it is the most that may have been asked for. Some printed
        samples were not rebased and give values out of range.
        """
        if self.end_ms is None or self.update_at is None:
            return None
        seconds = round((self.end_ms - self.update_at) / 1_000)
        return seconds if MIN_RUN_SECONDS <= seconds <= MAX_RUN_SECONDS else None


class Image(LenientModel):
    """Image of a notebook. ``size`` is in KB; one edition names ``tag`` otherwise."""

    id: Text = None
    name: Text = None
    show_name: Text = None
    description: Text = None
    type: Text = None
    tag: Text = Field(None, validation_alias=AliasChoices("tag", "currentTag"))
    show_tag: Text = None
    arch: Text = None
    swr_path: Address = None
    feature: Text = None
    namespace: Text = None
    origin: Text = None
    status: Text = None
    size: Integer = None


class Volume(LenientModel):
    """Storage of a notebook.

    Attributes:
        category: ``EVS``, ``EFS`` or ``SFS``; data volumes also ``OBS`` and ``OBSFS``.
        ownership: ``MANAGED`` or ``DEDICATED``.
        capacity: GB.
        usage: Used part of it, perhaps in GB too.
        status: Such as ``RESIZING``, ``INITIALIZING`` or ``MOUNTED``.
        url: Bucket path of a data volume.
    """

    id: Text = None
    category: Text = None
    ownership: Text = None
    capacity: Integer = None
    usage: Integer = None
    mount_path: Address = None
    mount_type: Text = None
    status: Text = None
    evs_sku_code: Text = None
    read_only: Boolean = None
    url: Address = None


class Step(LenientModel):
    """Step of an operation, such as a start; steps are in any order.

    Attributes:
        step: 1 storage, 2 compute, 3 network, 4 initialization.
        status: ``WAITING``, ``PROCESSING``, ``FAILED`` or ``COMPLETED``.
        description: Named ``step_description`` in the tables.
    """

    step: Integer = None
    status: Text = None
    description: Address = Field(
        None, validation_alias=AliasChoices("description", "step_description")
    )


class Endpoint(LenientModel):
    """Way to use a notebook: ``NOTEBOOK`` or ``SSH``."""

    service: Text = None
    dev_service: Text = None
    key_pair_names: list[Text] | None = None


class CustomSpec(LenientModel):
    """Hardware of a notebook without a named flavor. ``memory`` is in MB."""

    cpu: float | None = None
    memory: float | None = None
    gpu: float | None = None
    gpu_type: Text = None
    arch: Text = None
    category: Text = None
    resource_flavor: Text = None


class Pool(LenientModel):
    """Dedicated resource pool."""

    id: Text = None
    name: Text = None


class Domain(LenientModel):
    """Account of a user."""

    id: Text = None
    name: Text = None


class User(LenientModel):
    """Creator of a notebook."""

    id: Text = None
    name: Text = None
    domain: Domain | None = None


class Tag(LenientModel):
    """Label of a notebook; only Huawei Cloud has them."""

    key: Text = None
    value: Text = None


class Notebook(LenientModel):
    """One notebook instance (B.3).

    ``Notebook.model_validate`` reads and redacts any document that has a usable id. It
    raises ``pydantic.ValidationError`` for other documents.

    Attributes:
        status: See ``InstanceStatus``; other values are kept.
        feature: ``NOTEBOOK`` or ``DEFAULT``.
        flavor: The fixed text ``custom.flavor.spec.code`` with a ``custom_spec``.
        url: Where a browser opens it, after a sign-in to the cloud.
        billing_items: ``STORAGE``, ``COMPUTE`` or ``ALL``.
        current_time: The cloud's own time, ms; only some answers have it. Outdated at
            once, so never stored.
    """

    id: InstanceId
    name: Text = None
    description: Text = None
    status: Text = None
    feature: Text = None
    flavor: Text = None
    custom_spec: CustomSpec | None = None
    workspace_id: Text = None
    fail_reason: Address = None
    lease: Lease | None = None
    image: Image | None = None
    volume: Volume | None = None
    data_volumes: list[Volume] | None = None
    action_progress: list[Step] | None = None
    endpoints: list[Endpoint] | None = None
    pool: Pool | None = None
    user: User | None = None
    user_id: Text = None
    url: PageAddress = None
    billing_items: list[Text] | None = None
    jupyter_version: Text = None
    tags: list[Tag] | None = None
    create_at: MomentMs = None
    update_at: MomentMs = None
    current_time: MomentMs = None

    # Private, so that no answer can set it.
    _problems: tuple[str, ...] = PrivateAttr(default=())

    @property
    def problems(self) -> list[str]:
        """Paths of the members that could not be read, such as ``lease.duration``."""
        return list(self._problems)

    def document(self) -> dict[str, Any]:
        """Return the redacted document as JSON values, for storing.

        It omits members that are None, and ``current_time``, which would make every
        copy differ. ``Notebook.model_validate`` reads it back.
        """
        return self.model_dump(mode="json", exclude_none=True, exclude={"current_time"})

    def state(self) -> InstanceState:
        """Return what both generations have in common."""
        lease, user = self.lease or Lease(), self.user or User()
        custom_spec = self.custom_spec or CustomSpec()
        status = (self.status or "").upper()
        kind = lease.kind if self.lease else ""
        end_ms = lease.end_ms if status == InstanceStatus.RUNNING else None
        is_idle = kind == IDLE
        return InstanceState(
            generation=Generation.NOTEBOOKS,
            id=self.id,
            name=self.name or "",
            description=self.description,
            status=status,
            owner_id=user.id or self.user_id or "",
            owner_name=user.name or "",
            flavor=self.flavor or "",
            flavor_type=_flavor_type(self.flavor or "", custom_spec.category or ""),
            workspace_id=self.workspace_id or "",
            auto_stop_enable=lease.enable,
            stop_timestamp_ms=end_ms if kind == TIMING else None,
            lease_type=kind,
            lease_updated_ms=lease.update_at,
            idle_seconds=lease.asked_seconds if is_idle else None,
            idle_stop_ms=end_ms if is_idle else None,
            tags=self._tags(),
            created_ms=self.create_at or lease.create_at,
            updated_ms=self.update_at or lease.update_at,
            cloud_time_ms=self.current_time,
            is_partial=self.lease is None or not status,
        )

    def _tags(self) -> dict[str, str] | None:
        if self.tags is None:
            return None
        return {tag.key: tag.value or "" for tag in self.tags if tag.key}

    @model_validator(mode="wrap")
    @classmethod
    def _read_document(
        cls, document: Any, read: ModelWrapValidatorHandler[Self]
    ) -> Self:
        if isinstance(document, dict):
            document = json_reader.redact(document)
        notebook, problems = lenient.read(read, document)
        if problems:
            notebook._problems = tuple(problems)
        return notebook


class ProjectTag(LenientModel):
    """Tag of a project's notebooks, with the values that it has."""

    key: Text = None
    values: list[Text] | None = None


class ProjectTags(LenientModel):
    """Answer to the list of the project's tags."""

    tags: list[ProjectTag] | None = None


def _flavor_type(flavor: str, category: str) -> str:
    """Return the kind of hardware, which only the names of flavors tell."""
    for segment in flavor.lower().split("."):
        if segment in {"cpu", "gpu"}:
            return segment.upper()
        if segment.startswith(_ASCEND):
            return "ASCEND"
    return category.upper()
