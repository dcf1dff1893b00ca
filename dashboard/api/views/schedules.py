from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status

from dashboard.accounts.models import Team
from dashboard.accounts.permissions import can_write_rules
from dashboard.api import bodies, problems, schedule_schemas, serializers
from dashboard.api.auth import READ, WRITE
from dashboard.api.http import TokenRequest
from dashboard.instances.typed_number import asks_number
from dashboard.policies.selectors import scope_choices
from dashboard.schedules import selectors, services
from dashboard.schedules.forms import ScheduleForm, working_times_of
from dashboard.schedules.models import HolidayCalendar, Schedule

router = Router(tags=["schedules"])

AHEAD = timedelta(days=14)
RUNS = 50
_NAMES = {"workspace": "workspace_id", "instance": "only_instance"}
"""Fields whose name in the form differs."""


@router.get("", auth=READ, response=schedule_schemas.Schedules)
def list_schedules(request: TokenRequest) -> Any:
    """List all schedules in their order."""
    now, schedules = timezone.now(), selectors.schedules_in_order()
    return {
        "items": [
            serializers.schedule(
                item, selectors.concerned(item, schedules).count(), now
            )
            for item in schedules
        ]
    }


@router.post("", auth=WRITE, response={201: schedule_schemas.ScheduleDetail})
def create_schedule(
    request: TokenRequest, response: HttpResponse, body: bodies.ScheduleInput
) -> Any:
    """Create a schedule, for admins: a dry run, the last in the order."""
    require_right(request)
    saved = _save(request, Schedule(), body)
    response.headers["Location"] = reverse("api:get_schedule", args=[saved.pk])
    return Status(201, _detail(saved))


@router.get("/{int:schedule_id}", auth=READ, response=schedule_schemas.ScheduleDetail)
def get_schedule(request: TokenRequest, schedule_id: int) -> Any:
    """Return one schedule, its moments of the next two weeks and its last runs."""
    return _detail(_schedule(schedule_id))


@router.put("/{int:schedule_id}", auth=WRITE, response=schedule_schemas.ScheduleDetail)
def replace_schedule(
    request: TokenRequest, schedule_id: int, body: bodies.ScheduleInput
) -> Any:
    """Replace a schedule, for admins; what the body leaves out becomes empty.

    Other times or another scope return it to its dry run.
    """
    require_right(request)
    return _detail(_save(request, _schedule(schedule_id), body))


@router.delete("/{int:schedule_id}", auth=WRITE, response={204: None})
def delete_schedule(request: TokenRequest, schedule_id: int) -> Any:
    """Delete a schedule, for admins, and cancel its changes that wait."""
    require_right(request)
    stored = _schedule(schedule_id)
    services.delete_schedule(schedule=stored, actor=request.user)
    return Status(204, None)


@router.post(
    "/{int:schedule_id}/mode", auth=WRITE, response=schedule_schemas.ScheduleDetail
)
def switch_schedule(
    request: TokenRequest, schedule_id: int, body: bodies.ScheduleMode
) -> Any:
    """Switch a schedule on, to a dry run or off, for admins.

    Switching it on needs the number of instances where the page asks for it.
    """
    require_right(request)
    stored, values = _schedule(schedule_id), body.model_dump()
    if values["mode"] == Schedule.Mode.ON:
        number = selectors.concerned(stored).count()
        default = None if asks_number(number, request.user) else number
        if values.get("number", default) != number:
            raise services.ScheduleError(f"It would apply to {number} instances.")
    services.switch(schedule=stored, mode=values["mode"], actor=request.user)
    return _detail(_schedule(schedule_id))


@router.post(
    "/{int:schedule_id}/move", auth=WRITE, response=schedule_schemas.ScheduleDetail
)
def move_schedule(
    request: TokenRequest, schedule_id: int, body: bodies.ScheduleMove
) -> Any:
    """Move a schedule one place in the order, for admins; 409 at its end."""
    require_right(request)
    stored = _schedule(schedule_id)
    if not services.move(schedule=stored, up=body.to == "up", actor=request.user):
        raise services.ScheduleError("It is at the end of the order.")
    return _detail(_schedule(schedule_id))


def _save(
    request: TokenRequest, stored: Schedule, body: bodies.ScheduleInput
) -> Schedule:
    values = body.model_dump()
    rows, errors = values.pop("working_times"), {}
    calendars = {item.name: item.pk for item in HolidayCalendar.objects.all()}
    chosen = values.pop("holidays", [])
    if unknown := [name for name in chosen if name not in calendars]:
        errors["holidays"] = [f"Unknown calendar “{unknown[0]}”."]
    team = Team.objects.filter(name=values.get("team", "")).first()
    if values.pop("team", "") and team is None:
        errors["team"] = ["Unknown team."]
    data = {_NAMES.get(name, name): value for name, value in values.items()}
    data["holidays"] = [calendars[name] for name in chosen if name in calendars]
    data["team"] = team.pk if team else None
    form = ScheduleForm(data, instance=stored, scopes=scope_choices(request.user))
    times = working_times_of(rows)
    if form.is_valid() & times.is_valid() and not errors:
        return services.save_schedule(
            schedule=form.build(),
            working_times=times.rows(),
            holidays=form.cleaned_data["holidays"],
            actor=request.user,
        )
    names = {inner: outer for outer, inner in _NAMES.items()}
    for name, found in form.errors.items():
        key = "" if name == "__all__" else names.get(name, name)
        errors.setdefault(key, [str(error) for error in found])
    for number, row in enumerate(times.forms):
        for name, found in row.errors.items():
            errors[f"working_times.{number}.{name}"] = [str(item) for item in found]
    if general := times.non_form_errors():
        errors["working_times"] = [str(error) for error in general]
    raise problems.invalid(errors)


def _schedule(pk: int) -> Schedule:
    return get_object_or_404(selectors.complete_schedules(), pk=pk)


def _detail(stored: Schedule) -> dict[str, Any]:
    stored, now = _schedule(stored.pk), timezone.now()
    number = selectors.concerned(stored).count()
    moments = selectors.moments_of(stored, since=now, until=now + AHEAD)
    return {
        **serializers.schedule(stored, number, now),
        "moments": moments,
        "runs": [
            {
                "moment": run.moment,
                "kind": run.kind,
                "state": run.state,
                "handled_at": run.handled_at,
                "number": run.number,
                "skipped": run.skipped,
                "message": str(run.message),
            }
            for run in stored.runs.all()[:RUNS]
        ],
    }


def require_right(request: HttpRequest) -> None:
    if not can_write_rules(request.user):
        raise PermissionDenied("Only admins can edit schedules.")
