"""Shapes of answers and requests. Moments are UTC; times are **seconds** or hours."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import MISSING, ConfigDict, Field

from dashboard.edits.batch_forms import BulkForm
from dashboard.modelarts.schemas import DESCRIPTION_MAX_LENGTH

Values = dict[str, Any]


class RequestBody(Schema):
    """A request: no field that nobody knows, no text where a number is meant.

    A field that may be left out is ``MISSING``, not a value: a client made from the
    OpenAPI document sends a default as if its user had asked for it.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


def _absent() -> Any:
    # Not as a plain default: ninja writes those into the document, and fails at this.
    return MISSING


Hours = Annotated[
    float,
    Field(
        allow_inf_nan=False,
        # Checked by the form of the page, whose sentences say more.
        json_schema_extra={"minimum": 1, "maximum": 24, "multipleOf": 0.5},
    ),
]


class Owner(Schema):
    """The upstream user who created an instance."""

    id: str
    name: str


class Run(Schema):
    """The present run."""

    state: str
    text: str
    stops_at: datetime | None
    stops_at_ms: int | None = Field(description="The same, Unix time in ms.")
    urgency: str


class EditSummary(Schema):
    """The latest edit of an instance, while it is open or news."""

    id: UUID
    kind: str
    state: str
    is_open: bool


class Instance(Schema):
    """A notebook as the list shows it; the settings count from its next start."""

    cloud: str
    instance_id: str
    name: str
    description: str
    status: str = Field(description="As the cloud spells it; there may be new ones.")
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
    url: str = Field(description="Path of its page.")


class Event(Schema):
    """A change of status that was observed."""

    at: datetime
    from_status: str
    to_status: str
    reason: str
    actor: str | None
    edit: UUID | None


class Failure(Schema):
    """Why the cloud could not do it."""

    sentence: str
    code: str
    message: str


class Obstacles(Schema):
    """Why something cannot be asked now, a sentence each; empty where it can."""

    edit: str
    start: str
    stop: str


class Edit(Schema):
    """A wish, and what became of it. Values are named as in the request."""

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
        description="What the state does not say: unconfirmed, not_seen, applied_late, "
        "restored, replaced, overwritten, or nothing."
    )
    replaced: dict[str, str | None] = Field(
        description="The edit that replaced a value, by field; null: not by Curfew."
    )
    corrected_at: datetime | None = Field(
        description="When a write that landed late changed what is said of it."
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
    """Everything known about a notebook but its secrets."""

    seen: str = Field(
        description="What the settings are now; send it along with PATCH."
    )
    prompt_reminds: bool = Field(description="Whether the cloud's console reminds.")
    stop_timestamp_ms: int | None = Field(description="By the cloud's own clock.")
    first_seen_at: datetime
    looked_at: datetime | None
    as_of: datetime | None
    reasons: Obstacles
    failure: Failure | None
    problems: list[str] = Field(description="Members that could not be read.")
    details: Values = Field(description="What else the cloud says, by its own names.")
    events: list[Event]
    edits: list[Edit]


class Page(Schema):
    """Where in a long list."""

    count: int
    page: int
    pages: int
    per_page: int


class Instances(Page):
    """A page of the list."""

    version: int = Field(description="Of the fleet; for “since”.")
    as_of: datetime | None
    items: list[Instance]


class Edits(Page):
    """A page of edits, newest first."""

    items: list[Edit]


class Bucket(Schema):
    """Running instances whose run ends about then."""

    bucket: str
    label: str
    total: int
    items: list[Instance]


class Due(Schema):
    """What stops soon, each bucket with its soonest ones."""

    as_of: datetime | None
    buckets: list[Bucket]


class TokenInfo(Schema):
    """The token that asks."""

    name: str
    scopes: list[str]
    expires_at: datetime


class Me(Schema):
    """Whose token this is, and what they may do."""

    username: str
    role: str
    cloud_users: list[str]
    may_bulk: bool
    may_read_audit: bool
    token: TokenInfo


class Cloud(Schema):
    """A cloud, and how old our copy of it is."""

    name: str
    refreshed_at: datetime | None
    age_seconds: int | None
    age: str = Field(description="fresh, old or stale")
    problem: str
    problem_since: datetime | None
    incomplete: str = Field(
        description="partly_read or wrong_count; empty when the last listing held all"
    )
    incomplete_since: datetime | None
    listed: int | None = Field(description="Instances that an incomplete listing held")
    counted: int | None = Field(description="Instances that the cloud counts then")
    unconfigured_since: datetime | None = Field(
        description="Since when the configuration lacks it; it is not read any more"
    )
    retires_at: datetime | None = Field(
        description="When the instances of an unconfigured cloud are given up"
    )
    held_since: datetime | None
    hold_reason: str
    clock_skew_ms: int


class Clouds(Schema):
    """All of them."""

    items: list[Cloud]


class AuditEvent(Schema):
    """A line of the audit trail."""

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
    """New settings. Only what is sent is changed."""

    description: str | MISSING = Field(
        default_factory=_absent, json_schema_extra={"maxLength": DESCRIPTION_MAX_LENGTH}
    )
    auto_stop_enable: bool | MISSING = Field(default_factory=_absent)
    auto_stop_hours: Hours | MISSING = Field(
        default_factory=_absent, description="1 to 24, in steps of half an hour."
    )
    auto_stop_seconds: int | MISSING = Field(
        default_factory=_absent, description="The same in seconds."
    )
    prompt: bool | MISSING = Field(
        default_factory=_absent, description="Whether the cloud's console reminds."
    )
    seen: str | MISSING = Field(
        default_factory=_absent,
        description="From the instance as you saw it: then a change since is 409.",
    )


class Selection(RequestBody):
    """Which instances: either named, or all that a query of the list finds."""

    instances: list[str] | MISSING = Field(
        default_factory=_absent, description="As “cloud/instance_id”."
    )
    query: str | MISSING = Field(
        default_factory=_absent, description="As in “status=RUNNING&owner=…”."
    )


class BulkRequest(RequestBody):
    """One wish for many instances."""

    selection: Selection
    action: str = Field(json_schema_extra={"enum": [*dict(BulkForm.ACTIONS)]})
    auto_stop_hours: Hours | MISSING = Field(
        default_factory=_absent, description="For “hours”."
    )


class Confirmation(RequestBody):
    """Yes to a preview."""

    preview: str = Field(description="As the preview says it.")


class PlannedItem(Schema):
    """An instance of a preview that will get an edit."""

    cloud: str
    instance_id: str
    name: str
    base: Values
    wish: Values


class SkippedItem(Schema):
    """An instance that is left out."""

    cloud: str
    instance_id: str
    name: str
    reason: str


class Draft(Schema):
    """A bulk edit before it is one: what confirming it would do."""

    id: UUID
    preview: str
    wish: str
    number: int
    items: list[PlannedItem]
    skipped: list[SkippedItem]
    expected_seconds: float


class Progress(Schema):
    """How far a batch has come."""

    total: int
    open: int
    settled: int
    skipped: int
    states: dict[str, int]


class Batch(Schema):
    """A confirmed bulk edit."""

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
    """One of them, with who was left out; its edits are ``/batches/{id}/edits``."""

    left_out: list[SkippedItem]


class Batches(Page):
    """A page of batches, newest first."""

    items: list[Batch]


class Cancelled(Schema):
    """How many waiting edits were taken back."""

    cancelled: int


class FieldError(Schema):
    """What is wrong about a field; an empty name means the whole request."""

    field: str
    message: str


class Difference(Schema):
    """A field that somebody else changed: three values to choose from."""

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
    seen: str = Field("", description="Of a conflict: what the settings are now.")
