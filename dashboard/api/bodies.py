"""Schemas of request bodies."""

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import MISSING, ConfigDict, Field

from dashboard.edits.batch_forms import BulkForm
from dashboard.edits.models import MAX_REASON
from dashboard.modelarts.limits import DESCRIPTION_MAX_LENGTH, NAME_MAX_LENGTH
from dashboard.schedules.models import Override


class RequestBody(Schema):
    """Base of request bodies; rejects unknown fields and wrong types.

    Optional fields default to ``MISSING``: a client that is generated from the OpenAPI
    document would send any other default.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


def _optional(**options: Any) -> Any:
    # ninja cannot write MISSING as a plain default into the OpenAPI document.
    return Field(default_factory=lambda: MISSING, **options)


Hours = Annotated[
    float,
    Field(
        allow_inf_nan=False,
        # The page's form checks the range; its messages are better.
        json_schema_extra={"minimum": 1, "maximum": 24, "multipleOf": 0.5},
    ),
]


RunHours = Annotated[
    float,
    Field(
        allow_inf_nan=False,
        # The most is the cloud's; see ``max_run_hours`` of the clouds.
        json_schema_extra={"minimum": 1},
    ),
]


BulkHours = Annotated[
    float,
    Field(allow_inf_nan=False, json_schema_extra={"exclusiveMinimum": 0}),
]

BULK_ACTIONS = [action for action, _label in BulkForm.ACTIONS if action != "until"]
"""Here, an extension has its end in another field."""


class Change(RequestBody):
    """New settings. Only the fields sent are changed."""

    name: str | MISSING = _optional(
        description="Only of notebooks.",
        json_schema_extra={"maxLength": NAME_MAX_LENGTH},
    )
    description: str | MISSING = _optional(
        json_schema_extra={"maxLength": DESCRIPTION_MAX_LENGTH}
    )
    auto_stop_enable: bool | MISSING = _optional()
    auto_stop_hours: Hours | MISSING = _optional(
        description="1 to 24, in steps of half an hour."
    )
    auto_stop_seconds: int | MISSING = _optional(
        description="`auto_stop_hours` in seconds."
    )
    tags: dict[str, str] | MISSING = _optional(
        description="All tags. Only of notebooks, where the cloud has tags."
    )
    prompt: bool | MISSING = _optional(
        description="Whether the cloud's console shows a prompt before the stop."
    )
    seen: str | MISSING = _optional(
        description="`seen` of the instance as you read it; 409 if it changed since."
    )


class Start(RequestBody):
    """The run time of a notebook. Without one it is the shortest, one hour.

    An instance of the generation `demanager` has a setting instead, and takes none.
    """

    hours: RunHours | MISSING = _optional(description="From the start on.")
    no_auto_stop: bool | MISSING = _optional(
        description="True: the run has no end, where the cloud allows that."
    )


class Extension(RequestBody):
    """Another end of the current run: one of the first three fields."""

    until: str | MISSING = _optional(
        description="The end, ISO 8601 with zone.",
        json_schema_extra={"format": "date-time"},
    )
    hours: RunHours | MISSING = _optional(description="The end, from now on.")
    idle_hours: RunHours | MISSING = _optional(
        description="The run ends once nobody has used the notebook for so long."
    )
    seen: str | MISSING = _optional(
        description="`lease_seen` of the instance as you read it; 409 if the end has "
        "changed since."
    )


class NewOverride(RequestBody):
    """A temporary exception from the schedules of an instance."""

    kind: str = Field(
        description="`keep` it running, `skip` the next stop of its schedule, or "
        "`ignore` schedules.",
        json_schema_extra={"enum": [*Override.Kind.values]},
    )
    until: str | MISSING = _optional(
        description="When it ends, ISO 8601 with zone; required, except for `skip`.",
        json_schema_extra={"format": "date-time"},
    )
    starts_again: bool | MISSING = _optional(
        description="Only for `keep`, where a run cannot be extended: start the "
        "instance again after its auto-stop. What is in memory is lost."
    )
    reason: str | MISSING = _optional(
        description="Why; required beyond the policies, which only operators and "
        "admins may do.",
        json_schema_extra={"maxLength": 300},
    )


class Selection(RequestBody):
    """Instances: either by name, or all that match a query of the list."""

    instances: list[str] | MISSING = _optional(
        description="Each as `cloud/instance_id`."
    )
    query: str | MISSING = _optional(description="Such as `status=RUNNING&owner=…`.")


class BulkRequest(RequestBody):
    """One change for many instances."""

    selection: Selection
    action: str = Field(json_schema_extra={"enum": [*BULK_ACTIONS]})
    auto_stop_hours: Hours | MISSING = _optional(
        description="Only for the action `hours`."
    )
    hours: RunHours | MISSING = _optional(
        description="Only for the action `start`: the run time of notebooks; others "
        "keep theirs."
    )
    add_hours: BulkHours | MISSING = _optional(
        description="Only for the action `extend`: each run ends so much later."
    )
    until: str | MISSING = _optional(
        description="Only for the action `extend`: the same end for all, ISO 8601 with "
        "zone.",
        json_schema_extra={"format": "date-time"},
    )
    reason: str | MISSING = _optional(
        description="Only for the action `stop`: why, for the owners.",
        json_schema_extra={"maxLength": MAX_REASON},
    )
    warn_owners: bool | MISSING = _optional(
        description="Only for the action `stop`: true notifies the owners first and "
        "stops 10 minutes later."
    )


class Confirmation(RequestBody):
    """The confirmation or the approval of a preview."""

    preview: str = Field(description="`preview` of the draft to confirm.")
    number: int | MISSING = _optional(
        description="How many instances you expect to change; 409 for another number."
    )


class Answer(RequestBody):
    """The answer to the question whether a run is still needed."""

    needed: bool = Field(description="False stops the run.")


class PriceInput(RequestBody):
    """A price of a flavor from a day on."""

    flavor: str = Field(description="Exact, or a pattern such as `modelarts.vm.gpu.*`.")
    running: str = Field(description="An hour while an instance runs, such as `4.20`.")
    currency: str = Field(description="Three letters, such as `EUR`.")
    valid_from: str = Field(
        description="The first day.", json_schema_extra={"format": "date"}
    )
    cloud: str | MISSING = _optional(description="Its name; for all clouds without it.")
    stopped: str | MISSING = _optional(
        description="An hour while it is stopped; unknown without it."
    )
    past: bool | MISSING = _optional(
        description="True confirms that costs of past days change."
    )


class Undo(RequestBody):
    """The undo of a change."""

    stop: bool | MISSING = _optional(
        description="True confirms that the undo of a start stops the instance."
    )


class WorkingTimeInput(RequestBody):
    """From when to when people work on some days of the week."""

    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        description="Days on which it begins, 0 (Monday) to 6."
    )
    start: str | None = Field(
        None, description="Such as `08:00`; null for a stop without a start."
    )
    stop: str = Field(
        description="Such as `19:00`; on the next day unless it is after the start."
    )


class ScheduleInput(RequestBody):
    """All of a schedule but its place and its mode; an empty scope matches all."""

    name: str
    time_zone: str = Field(description="Such as `Europe/Berlin`.")
    working_times: list[WorkingTimeInput]
    reason: str | MISSING = _optional()
    first_day: str | MISSING = _optional(description="Such as `2026-12-01`.")
    last_day: str | MISSING = _optional(description="Such as `2027-03-31`.")
    starts: bool | MISSING = _optional(description="Whether it also starts instances.")
    holidays: list[str] | MISSING = _optional(description="Names of holiday calendars.")
    cloud: str | MISSING = _optional()
    workspace: str | MISSING = _optional()
    flavor_type: str | MISSING = _optional()
    owner: str | MISSING = _optional(description="Name of a ModelArts user.")
    team: str | MISSING = _optional(description="Name of a team.")
    tag: str | MISSING = _optional(description="A key, or `key=value`.")
    instance: str | MISSING = _optional(description="ID or name of one instance.")


class Holidays(RequestBody):
    """The days of a holiday calendar."""

    days: dict[str, str] = Field(
        description='Names by day, such as `{"2026-12-25": "Christmas"}`; a name '
        "may be empty."
    )


class ScheduleMode(RequestBody):
    """Where a schedule is switched to."""

    mode: Literal["off", "dry_run", "on"]
    number: int | MISSING = _optional(
        description="To switch it on: how many instances you expect it to apply to; "
        "409 for another number. Required above CURFEW_BULK_CONFIRM_ABOVE."
    )


class ScheduleMove(RequestBody):
    """One place up or down in the order."""

    to: Literal["up", "down"]
