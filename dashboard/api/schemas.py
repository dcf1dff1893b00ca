from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.utils import timezone
from ninja import Schema
from pydantic import BeforeValidator, Field

from dashboard.instances import models
from dashboard.instances.selectors import Freshness
from dashboard.schedules import models as schedules

Values = dict[str, Any]


Text = Annotated[str, BeforeValidator(str)]
"""A translated message."""


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
    not_before: datetime | None = Field(
        description="The earliest stop of a run that stops when nobody uses it."
    )
    urgency: str


class Lease(Schema):
    """The end of a notebook's run."""

    type: str = Field(
        description="timing for a fixed end; idle for an end once nobody uses it."
    )
    ends_at: datetime | None = Field(
        description="Null without a fixed end, and while auto-stop is off."
    )
    idle_seconds: int | None = Field(
        description="How long nobody must use the notebook. Null while this is not "
        "known: ModelArts does not report it."
    )
    not_before: datetime | None = Field(
        description="The earliest end of a run that stops when idle."
    )
    updated_at: datetime | None


class EditSummary(Schema):
    """The latest edit of an instance while it is open or recent."""

    id: UUID = Field(validation_alias="pk")
    kind: str
    state: str
    is_open: bool


class Override(Schema):
    """A temporary exception from schedules; it ends automatically."""

    kind: str = Field(description="keep, skip or ignore.")
    until: datetime
    skips: datetime | None = Field(description="Of `skip`: the stop.")
    starts_again: bool
    reason: str
    created_by: str
    created_at: datetime

    @staticmethod
    def resolve_created_by(override: schedules.Override) -> str:
        return override.created_by.get_username()


class Instance(Schema):
    """An instance as in the list.

    With the generation `demanager`, auto-stop settings take effect at the next start.
    With `notebooks`, each start has its own run time, and `lease` is the end of the
    current run.
    """

    cloud: str
    instance_id: str
    generation: str = Field(description="demanager or notebooks: which API it speaks.")
    name: str
    description: str
    status: str = Field(
        description="With the name that the cloud uses; new ones may appear."
    )
    status_text: str
    status_since: datetime | None
    missing_since: datetime | None
    owner: Owner
    workspace_id: str
    flavor: str
    flavor_type: str
    price_per_hour: str | None = Field(
        description="Of an hour while it runs, today; null if unknown."
    )
    currency: str | None = Field(description="Of the price, ISO 4217.")
    run_started_at: datetime | None
    this_run: Run
    lease: Lease | None = Field(description="Null for the generation demanager.")
    can_extend: bool = Field(description="Whether this run can get another end now.")
    why_not_extend: str = Field(description="Why not; empty if it can.")
    tags: dict[str, str]
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
    late_stop_since: datetime | None = Field(
        description="When it should have stopped, if that is long ago and it has not."
    )
    override: Override | None = Field(
        description="The override of schedules in effect."
    )
    url: str = Field(description="Path of the page.")


class Event(Schema):
    """An observed change of status."""

    at: datetime
    from_status: str
    to_status: str
    reason: str
    actor: str | None
    edit: UUID | None = Field(validation_alias="edit_id")

    @staticmethod
    def resolve_actor(event: models.InstanceEvent) -> str | None:
        return event.actor.get_username() if event.actor else None


class Failure(Schema):
    """Why the cloud failed."""

    sentence: Text
    code: str
    message: str


class Reasons(Schema):
    """Why each action is not possible now; empty if it is possible."""

    edit: str
    start: str
    stop: str
    extend: str


class Edit(Schema):
    """A change and its outcome. Values have the names that requests use."""

    id: UUID
    cloud: str
    instance_id: str
    instance_name: str
    actor: str
    policy: str | None
    schedule: str | None
    scheduled_for: datetime | None
    kind: str
    state: str
    is_open: bool
    sentence: str
    next_step: str
    waits_for_next_start: bool
    waits_for_stop: bool = Field(
        description="Whether the cloud refused it because the notebook runs, so that "
        "it is sent again after the stop."
    )
    change: Values
    until: datetime | None = Field(
        description="The end of the run that an extension asks for."
    )
    base: Values
    result: Values
    outcome: str = Field(
        description="Details of the state: unconfirmed, not_seen, applied_late, "
        "restored, replaced, overwritten, or empty."
    )
    replaced: dict[str, str | None] = Field(
        description="By field: the edit that replaced the value; null if it was not "
        "an edit."
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
    undo_of: UUID | None
    not_before: datetime | None = Field(
        description="Earliest moment of its delivery: of a stop that is announced."
    )
    superseded_by: UUID | None
    may_cancel: bool
    may_retry: bool
    may_undo: bool
    url: str


class Restart(Edit):
    """The stop of a restart."""

    start: UUID | None = Field(
        description="The edit that starts the instance once it has stopped. It is "
        "cancelled if the stop fails or is cancelled."
    )


class AppliedSchedule(Schema):
    """The schedule that applies to an instance."""

    id: int
    name: str
    because: str = Field(description="Which scope of it matched.")
    next_stop: datetime | None
    next_start: datetime | None


class InstanceDetail(Instance):
    """Everything known about an instance except its secrets."""

    seen: str = Field(
        description="Token of the current settings. Sent with PATCH, it reveals "
        "conflicts."
    )
    lease_seen: str = Field(
        description="Token of the current lease, for `extend`; empty without a lease."
    )
    prompt_reminds: bool = Field(
        description="Whether the cloud's console shows a prompt before the stop."
    )
    stop_timestamp_ms: int | None = Field(
        description="End of this run by the clock of the cloud, Unix time in ms."
    )
    first_seen_at: datetime
    looked_at: datetime | None
    as_of: datetime | None
    reasons: Reasons
    schedule: AppliedSchedule | None = Field(
        description="The first one that is on and includes it."
    )
    failure: Failure | None
    problems: list[str] = Field(description="Fields that could not be read.")
    details: Values = Field(
        description="Further fields, with the names that the cloud uses."
    )
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

    version: int = Field(description="Fleet version; the next request's `since`.")
    as_of: datetime | None
    items: list[Instance]


class Edits(Page):
    """A page of edits, newest first."""

    items: list[Edit]


class Lane(Schema):
    """Running instances whose runs end in the same period."""

    lane: str
    label: str
    total: int
    items: list[Instance]


class LateStop(Schema):
    """An instance that should have stopped."""

    since: datetime = Field(description="When it should have.")
    cause: str = Field(description="What should have stopped it.")
    instance: Instance


class LateStops(Schema):
    """The late stops, of which the first ones are listed."""

    total: int
    items: list[LateStop]


class Due(Schema):
    """The instances that stop soon, in lanes that list the first ones."""

    as_of: datetime | None
    late: LateStops
    lanes: list[Lane]


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
    version: str = Field(description="Version of this site.")


class Cloud(Schema):
    """A cloud and the age of our copy of it."""

    name: str
    refreshed_at: datetime | None
    age_seconds: int | None
    age: str = Field(description="fresh, old or stale")
    problem: Text
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
    hold_reason: Text
    generations: dict[str, str] = Field(
        description="By generation of the API: served or not_served."
    )
    generations_checked_at: datetime | None
    notebooks_scope: str = Field(
        description="all, or own if the last listing contained only the account's own "
        "notebooks; empty without one."
    )
    max_run_hours: int = Field(
        description="Longest run that an extension or the start of a notebook may ask "
        "for, from then on."
    )
    allows_no_auto_stop: bool = Field(
        description="Whether a notebook may start without auto-stop."
    )
    has_tags: bool = Field(description="Whether notebooks have tags.")
    clock_skew_ms: int = Field(validation_alias="skew_ms")

    @staticmethod
    def resolve_age(cloud: models.Cloud) -> str:
        return str(Freshness([cloud], cloud.refreshed_at, timezone.now()).age)

    @staticmethod
    def resolve_age_seconds(cloud: models.Cloud) -> int | None:
        if cloud.refreshed_at is None:
            return None
        return max(0, int((timezone.now() - cloud.refreshed_at).total_seconds()))


class Clouds(Schema):
    items: list[Cloud]


class AuditEvent(Schema):
    """An entry of the audit trail."""

    id: int
    at: datetime
    actor: str = Field(validation_alias="actor_label")
    via: Text
    action: str
    outcome: str
    target_kind: str
    target_id: str
    target: str = Field(validation_alias="target_label")
    instance: str
    before: Values
    after: Values
    reason: Text
    request_id: str
    address: str | None


class AuditEvents(Page):
    """A page of the audit trail, newest first."""

    items: list[AuditEvent]


class InstanceName(Schema):
    cloud: str
    instance_id: str
    name: str


class PlannedItem(InstanceName):
    """An instance that would get an edit."""

    base: Values
    change: Values
    until: datetime | None = Field(
        description="The end of the run that an extension asks for."
    )


class SkippedItem(InstanceName):
    """A skipped instance, and why it was skipped."""

    reason: str


class Draft(Schema):
    """The preview of a bulk change: what confirming it would do."""

    id: UUID
    preview: str
    change: str
    number: int
    needs_approval: bool = Field(
        description="Whether another person must approve it after the confirmation."
    )
    items: list[PlannedItem]
    skipped: list[SkippedItem]
    expected_seconds: float


class Progress(Schema):
    """The progress of a batch."""

    total: int
    open: int
    completed: int
    skipped: int
    states: dict[str, int]


class Batch(Schema):
    """A confirmed bulk change, or one that waits for an approval."""

    id: UUID
    actor: str
    policy: str | None
    schedule: str | None
    scheduled_for: datetime | None
    change: str
    source: str
    rule: str | None
    reason: str = Field(description="Why its instances are stopped.")
    warns_owners: bool
    confirmed_at: datetime | None
    waits_for_approval: bool
    approved_by: str | None
    retry_of: UUID | None = Field(description="The first batch of its history.")
    undo_of: UUID | None
    progress: Progress
    may_act: bool
    url: str


class BatchDetail(Batch):
    """A batch with its skipped instances. Its edits: `/batches/{id}/edits`."""

    skipped: list[SkippedItem]
    preview: str = Field(description="Of a batch that waits for an approval.")


class Batches(Page):
    """A page of batches, newest first."""

    items: list[Batch]


class Cancelled(Schema):
    """The number of cancelled edits."""

    cancelled: int
