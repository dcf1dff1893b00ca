"""Bodies we send. Strict, unlike what we read: a mistake here is ours."""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from dashboard.modelarts.limits import (
    AUTO_STOP_MAX_SECONDS,
    AUTO_STOP_MIN_SECONDS,
    description_problems,
)


def _check_description(text: str) -> str:
    problems = description_problems(text)
    if problems:
        raise ValueError(" ".join(map(str, problems)))
    return text


class AutoStopChange(BaseModel):
    """New auto-stop settings.

    Source: "Modifying the Description of a Development Environment Instance",
    table 4; errors ModelArts.6348 and ModelArts.6349.

    Attributes:
        enable: Whether the instance stops by itself. Always sent, since leaving it
            out would mean false.
        duration: Run time from each start, whole **seconds**, 3 600 to 86 400.
            Needed with ``enable``. On a running instance it counts from the next start.
        prompt: Whether the cloud's console should remind its user again; None leaves
            it alone.
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
    """What is to change on an instance; what is None is left alone.

    Source: "Modifying the Description of a Development Environment Instance",
    tables 2 and 3.

    Attributes:
        description: See ``limits.description_problems``; the empty text clears it.
        auto_stop: Sent as ``spec.auto_stop``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Annotated[StrictStr, AfterValidator(_check_description)] | None = None
    auto_stop: AutoStopChange | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.description is None and self.auto_stop is None:
            raise ValueError("Nothing to change.")
        return self

    def body(self) -> dict[str, Any]:
        """The JSON body: only what is set, nested as documented."""
        body: dict[str, Any] = {}
        if self.description is not None:
            body["description"] = self.description
        if self.auto_stop is not None:
            body["spec"] = {"auto_stop": self.auto_stop.model_dump(exclude_none=True)}
        return body
