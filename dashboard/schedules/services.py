"""Writes of schedules and holiday calendars.

They raise ``PermissionDenied`` if the actor lacks the permission.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.forms import model_to_dict
from django.utils import timezone
from django.utils.translation import gettext as _, ngettext

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_write_rules
from dashboard.audit.services import record_event
from dashboard.instances.models import FleetVersion, Instance

from .models import Holiday, HolidayCalendar, Schedule, WorkingTime
from .signals import acting_ended

_RECORDED = (
    *("position", "name", "reason", "mode", "time_zone", "first_day", "last_day"),
    *("starts", "cloud", "workspace_id", "flavor_type", "owner", "tag", "team"),
    "instance",
)
"""Fields of a schedule in the audit trail, with its working times and holidays."""

_WORDS = frozenset({"position", "name", "reason", "mode"})
"""Fields that change neither when it acts nor on what."""

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
"""The codes of RFC 5545."""


class ScheduleError(Exception):
    """The current state does not allow this; the message says why."""


@transaction.atomic
def save_schedule(
    *,
    schedule: Schedule,
    working_times: Sequence[WorkingTime],
    holidays: Iterable[HolidayCalendar],
    actor: User,
) -> Schedule:
    """Save a new or changed schedule, which is validated; a new one is the last.

    If the times or the scope of a schedule that is on change, it returns to its dry
    run, since an admin switched on the former schedule. Its waiting edits are
    cancelled, and earlier moments are not caught up.

    Args:
        schedule: Its mode is not saved; ``switch`` does that.
        working_times: All of them, unsaved; at least one.
        holidays: The calendars whose days have no moments.
    """
    _require(actor)
    rows = _lock_all()
    stored = rows.get(schedule.pk)
    calendars = sorted(holidays, key=lambda calendar: calendar.name)
    before = _values(stored) if stored else {}
    if stored:
        schedule.position, schedule.mode = stored.position, stored.mode
    else:
        schedule.mode = Schedule.Mode.DRY_RUN
        schedule.position = max((row.position for row in rows.values()), default=0) + 1
        schedule.checked_until = timezone.now()
    after = _values(schedule, working_times, calendars)
    if stored and any(before[name] != after[name] for name in after.keys() - _WORDS):
        schedule.checked_until = timezone.now()
        if schedule.is_on:
            schedule.mode = Schedule.Mode.DRY_RUN
            schedule.switched_on_by = schedule.switched_on_at = None
            after["mode"] = schedule.mode
        cancelled = _cancel_waiting(stored, actor)
        after |= {"cancelled": cancelled} if cancelled else {}
    schedule.save()
    schedule.working_times.all().delete()
    for row in working_times:
        row.pk, row.schedule = None, schedule
        row.save(force_insert=True)
    schedule.holidays.set(calendars)
    if before != after:
        action = "schedule.changed" if stored else "schedule.added"
        _record(actor, action, schedule, before, after)
    _redraw(schedule, *([stored] if stored else []))
    return schedule


@transaction.atomic
def switch(*, schedule: Schedule, mode: str, actor: User) -> int:
    """Switch a schedule on, to a dry run or off.

    It acts in its own name, so it continues when the actor's role changes. It does not
    look back to moments before this one.

    Returns:
        How many edits were cancelled; those being sent cannot be.
    """
    _require(actor)
    stored = Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
    if stored.mode == mode:
        return 0
    before, now = {"mode": stored.mode}, timezone.now()
    cancelled = _cancel_waiting(stored, actor)
    stored.mode, stored.checked_until = mode, now
    stored.switched_on_by = actor if stored.is_on else None
    stored.switched_on_at = now if stored.is_on else None
    stored.save(
        update_fields=["mode", "checked_until", "switched_on_by", "switched_on_at"]
    )
    after = {"mode": stored.mode} | ({"cancelled": cancelled} if cancelled else {})
    _record(actor, "schedule.switched", stored, before, after)
    _redraw(stored)
    return cancelled


@transaction.atomic
def move(*, schedule: Schedule, up: bool, actor: User) -> bool:
    """Move a schedule one place up or down; return whether there was room.

    An edit of a schedule that is no longer the first to match is withdrawn when it is
    due to be sent, so nothing is cancelled here.
    """
    _require(actor)
    order = sorted(_lock_all().values(), key=lambda row: (row.position, row.pk))
    place = next(
        (place for place, row in enumerate(order) if row.pk == schedule.pk), None
    )
    if place is None:
        return False
    other = place + (-1 if up else 1)
    if not 0 <= other < len(order):
        return False
    order[place], order[other] = order[other], order[place]
    for position, row in enumerate(order, start=1):
        if row.position == position:
            continue
        before = {"position": row.position}
        Schedule.objects.filter(pk=row.pk).update(position=position)
        if row.pk == schedule.pk:
            _record(actor, "schedule.moved", row, before, {"position": position})
            _redraw(row)
    return True


@transaction.atomic
def delete_schedule(*, schedule: Schedule, actor: User) -> int:
    """Delete a schedule, and cancel its edits that are waiting; return how many."""
    _require(actor)
    stored = _lock_all().get(schedule.pk)
    if stored is None:
        return 0
    cancelled = _cancel_waiting(stored, actor)
    after = {"cancelled": cancelled} if cancelled else {}
    _record(actor, "schedule.removed", stored, _values(stored), after)
    _redraw(stored)
    stored.delete()
    return cancelled


@transaction.atomic
def add_calendar(*, name: str, actor: User) -> HolidayCalendar:
    """Create a holiday calendar; its name is validated."""
    _require(actor)
    calendar = HolidayCalendar.objects.create(name=name)
    _record(actor, "holiday_calendar.added", calendar, {}, {"name": name})
    return calendar


@transaction.atomic
def rename_calendar(*, calendar: HolidayCalendar, name: str, actor: User) -> None:
    """Rename a holiday calendar; the name is validated. Schedules keep it."""
    _require(actor)
    stored = HolidayCalendar.objects.select_for_update(no_key=True).get(pk=calendar.pk)
    if stored.name == name:
        return
    before, stored.name = {"name": stored.name}, name
    stored.save(update_fields=["name"])
    _record(actor, "holiday_calendar.changed", stored, before, {"name": name})


@transaction.atomic
def delete_calendar(*, calendar: HolidayCalendar, actor: User) -> None:
    """Delete a holiday calendar.

    Raises:
        ScheduleError: A schedule uses it.
    """
    _require(actor)
    if number := calendar.schedules.count():
        raise ScheduleError(
            ngettext(
                "%(number)s schedule uses this calendar. Remove it there first.",
                "%(number)s schedules use this calendar. Remove it there first.",
                number,
            )
            % {"number": number}
        )
    before = {"name": calendar.name, "days": calendar.holidays.count()}
    _record(actor, "holiday_calendar.removed", calendar, before, {})
    calendar.delete()


@transaction.atomic
def add_holidays(
    *, calendar: HolidayCalendar, days: Mapping[date, str], actor: User
) -> int:
    """Add days to a calendar, or rename them; return how many are new.

    Schedules that are on stay on: from now on, these days have no moments.
    """
    _require(actor)
    HolidayCalendar.objects.select_for_update(no_key=True).get(pk=calendar.pk)
    stored = {holiday.day: holiday for holiday in calendar.holidays.all()}
    new = {day: name for day, name in days.items() if day not in stored}
    renamed = [
        holiday
        for day, holiday in stored.items()
        if days.get(day) and holiday.name != days[day]
    ]
    for holiday in renamed:
        holiday.name = days[holiday.day]
    Holiday.objects.bulk_update(renamed, ["name"])
    Holiday.objects.bulk_create(
        Holiday(calendar=calendar, day=day, name=name) for day, name in new.items()
    )
    if new or renamed:
        added = [day.isoformat() for day in sorted({*new, *(h.day for h in renamed)})]
        after = {"days": ", ".join(added)}
        _record(actor, "holiday_calendar.changed", calendar, {}, after)
        _redraw(*calendar.schedules.all())
    return len(new)


@transaction.atomic
def delete_holidays(
    *, calendar: HolidayCalendar, days: Iterable[date], actor: User
) -> int:
    """Delete days of a calendar; return how many there were."""
    _require(actor)
    rows = calendar.holidays.filter(day__in=list(days))
    gone = [day.isoformat() for day in rows.values_list("day", flat=True)]
    rows.delete()
    if gone:
        before = {"days": ", ".join(gone)}
        _record(actor, "holiday_calendar.changed", calendar, before, {})
        _redraw(*calendar.schedules.all())
    return len(gone)


def working_time_code(row: WorkingTime) -> str:
    """Return a working time as the audit trail has it: ``MO,TU 08:00-19:00``."""
    days = ",".join(_DAYS[day] for day in sorted(row.weekdays))
    clocks = [clock for clock in (row.start, row.stop) if clock is not None]
    return f"{days} {'-'.join(clock.strftime('%H:%M') for clock in clocks)}"


def _require(actor: User) -> None:
    if not can_write_rules(actor):
        raise PermissionDenied(_("Only admins can edit schedules."))


def _lock_all() -> dict[int, Schedule]:
    # Not FOR UPDATE: inserts of edits that refer to a schedule must not wait for it.
    rows = Schedule.objects.select_for_update(no_key=True).order_by("pk")
    return {row.pk: row for row in rows}


def _cancel_waiting(schedule: Schedule, actor: User) -> int:
    responses: list[tuple[Any, Any]] = acting_ended.send(
        sender=Schedule, schedule=schedule, actor=actor
    )
    return sum(cancelled for _receiver, cancelled in responses)


def _redraw(*schedules: Schedule) -> None:
    """Stamp the instances in these scopes on commit, so that open pages change.

    Before the commit it would break the order of locks: cancelling edits has locked the
    fleet version, which comes after instances.
    """
    concerned = Q(pk__in=[])
    for schedule in schedules:
        instances = Instance.objects.filter(schedule.as_q())
        concerned |= Q(pk__in=instances.values("pk"))

    def stamp() -> None:
        with transaction.atomic():
            FleetVersion.stamp(Instance.objects.filter(concerned))

    transaction.on_commit(stamp, robust=True)


def _values(
    schedule: Schedule,
    working_times: Iterable[WorkingTime] | None = None,
    holidays: Iterable[HolidayCalendar] | None = None,
) -> dict[str, Any]:
    if working_times is None:
        working_times = schedule.working_times.all()
    if holidays is None:
        holidays = schedule.holidays.all()
    values = model_to_dict(schedule, _RECORDED)
    for name in ("first_day", "last_day"):
        values[name] = values[name].isoformat() if values[name] else ""
    values["position"] = schedule.position
    values["team"] = schedule.team.name if schedule.team else ""
    values["instance"] = schedule.instance.name if schedule.instance else ""
    values["working_times"] = "; ".join(map(working_time_code, working_times))
    values["holidays"] = ", ".join(calendar.name for calendar in holidays)
    return values


def _record(
    actor: User,
    action: str,
    target: Schedule | HolidayCalendar,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    record_event(actor=actor, action=action, target=target, before=before, after=after)
