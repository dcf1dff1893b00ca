"""Bodies that we send. Strict, unlike what we read: an error here is our own.

Source: ModelArts API Reference, "Modifying the Description of a Development
Environment Instance", tables 2 to 4; errors ModelArts.6348 and ModelArts.6349. For
notebooks ``docs/modelarts-api.md``, B.5 and B.6.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from dashboard.modelarts.instance_state import TIMING
from dashboard.modelarts.limits import (
    AUTO_STOP_MAX_SECONDS,
    AUTO_STOP_MIN_SECONDS,
    MAX_RUN_SECONDS,
    MIN_RUN_SECONDS,
    description_problems,
    name_problems,
    tag_problems,
)
from dashboard.modelarts.messages import ProblemText


def _without(find_problems: Callable[[str], list[ProblemText]]) -> AfterValidator:
    def check(text: str) -> str:
        if problems := find_problems(text):
            raise ValueError(" ".join(map(str, problems)))
        return text

    return AfterValidator(check)


NO_AUTO_STOP_SECONDS = -1
"""A run time that switches auto-stop off; only a start of a notebook can have it."""

Name = Annotated[StrictStr, _without(name_problems)]
Description = Annotated[StrictStr, _without(description_problems)]
RunSeconds = Annotated[StrictInt, Field(ge=MIN_RUN_SECONDS, le=MAX_RUN_SECONDS)]


class AutoStopChange(BaseModel):
    """New auto-stop settings.

    Attributes:
        enable: Always sent, since the cloud takes a missing value for false.
        duration: Run time from each start, whole **seconds**, 3 600 to 86 400. Required
            with ``enable``. On a running instance it counts from the next start.
        prompt: Whether the cloud's console reminds its user again; None leaves it
            unchanged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enable: StrictBool
    duration: (
        Annotated[StrictInt, Field(ge=AUTO_STOP_MIN_SECONDS, le=AUTO_STOP_MAX_SECONDS)]
        | None
    ) = None
    prompt: StrictBool | None = None

    @model_validator(mode="after")
    def _needs_duration(self) -> Self:
        if self.enable and self.duration is None:
            raise ValueError("Auto-stop needs a run time when it is switched on.")
        return self


class UpdateInstanceRequest(BaseModel):
    """A change of an instance; None leaves a value unchanged.

    Attributes:
        description: See ``limits.description_problems``; an empty text clears it.
        auto_stop: Sent as ``spec.auto_stop``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Description | None = None
    auto_stop: AutoStopChange | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.description is None and self.auto_stop is None:
            raise ValueError("Nothing to change.")
        return self

    def body(self) -> dict[str, Any]:
        """Return the JSON body with only the values that are set."""
        body: dict[str, Any] = {}
        if self.description is not None:
            body["description"] = self.description
        if self.auto_stop is not None:
            body["spec"] = {"auto_stop": self.auto_stop.model_dump(exclude_none=True)}
        return body


class UpdateNotebookRequest(BaseModel):
    """A change of a notebook; None leaves a value unchanged.

    Attributes:
        name: See ``limits.name_problems``.
        description: See ``limits.description_problems``; an empty text clears it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name | None = None
    description: Description | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.name is None and self.description is None:
            raise ValueError("Nothing to change.")
        return self

    def body(self) -> dict[str, Any]:
        """Return the JSON body with only the values that are set."""
        return self.model_dump(exclude_none=True)


class RenewLeaseRequest(BaseModel):
    """A new lease of a running notebook.

    Attributes:
        seconds: With ``TIMING``, from now until the end of the run. With ``IDLE``, how
            long the notebook must be unused until it stops. 3 600 to 259 200.
        type: ``TIMING`` or ``IDLE``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: RunSeconds
    type: Literal["timing", "idle"] = TIMING

    def body(self) -> dict[str, Any]:
        """Return the JSON body; its duration is in milliseconds."""
        return {"duration": self.seconds * 1_000, "type": self.type}


class StartNotebookRequest(BaseModel):
    """The lease of the run that a start begins.

    Attributes:
        seconds: As in ``RenewLeaseRequest``, or ``NO_AUTO_STOP_SECONDS``.
        type: As in ``RenewLeaseRequest``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: RunSeconds | Literal[-1]
    type: Literal["timing", "idle"] = TIMING

    def query(self) -> dict[str, str]:
        """Return the members of the query; its duration is in milliseconds."""
        if self.seconds == NO_AUTO_STOP_SECONDS:
            return {"duration": str(NO_AUTO_STOP_SECONDS)}
        return {"duration": str(self.seconds * 1_000), "type": self.type}


class TagsRequest(BaseModel):
    """Tags of a notebook to add or to replace, or keys of tags to delete.

    Attributes:
        tags: Values by key; None as the value where only the key is sent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tags: Annotated[dict[StrictStr, StrictStr | None], Field(min_length=1)]

    @field_validator("tags")
    @classmethod
    def _are_allowed(cls, tags: dict[str, str | None]) -> dict[str, str | None]:
        for key, value in tags.items():
            # A key that exists may be deleted, even if it is not one of ours.
            if value is not None and (problems := tag_problems(key, value)):
                raise ValueError(" ".join(map(str, problems)))
        return tags

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {
            "tags": [
                {"key": key} if value is None else {"key": key, "value": value}
                for key, value in self.tags.items()
            ]
        }
