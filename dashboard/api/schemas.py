from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import MISSING, ConfigDict, Field

from dashboard.edits.batch_forms import BulkForm
from dashboard.modelarts.schemas import DESCRIPTION_MAX_LENGTH

Values = dict[str, Any]


class RequestBody(Schema):
    """Base of request bodies; unknown fields and wrong types are rejected.

    An optional field defaults to ``MISSING``: a client generated from the OpenAPI
    document would send any other default as if its user had asked for it.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


def _absent() -> Any:
    # As a plain default, ninja would try to write MISSING into the document and fail.
    return MISSING


Hours = Annotated[
    float,
    Field(
        allow_inf_nan=False,
        # The page's form checks the range; its messages are better.
        json_schema_extra={"minimum": 1, "maximum": 24, "multipleOf": 0.5},
    ),
]


class Owner(Schema):
    """The ModelArts user who created an instance."""

    id: str
    name: str


class Run(Schema):
    """The run that is under way."""

    state: str
    text: str
    stops_at: datetime | None
    stops_at_ms: int | None = Field(description="`stops_at` as Unix time in ms.")
    urgency: str


class EditSummary(Schema):
    """The latest edit of an instance while it is open or recent."""

    id: UUID
    kind: str
    state: str
    is_open: bool


class Instance(Schema):
    """An instance as in the list. Its settings take effect at the next start."""

    cloud: str
    instance_id: str
    name: str
    description: str
    status: str = Field(description="As the cloud spells it; new values may appear.")
    status_text: str
    status_since: datetime | None
    missing_since: datetime | None
    owner: Owner
    workspace_id: str
    flavor: str
    flavor_type: str
    run_started_at: datetime | None
    this_run: Run
    next_run_text: str
    auto_stop_enable: bool | None
    auto_stop_seconds: int | None
    auto_stop_hours: float | None
    prompt: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    version: int
    may_edit: bool
    edit: EditSummary | None
    url: str = Field(description="Path of the page.")


class Event(Schema):
    """An observed change of status."""

    at: datetime
    from_status: str
    to_status: str
    reason: str
    actor: str | None
    edit: UUID | None


class Failure(Schema):
    """Why the cloud failed."""

    sentence: str
    code: str
    message: str


class Obstacles(Schema):
    """Why each action is not possible now, in a sentence; empty if it is."""

    edit: str
    start: str
    stop: str


class Edit(Schema):
    """A change and its outcome. Values are named as in the request."""

    id: UUID
    cloud: str
    instance_id: str
    instance_name: str
    actor: str
    policy: str | None
    kind: str
    state: str
    is_open: bool
    sentence: str
    next_step: str
    waits_for_next_start: bool
    wish: Values
    base: Values
    result: Values
    outcome: str = Field(
        description="Details of the state: unconfirmed, not_seen, applied_late, "
        "restored, replaced, overwritten, or empty."
    )
    replaced: dict[str, str | None] = Field(
        description="The edit that replaced a value, by field; null if Curfew did not."
    )
    corrected_at: datetime | None = Field(
        description="When a late write changed the outcome."
    )
    message: str
    error_code: str
    error_message: str
    attempts: int
    created_at: datetime
    deadline_at: datetime
    finished_at: datetime | None
    batch: UUID | None
    retry_of: UUID | None
    superseded_by: UUID | None
    may_cancel: bool
    may_retry: bool
    url: str


class InstanceDetail(Instance):
    """Everything known about an instance except its secrets."""

    seen: str = Field(description="Token of the current settings; send it with PATCH.")
    prompt_reminds: bool = Field(
        description="Whether the cloud's console shows a prompt before the stop."
    )
    stop_timestamp_ms: int | None = Field(description="By the clock of the cloud.")
    first_seen_at: datetime
    looked_at: datetime | None
    as_of: datetime | None
    reasons: Obstacles
    failure: Failure | None
    problems: list[str] = Field(description="Fields that could not be read.")
    details: Values = Field(description="Further fields of the cloud, by its names.")
    events: list[Event]
    edits: list[Edit]


class Page(Schema):
    """Position in a list."""

    count: int
    page: int
    pages: int
    per_page: int


class Instances(Page):
    """A page of the list of instances."""

    version: int = Field(description="Fleet version; for `since`.")
    as_of: datetime | None
    items: list[Instance]


class Edits(Page):
    """A page of edits, newest first."""

    items: list[Edit]


class Bucket(Schema):
    """Running instances by the time their run ends."""

    bucket: str
    label: str
    total: int
    items: list[Instance]


class Due(Schema):
    """What stops soon; each bucket lists the first of its instances."""

    as_of: datetime | None
    buckets: list[Bucket]


class TokenInfo(Schema):
    """The token of the request."""

    name: str
    scopes: list[str]
    expires_at: datetime


class Me(Schema):
    """The owner of the token and their rights."""

    username: str
    role: str
    cloud_users: list[str]
    may_bulk: bool
    may_read_audit: bool
    token: TokenInfo


class Cloud(Schema):
    """A cloud and the age of our copy of it."""

    name: str
    refreshed_at: datetime | None
    age_seconds: int | None
    age: str = Field(description="fresh, old or stale")
    problem: str
    problem_since: datetime | None
    incomplete: str = Field(
        description="partly_read or wrong_count; empty when the listing was complete"
    )
    incomplete_since: datetime | None
    listed: int | None = Field(description="Instances in an incomplete listing")
    counted: int | None = Field(
        description="Number of instances that the cloud reports for it"
    )
    unconfigured_since: datetime | None = Field(
        description="When it disappeared from the configuration; it is no longer read"
    )
    retires_at: datetime | None = Field(
        description="When Curfew drops the instances of an unconfigured cloud"
    )
    held_since: datetime | None
    hold_reason: str
    clock_skew_ms: int


class Clouds(Schema):
    items: list[Cloud]


class AuditEvent(Schema):
    """An entry of the audit trail."""

    id: int
    at: datetime
    actor: str
    via: str
    action: str
    outcome: str
    target_kind: str
    target_id: str
    target: str
    instance: str
    before: Values
    after: Values
    reason: str
    request_id: str
    address: str | None


class AuditEvents(Page):
    """A page of the audit trail, newest first."""

    items: list[AuditEvent]


class Change(RequestBody):
    """New settings. Only the fields sent are changed."""

    description: str | MISSING = Field(
        default_factory=_absent, json_schema_extra={"maxLength": DESCRIPTION_MAX_LENGTH}
    )
    auto_stop_enable: bool | MISSING = Field(default_factory=_absent)
    auto_stop_hours: Hours | MISSING = Field(
        default_factory=_absent, description="1 to 24, in steps of half an hour."
    )
    auto_stop_seconds: int | MISSING = Field(
        default_factory=_absent, description="`auto_stop_hours` in seconds."
    )
    prompt: bool | MISSING = Field(
        default_factory=_absent,
        description="Whether the cloud's console shows a prompt before the stop.",
    )
    seen: str | MISSING = Field(
        default_factory=_absent,
        description="From the instance as you read it; 409 if it changed since.",
    )


class Selection(RequestBody):
    """Instances: either by name, or all that match a query of the list."""

    instances: list[str] | MISSING = Field(
        default_factory=_absent, description="Each as `cloud/instance_id`."
    )
    query: str | MISSING = Field(
        default_factory=_absent, description="Such as `status=RUNNING&owner=…`."
    )


class BulkRequest(RequestBody):
    """One change for many instances."""

    selection: Selection
    action: str = Field(json_schema_extra={"enum": [*dict(BulkForm.ACTIONS)]})
    auto_stop_hours: Hours | MISSING = Field(
        default_factory=_absent, description="For the action `hours`."
    )


class Confirmation(RequestBody):
    """The confirmation of a preview."""

    preview: str = Field(description="`preview` of the draft.")


class PlannedItem(Schema):
    """An instance that would get an edit."""

    cloud: str
    instance_id: str
    name: str
    base: Values
    wish: Values


class SkippedItem(Schema):
    """A skipped instance."""

    cloud: str
    instance_id: str
    name: str
    reason: str


class Draft(Schema):
    """The preview of a bulk change: what confirming it would do."""

    id: UUID
    preview: str
    wish: str
    number: int
    items: list[PlannedItem]
    skipped: list[SkippedItem]
    expected_seconds: float


class Progress(Schema):
    """The progress of a batch."""

    total: int
    open: int
    settled: int
    skipped: int
    states: dict[str, int]


class Batch(Schema):
    """A confirmed bulk change."""

    id: UUID
    actor: str
    policy: str | None
    wish: str
    source: str
    rule: str | None
    confirmed_at: datetime
    retry_of: UUID | None
    progress: Progress
    may_act: bool
    url: str


class BatchDetail(Batch):
    """A batch with its skipped instances; edits: `/batches/{id}/edits`."""

    left_out: list[SkippedItem]


class Batches(Page):
    """A page of batches, newest first."""

    items: list[Batch]


class Cancelled(Schema):
    """The number of cancelled edits."""

    cancelled: int


class FieldError(Schema):
    """An error of a field; an empty name means the whole request."""

    field: str
    message: str


class Difference(Schema):
    """A conflicting field with its three values."""

    field: str
    seen: Any
    now: Any
    requested: Any


class Problem(Schema):
    """Any error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []
    differences: list[Difference] = []
    seen: str = Field("", description="In a conflict: token of the current settings.")
