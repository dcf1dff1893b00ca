"""What ModelArts answers, and by re-export what it is sent: all shapes of the wire.

Source: ModelArts API Reference, "Modifying the Description of a Development
Environment Instance", tables 5 to 24; the objects inside an instance are in
``members``, what we send in ``requests``. Answers are read tolerantly (see
``tolerant``): any member may be None, enumerations are plain strings, since they grow
and change their case. There is no field for a secret (``credential`` of tables 14 and
23, all of table 24) nor for ``repository.user_email``, which is personal.

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

from dashboard.modelarts import json_reader
from dashboard.modelarts.lenient import (
    LenientModel,
    MomentMs,
    Reading,
    Text,
    Whole,
)
from dashboard.modelarts.limits import (
    AUTO_STOP_MAX_SECONDS,
    AUTO_STOP_MIN_SECONDS,
    DESCRIPTION_FORBIDDEN,
    DESCRIPTION_MAX_LENGTH,
    description_problems,
)
from dashboard.modelarts.nested import (
    AiProject,
    AutoStop,
    ConnectionInfo,
    FailedReasons,
    FlavorDetails,
    Location,
    NotebookSpec,
    Pool,
    PoolOwner,
    Profile,
    Provision,
    ProvisionParams,
    ProvisionSpec,
    QueuingInfo,
    Repository,
    Storage,
    User,
    Workspace,
)
from dashboard.modelarts.requests import AutoStopChange, UpdateInstanceRequest
from dashboard.modelarts.statuses import (
    FAILED,
    STARTABLE,
    STOPPABLE,
    TRANSITIONAL,
    InstanceStatus,
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


class Instance(LenientModel):
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
        # It goes into paths, ours and the cloud's. What could not be decoded was an id
        # that nobody can ask for.
        unusable = "/" in text or "\N{REPLACEMENT CHARACTER}" in text
        if unusable or not text.isprintable() or text.strip(". ") != text:
            raise ValueError("unusable id")
        return text

    @model_validator(mode="wrap")
    @classmethod
    def _read_document(
        cls, document: Any, read: ModelWrapValidatorHandler[Self]
    ) -> Self:
        if isinstance(document, dict):
            document = json_reader.redact(document)
        with Reading.begun() as reading:
            instance = read(document)
        if reading.problems:
            instance._problems = tuple(reading.problems)
        return instance


class InstanceList(LenientModel):
    """Answer to the list call ("Querying a List of Development Environment Instances").

    Attributes:
        total_count: All matches, not those on this page.
        instances: Elements as received, so that one bad one does not spoil the others.
    """

    total_count: Whole = None
    instances: list[Any] | None = None


class ActionResponse(LenientModel):
    """Answer to start and stop ("Managing a Development Environment Instance").

    Attributes:
        current_status: Status after the call, usually a transitional one.
        previous_state: Status before it.
    """

    current_status: Text = None
    previous_state: Text = None
