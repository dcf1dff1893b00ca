"""Schemas of schedules, holiday calendars and overrides."""

from datetime import date, datetime

from ninja import Schema
from pydantic import Field

from dashboard.schedules import models

from .schemas import Override


class WorkingTime(Schema):
    """From when to when people work on some days of the week, 0 (Monday) to 6."""

    weekdays: list[int]
    start: str | None = Field(description="Null for a stop without a start.")
    stop: str


class ScheduleScope(Schema):
    """What instances must be; an empty value matches any."""

    cloud: str
    workspace: str
    flavor_type: str
    owner: str
    team: str
    tag: str
    instance: str = Field(description="ID of the only instance.")


class ScheduleMoment(Schema):
    """A moment at which a schedule starts or stops instances."""

    at: datetime
    kind: str = Field(description="`start` or `stop`.")


class ScheduleRun(Schema):
    """What a schedule did, or would have done, at one of its moments."""

    moment: datetime
    kind: str = Field(description="`start` or `stop`.")
    state: str = Field(description="`done`, `dry_run` or `missed`.")
    handled_at: datetime
    number: int
    skipped: int
    message: str


class Schedule(Schema):
    """A schedule. The first one that is on and includes an instance applies to it."""

    id: int
    position: int
    name: str
    reason: str
    mode: str = Field(description="`off`, `dry_run` or `on`.")
    time_zone: str
    working_times: list[WorkingTime]
    first_day: date | None
    last_day: date | None
    starts: bool
    holidays: list[str] = Field(description="Names of holiday calendars.")
    scope: ScheduleScope
    instances: int = Field(
        description="How many it applies to now, or would if it were on."
    )
    next_moment: ScheduleMoment | None
    url: str


class ScheduleDetail(Schedule):
    """A schedule with its next and its last moments."""

    moments: list[ScheduleMoment] = Field(description="Of the next two weeks.")
    runs: list[ScheduleRun] = Field(description="The last 50, newest first.")


class Schedules(Schema):
    """All schedules, in their order."""

    items: list[Schedule]


class HolidayCalendar(Schema):
    """Days without working time, which schedules share."""

    name: str
    days: dict[str, str] = Field(description="Names by day.")


class HolidayCalendars(Schema):
    items: list[HolidayCalendar]


class OverrideOfInstance(Override):
    """An override in effect."""

    cloud: str
    instance_id: str
    instance_name: str

    @staticmethod
    def resolve_cloud(override: models.Override) -> str:
        return override.instance.cloud.name

    @staticmethod
    def resolve_instance_id(override: models.Override) -> str:
        return override.instance.instance_id

    @staticmethod
    def resolve_instance_name(override: models.Override) -> str:
        return str(override.instance)


class Overrides(Schema):
    items: list[OverrideOfInstance]
