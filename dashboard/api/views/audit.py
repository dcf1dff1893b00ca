from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from ninja import Router

from dashboard.accounts.permissions import holds
from dashboard.api import schemas, serializers
from dashboard.api.auth import AUDIT
from dashboard.api.http import TokenRequest
from dashboard.api.queries import MomentField, Page, PageForm, Query, ZoneForm
from dashboard.audit.filters import AuditFilter
from dashboard.audit.models import READ_PERMISSION, AuditEvent

router = Router(tags=["audit"])

LEAST = timedelta(milliseconds=1)
"""The API gives times to the millisecond; the database is more precise."""


class EventFilter(AuditFilter):
    since = until = None


class PeriodForm(ZoneForm):
    """Validate ``since`` and ``until``, both inclusive."""

    since = MomentField(max_length=40, required=False)
    until = MomentField(max_length=40, required=False)

    def clean(self) -> dict[str, Any]:
        """Convert both to datetimes: an inclusive start and an exclusive end.

        Days begin and end at midnight in ``time_zone``.
        """
        values = super().clean() or {}
        zone = values.get("time_zone") or UTC
        for name, day, least in (
            ("since", timedelta(0), timedelta(0)),
            ("until", timedelta(days=1), LEAST),
        ):
            try:
                values[name] = _bound(values.get(name), zone, day, least)
            except OverflowError:
                self.add_error(name, "There is no such day.")
        return values


def _bound(
    value: date | datetime | None, zone: tzinfo, day: timedelta, least: timedelta
) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC) + least
    return datetime.combine(value + day, time.min, zone).astimezone(UTC)


LIST = Query(EventFilter, PeriodForm, PageForm)


@router.get(
    "/audit",
    auth=AUDIT,
    response=schemas.AuditEvents,
    url_name="audit",
    operation_id="list_audit_events",
    openapi_extra=LIST.openapi,
)
@LIST
def list_audit_events(request: TokenRequest) -> Any:
    """List who did what, newest first; for operators and admins.

    `since` and `until` are days, or timestamps as the responses give them. Both are
    inclusive. `time_zone`, as in `Europe/Berlin`, sets the midnight that begins and
    ends a day; the default is UTC.
    """
    if not holds(request.user, READ_PERMISSION):
        raise PermissionDenied("Your role does not allow reading the audit trail.")
    params = LIST.read(request)
    page = Page(_events(request, params), params)
    return page.head | {
        "items": [serializers.audit_event(event) for event in page.items]
    }


def _events(request: TokenRequest, params: dict[str, Any]) -> QuerySet[AuditEvent]:
    events: QuerySet[AuditEvent] = EventFilter(
        request.GET, queryset=AuditEvent.objects.all()
    ).qs
    if params["since"]:
        events = events.filter(at__gte=params["since"])
    if params["until"]:
        events = events.filter(at__lt=params["until"])
    return events
