"""Schemas of costs. Hours are numbers, amounts of money are texts."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import Field

from .schemas import Owner, Page

Amounts = Annotated[
    dict[str, str],
    Field(
        description="Decimals by currency, such as `4.20`, at most six places; empty "
        "if nothing has a price. Currencies are never added to each other."
    ),
]


class CostPeriod(Schema):
    """The whole days that an answer is about."""

    since: date
    until: date = Field(description="The last day.")
    time_zone: str = Field(description="Of the days.")
    as_of: datetime = Field(description="Runs that are open count until then.")


class Usage(Schema):
    """Hours, and what they cost as far as they have a price."""

    running_hours: float
    stopped_hours: float = Field(
        description="In which instances existed and were known not to run."
    )
    unknown_hours: float = Field(
        description="In which Curfew could not see what they did. In no other field."
    )
    cost: Amounts = Field(description="Of running and of being stopped.")
    stopped_cost: Amounts
    unpriced_hours: float = Field(
        description="Of `running_hours`: without a price, so not in `cost`."
    )
    unpriced_stopped_hours: float = Field(
        description="Of `stopped_hours`: without a price for that, so not in `cost`."
    )
    average_run_hours: float | None = Field(
        description="Of the runs that ended; null if none did."
    )
    ended: dict[str, int] = Field(
        description="How many runs ended, by who or what ended them."
    )


class CostLine(Usage):
    """One part of the costs."""

    key: str = Field(
        description="As a filter takes it; empty for what has no owner, flavor, "
        "workspace or tag."
    )
    label: str
    share: float = Field(
        description="Of the cost, or of the hours if that is not in one currency: 0 to "
        "1."
    )


class CostBucket(Usage):
    """The costs of a day or week; the first and the last week may be cut off."""

    first_day: date
    last_day: date


class Gap(Schema):
    """A time in which a cloud was not read."""

    cloud: str
    since: datetime
    until: datetime


class Costs(CostPeriod):
    """What a period costs. Lines add up to the total, as does the trend."""

    by: str
    tag_key: str | None
    total: Usage
    lines: list[CostLine] = Field(description="The most expensive first.")
    trend: list[CostBucket] | None = Field(description="Null without `step`.")
    gaps: list[Gap] = Field(description="The latest first.")


class RunReference(Schema):
    """Which run it is; properties are those at its start."""

    cloud: str
    instance_id: str
    name: str = Field(description="Of the instance.")
    owner: Owner
    workspace_id: str
    flavor: str
    tags: dict[str, str]
    started_at: datetime
    start_known: str = Field(
        description="observed, between (two looks), or unknown: it was running when "
        "Curfew first saw it."
    )
    ended_at: datetime | None = Field(description="Null while it is open.")
    end_known: str | None
    had_auto_stop: bool | None = Field(
        description="Whether it would have ended automatically; null if unknown."
    )
    ended_by: str | None
    ended_by_name: str | None = Field(
        description="Of the person, schedule or policy; null if there is none."
    )
    edit: UUID | None = Field(description="The edit that ended it.")
    next_started_at: datetime | None


class RecordedRun(RunReference):
    """A run. Hours and cost are those within the period."""

    running_hours: float
    unknown_hours: float
    cost: Amounts
    unpriced_hours: float


class Runs(Page, CostPeriod):
    """A page of runs, the latest start first."""

    items: list[RecordedRun]


class Saved(Schema):
    """What some stops have saved."""

    stops: int
    hours: float = Field(description="Of running, avoided.")
    cost: Amounts = Field(
        description="What these hours would have cost more than the same time stopped."
    )
    unpriced_hours: float = Field(
        description="Of `hours`: without a price, so not in `cost`."
    )
    hours_without_stopped_price: float = Field(
        description="Of `hours`: being stopped counts as free, because its price is "
        "not known."
    )
    unknown_stops: int = Field(
        description="Of `stops`: happened in a gap. What they saved is not known, and "
        "in no other field."
    )


class AvoidedTime(RunReference):
    """A stop, and the time it has saved."""

    until: datetime | None = Field(
        description="When the run would have ended; null if unknown."
    )
    because: str = Field(
        description="next_start, missing, now (not started again so far), limit or "
        "unknown."
    )
    hours: float | None = Field(description="Null if unknown.")
    cost: Amounts
    unpriced_hours: float | None


class Savings(Page, CostPeriod):
    """What stops have saved, with a page of the stops, the latest first."""

    most_hours: float = Field(
        description="The assumption: without the stop, a run would have gone on until "
        "the next start of the instance, but at most so long."
    )
    total: Saved
    by: dict[str, Saved] = Field(description="By what ended the runs.")
    items: list[AvoidedTime]


class Price(Schema):
    """What an instance of a flavor costs an hour, from a day on."""

    id: int
    cloud: str = Field(description="`*` for all.")
    flavor: str = Field(description="Exact, or a pattern.")
    running: str = Field(description="An hour while it runs.")
    stopped: str | None = Field(
        description="An hour while it does not run; null if unknown."
    )
    currency: str
    valid_from: date
    source: str = Field(description="form, file or cloud.")
    created_by: str | None
    created_at: datetime


class Prices(Schema):
    items: list[Price]


class Budget(Schema):
    """A budget, and what was spent of it this month."""

    id: int
    name: str
    kind: str = Field(description="all, cloud, workspace, owner, tag or team.")
    value: str = Field(description="What it is about; empty for everything.")
    amount: str = Field(description="A month.")
    currency: str
    month: date = Field(description="The first day of the month.")
    spent: str
    percent: int = Field(description="Of the amount, rounded down.")
    threshold: int = Field(
        description="The highest one that is reached: 50, 85 or 100 percent; else 0."
    )
    forecast: str | None = Field(
        description="Of the month at the present pace; null on its first day."
    )
    other_currencies: Amounts = Field(description="Spent, too, but not counted.")
    unpriced_hours: float = Field(description="Without a price, so not in `spent`.")
    unknown_hours: float
    url: str


class Budgets(Schema):
    items: list[Budget]
