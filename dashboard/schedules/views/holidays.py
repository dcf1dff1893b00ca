"""Pages of holiday calendars: everyone reads them, admins write them."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min, Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_write_rules
from dashboard.policies.selectors import tabs
from dashboard.schedules import services
from dashboard.schedules.forms import (
    CalendarForm,
    DaysForm,
    DaysToDeleteForm,
    HolidayFileForm,
)
from dashboard.schedules.holiday_files import days_text
from dashboard.schedules.models import HolidayCalendar


@require_http_methods(["GET", "HEAD", "POST"])
def calendar_list(request: SignedInRequest) -> HttpResponse:
    """List the calendars; a POST of an admin adds one.

    Returns:
        200 with the list; 303 to the new calendar; 422 with the errors.
    """
    form = CalendarForm()
    if request.method == "POST":
        _require_right(request)
        form = CalendarForm(request.POST)
        if form.is_valid():
            name = form.cleaned_data["name"]
            added = services.add_calendar(name=name, actor=request.user)
            messages.success(request, _("“%(name)s” created.") % {"name": name})
            return _to(added)
    today = timezone.localdate()
    calendars = HolidayCalendar.objects.annotate(
        days=Count("holidays", distinct=True),
        next_day=Min("holidays__day", filter=Q(holidays__day__gte=today)),
        users=Count("schedules", distinct=True),
    )
    context = {
        "calendars": calendars,
        "form": form,
        **tabs(request.user, "schedules"),
    }
    status = 422 if form.is_bound else 200
    return render(request, "schedules/calendars.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def calendar(request: SignedInRequest, calendar_pk: int) -> HttpResponse:
    """Show the days of a calendar; a POST of an admin adds days.

    Form fields:
        ``days``: lines such as ``2026-12-25 Christmas``.

    Returns:
        200 with the days; 303 to them; 422 with an error for each bad line.
    """
    stored = get_object_or_404(HolidayCalendar, pk=calendar_pk)
    if request.method != "POST":
        return _page(request, stored)
    _require_right(request)
    form = DaysForm(request.POST)
    if not form.is_valid():
        return _page(request, stored, form=form)
    days = form.cleaned_data["days"]
    new = services.add_holidays(calendar=stored, days=days, actor=request.user)
    text = ngettext("%(number)s day added.", "%(number)s days added.", new)
    messages.success(request, text % {"number": new})
    return _to(stored)


@require_POST
def read_file(request: SignedInRequest, calendar_pk: int) -> HttpResponse:
    """Show the days of an iCalendar file as lines of text, to be reviewed and saved.

    Returns:
        200 with the lines; 422 for a file that cannot be read.
    """
    _require_right(request)
    stored = get_object_or_404(HolidayCalendar, pk=calendar_pk)
    upload = HolidayFileForm(request.POST, request.FILES)
    if not upload.is_valid():
        return _page(request, stored, upload=upload)
    found = upload.cleaned_data["file"]
    form = DaysForm(initial={"days": days_text(found.days)})
    known = stored.holidays.filter(day__in=found.days).count()
    return _page(request, stored, form=form, found=found, known=known)


@require_POST
def delete_days(request: SignedInRequest, calendar_pk: int) -> HttpResponse:
    """Delete the chosen days; redirects to the calendar."""
    _require_right(request)
    stored = get_object_or_404(HolidayCalendar, pk=calendar_pk)
    days = stored.holidays.values_list("day", flat=True)
    form = DaysToDeleteForm(request.POST, days=days)
    if form.is_valid():
        chosen: list[date] = form.cleaned_data["day"]
        gone = services.delete_holidays(
            calendar=stored, days=chosen, actor=request.user
        )
        text = ngettext("%(number)s day deleted.", "%(number)s days deleted.", gone)
        messages.success(request, text % {"number": gone})
    else:
        messages.error(request, _("Choose the days to delete."))
    return _to(stored)


@require_POST
def rename(request: SignedInRequest, calendar_pk: int) -> HttpResponse:
    """Rename a calendar.

    Returns:
        303 to the calendar; 422 with the error.
    """
    _require_right(request)
    stored = get_object_or_404(HolidayCalendar, pk=calendar_pk)
    form = CalendarForm(request.POST, instance=stored)
    if not form.is_valid():
        stored.refresh_from_db()
        return _page(request, stored, name_form=form)
    name = form.cleaned_data["name"]
    services.rename_calendar(calendar=stored, name=name, actor=request.user)
    messages.success(request, _("“%(name)s” saved.") % {"name": name})
    return _to(stored)


@require_POST
def delete(request: SignedInRequest, calendar_pk: int) -> HttpResponse:
    _require_right(request)
    stored = get_object_or_404(HolidayCalendar, pk=calendar_pk)
    try:
        services.delete_calendar(calendar=stored, actor=request.user)
    except services.ScheduleError as error:
        messages.error(request, str(error))
        return _to(stored)
    messages.success(request, _("“%(name)s” removed.") % {"name": stored.name})
    return HttpResponseRedirect(reverse("schedules:calendars"), status=303)


def _page(
    request: SignedInRequest,
    stored: HolidayCalendar,
    *,
    form: DaysForm | None = None,
    upload: HolidayFileForm | None = None,
    name_form: CalendarForm | None = None,
    **context: Any,
) -> HttpResponse:
    today = timezone.localdate()
    days = list(stored.holidays.all())
    context |= {
        "calendar": stored,
        "coming": [holiday for holiday in days if holiday.day >= today],
        "past": [holiday for holiday in days if holiday.day < today],
        "schedules": stored.schedules.all(),
        "form": form or DaysForm(),
        "upload": upload or HolidayFileForm(),
        "name_form": name_form or CalendarForm(instance=stored),
        **tabs(request.user, "schedules"),
    }
    bound = (form, upload, name_form)
    has_errors = any(item is not None and item.errors for item in bound)
    status = 422 if has_errors else 200
    return render(request, "schedules/calendar.html", context, status=status)


def _to(calendar: HolidayCalendar) -> HttpResponse:
    url = reverse("schedules:calendar", args=[calendar.pk])
    return HttpResponseRedirect(url, status=303)


def _require_right(request: SignedInRequest) -> None:
    if not can_write_rules(request.user):
        raise PermissionDenied(_("Only admins can edit schedules."))
