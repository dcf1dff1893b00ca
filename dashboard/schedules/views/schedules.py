"""Pages of schedules: everyone reads them, admins write them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_write_rules
from dashboard.instances.durations import exact_text
from dashboard.instances.run_state import RUNNING
from dashboard.instances.typed_number import asks_number, number_fault
from dashboard.policies.selectors import scope_choices, tabs
from dashboard.schedules import selectors, services
from dashboard.schedules.display import times_text
from dashboard.schedules.forms import ScheduleForm, working_times
from dashboard.schedules.history import LOOKS_BACK, history
from dashboard.schedules.models import HolidayCalendar, Schedule
from dashboard.schedules.two_weeks import MINUTES_PER_DAY, two_weeks

NAMED = 25
"""Instances that a page names; the others are counted."""

RUNS = 20
"""Past moments that the page of a schedule lists."""


class SwitchForm(forms.Form):
    """Where a schedule is switched to.

    ``shown`` is the number of instances on the page that asked for confirmation.
    """

    mode = forms.ChoiceField(choices=Schedule.Mode)
    shown = forms.IntegerField(required=False, min_value=0, max_value=10_000_000)


class MoveForm(forms.Form):
    to = forms.ChoiceField(choices=[("up", ""), ("down", "")])


@require_safe
def schedule_list(request: SignedInRequest) -> HttpResponse:
    """List the schedules in their order."""
    now = timezone.now()
    schedules = selectors.schedules_in_order()
    numbers = selectors.numbers_of_instances([item for item in schedules if item.is_on])
    runs = selectors.last_runs()
    rows = [
        {
            "schedule": item,
            "times": times_text(item.working_times.all()),
            "next": selectors.next_moment(item, now),
            "number": numbers.get(item.pk, 0)
            if item.is_on
            else selectors.concerned(item, schedules).count(),
            "run": runs.get(item.pk),
        }
        for item in schedules
    ]
    context = {"rows": rows, **tabs(request.user, "schedules")}
    return render(request, "schedules/list.html", context)


@require_safe
def schedule(request: SignedInRequest, schedule_pk: int) -> HttpResponse:
    """Show when a schedule acts, on what, and what it would have done."""
    return _page(request, _schedule(schedule_pk))


@require_http_methods(["GET", "HEAD", "POST"])
def new_schedule(request: SignedInRequest) -> HttpResponse:
    _require_right(request)
    return _form_page(request, Schedule())


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, schedule_pk: int) -> HttpResponse:
    """Show the form of a schedule, or save it.

    Returns:
        200 with the form; 303 to the saved schedule; 422 with the errors.
    """
    _require_right(request)
    return _form_page(request, _schedule(schedule_pk))


@require_POST
def switch(request: SignedInRequest, schedule_pk: int) -> HttpResponse:
    """Switch a schedule on, to a dry run or off.

    Form fields:
        ``mode``: of ``Schedule.Mode``.
        ``number``: to switch it on, see ``typed_number.number_fault``.
        ``shown``: how many instances the page showed.

    Returns:
        303 to the schedule when it is done; 422 with its page for a wrong number.
    """
    _require_right(request)
    stored = _schedule(schedule_pk)
    form = SwitchForm(request.POST)
    if not form.is_valid():
        return _page(request, stored, fault=_("Choose a mode."))
    mode = form.cleaned_data["mode"]
    if mode == Schedule.Mode.ON:
        number = selectors.concerned(stored).count()
        # There may be fewer instances than on the page, but not more.
        number = max(number, form.cleaned_data["shown"] or 0)
        if fault := number_fault(request.POST, number, request.user):
            return _page(request, stored, fault=fault)
    cancelled = services.switch(schedule=stored, mode=mode, actor=request.user)
    texts = {
        Schedule.Mode.ON: _("The schedule is on."),
        Schedule.Mode.DRY_RUN: _("The schedule is a dry run now."),
        Schedule.Mode.OFF: _("The schedule is off."),
    }
    messages.success(request, f"{texts[mode]} {_cancelled_text(cancelled)}".strip())
    return HttpResponseRedirect(stored.get_absolute_url(), status=303)


@require_POST
def move(request: SignedInRequest, schedule_pk: int) -> HttpResponse:
    """Move a schedule one place; redirects to the list.

    Form fields:
        ``to``: ``up`` or ``down``.
    """
    _require_right(request)
    form = MoveForm(request.POST)
    if form.is_valid():
        up = form.cleaned_data["to"] == "up"
        services.move(schedule=_schedule(schedule_pk), up=up, actor=request.user)
    return _to_list()


@require_POST
def delete(request: SignedInRequest, schedule_pk: int) -> HttpResponse:
    _require_right(request)
    stored = _schedule(schedule_pk)
    cancelled = services.delete_schedule(schedule=stored, actor=request.user)
    text = _("Schedule “%(schedule)s” removed.") % {"schedule": stored}
    messages.success(request, f"{text} {_cancelled_text(cancelled)}".strip())
    return _to_list()


def _page(
    request: SignedInRequest, stored: Schedule, *, fault: str = ""
) -> HttpResponse:
    now = timezone.now()
    schedules = selectors.schedules_in_order()
    instances = selectors.concerned(stored, schedules).select_related("cloud")
    number = instances.count()
    past = history(stored, now)
    context: dict[str, Any] = {
        "schedule": stored,
        "times": times_text(stored.working_times.all()),
        "next": selectors.next_moment(stored, now),
        "days": two_weeks(stored, now),
        "minutes_per_day": MINUTES_PER_DAY,
        "number": number,
        "running": instances.filter(RUNNING).count(),
        "instances": instances.order_by("name", "pk")[:NAMED],
        "more_instances": max(0, number - NAMED),
        "shadowed": selectors.shadowed(stored, schedules),
        "past": past,
        "past_days": LOOKS_BACK.days,
        "saved": exact_text(round(past.saved.total_seconds() / 60) * 60),
        "named": NAMED,
        "runs": stored.runs.all()[:RUNS],
        "fault": fault,
        "asks_number": asks_number(number, request.user),
        **tabs(request.user, "schedules"),
    }
    status = 422 if fault else 200
    return render(request, "schedules/schedule.html", context, status=status)


def _form_page(request: SignedInRequest, stored: Schedule) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    # The form writes the typed values into ``stored``.
    heading, was_on = stored.name or _("New schedule"), stored.is_on
    rows = list(stored.working_times.all()) if stored.pk else []
    form = ScheduleForm(data, instance=stored, scopes=scope_choices(request.user))
    times = working_times(data, rows)
    if data is not None and form.is_valid() & times.is_valid():
        saved = services.save_schedule(
            schedule=form.build(),
            working_times=times.rows(),
            holidays=form.cleaned_data["holidays"],
            actor=request.user,
        )
        text = _("Schedule saved.")
        if was_on and not saved.is_on:
            text += " " + _("It is a dry run again: check it, then switch it on.")
        messages.success(request, text)
        return HttpResponseRedirect(saved.get_absolute_url(), status=303)
    context = {
        "form": form,
        "times": times,
        "heading": heading,
        "schedule": stored if stored.pk else None,
        "was_on": was_on,
        "has_calendars": HolidayCalendar.objects.exists(),
        **tabs(request.user, "schedules"),
    }
    status = 422 if form.is_bound else 200
    return render(request, "schedules/form.html", context, status=status)


def _schedule(pk: int) -> Schedule:
    return get_object_or_404(selectors.complete_schedules(), pk=pk)


def _cancelled_text(number: int) -> str:
    if not number:
        return ""
    text = ngettext(
        "%(number)s pending change was cancelled.",
        "%(number)s pending changes were cancelled.",
        number,
    )
    return text % {"number": number}


def _to_list() -> HttpResponse:
    return HttpResponseRedirect(reverse("schedules:list"), status=303)


def _require_right(request: SignedInRequest) -> None:
    if not can_write_rules(request.user):
        raise PermissionDenied(_("Only admins can edit schedules."))
