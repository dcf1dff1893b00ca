from datetime import date
from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.responses import Status

from dashboard.api import bodies, problems, schedule_schemas
from dashboard.api.auth import READ, WRITE
from dashboard.api.http import TokenRequest
from dashboard.schedules import services
from dashboard.schedules.forms import CalendarForm
from dashboard.schedules.holiday_files import DaysError, parse_days
from dashboard.schedules.models import HolidayCalendar

from .schedules import require_right

router = Router(tags=["schedules"])


@router.get("", auth=READ, response=schedule_schemas.HolidayCalendars)
def list_holidays(request: TokenRequest) -> Any:
    """List the holiday calendars with their days."""
    calendars = HolidayCalendar.objects.prefetch_related("holidays")
    return {"items": [_content(calendar) for calendar in calendars]}


@router.put("/{name:calendar}", auth=WRITE, response=schedule_schemas.HolidayCalendar)
def replace_holidays(
    request: TokenRequest, calendar: str, body: bodies.Holidays
) -> Any:
    """Set the days of a holiday calendar, for admins; a new name creates one."""
    require_right(request)
    days = _days_of(body)
    with transaction.atomic():
        stored = HolidayCalendar.objects.filter(name=calendar).first()
        if stored is None:
            form = CalendarForm({"name": calendar})
            if not form.is_valid():
                errors = [str(error) for error in form.errors["name"]]
                raise problems.invalid({"calendar": errors})
            stored = services.add_calendar(
                name=form.cleaned_data["name"], actor=request.user
            )
        services.delete_holidays(
            calendar=stored,
            days=[
                holiday.day
                for holiday in stored.holidays.all()
                if days.get(holiday.day) != holiday.name
            ],
            actor=request.user,
        )
        services.add_holidays(calendar=stored, days=days, actor=request.user)
    return _content(stored)


@router.delete("/{name:calendar}", auth=WRITE, response={204: None})
def delete_holidays(request: TokenRequest, calendar: str) -> Any:
    """Delete a holiday calendar, for admins; 409 while a schedule uses it."""
    require_right(request)
    stored = get_object_or_404(HolidayCalendar, name=calendar)
    services.delete_calendar(calendar=stored, actor=request.user)
    return Status(204, None)


def _days_of(body: bodies.Holidays) -> dict[date, str]:
    # A line each, as on the page; neither part may begin another line or part.
    lines = [
        f"{'_'.join(day.split())} {' '.join(name.split())}"
        for day, name in body.days.items()
    ]
    try:
        return parse_days("\n".join(lines))
    except DaysError as error:
        raise problems.invalid({"days": error.errors}) from None


def _content(calendar: HolidayCalendar) -> dict[str, Any]:
    days = sorted(calendar.holidays.all(), key=lambda holiday: holiday.day)
    return {
        "name": calendar.name,
        "days": {holiday.day.isoformat(): holiday.name for holiday in days},
    }
