from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from ninja import Router

from dashboard.accounts.permissions import has_permission
from dashboard.api import schemas
from dashboard.api.auth import AUDIT
from dashboard.api.http import TokenRequest
from dashboard.api.queries import MomentField, Page, PageForm, Query, ZoneForm
from dashboard.audit.filters import AuditFilter
from dashboard.audit.models import READ_PERMISSION, AuditEvent

router = Router(tags=["audit"])

PRECISION = timedelta(milliseconds=1)
"""Of times in responses; the database is more precise."""


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
        for name, day, step in (
            ("since", timedelta(0), timedelta(0)),
            ("until", timedelta(days=1), PRECISION),
        ):
            value = values.get(name)
            try:
                if isinstance(value, datetime):
                    values[name] = value.astimezone(UTC) + step
                elif value:
                    midnight = datetime.combine(value + day, time.min, zone)
                    values[name] = midnight.astimezone(UTC)
            except OverflowError:
                self.add_error(name, "There is no such day.")
        return values


LIST = Query(EventFilter, PeriodForm, PageForm)


@router.get("/audit", auth=AUDIT, response=schemas.AuditEvents)
@LIST
def list_audit_events(request: TokenRequest) -> Any:
    """List who did what, newest first; for operators and admins.

    `since` and `until` are days, or timestamps as the responses give them. Both are
    inclusive. `time_zone`, as in `Europe/Berlin`, sets the midnight that begins and
    ends a day; the default is UTC.
    """
    if not has_permission(request.user, READ_PERMISSION):
        raise PermissionDenied("Your role does not allow reading the audit trail.")
    params = LIST.read(request)
    page = Page(_events(request, params), params)
    return page.response(page.items)


def _events(request: TokenRequest, params: dict[str, Any]) -> QuerySet[AuditEvent]:
    events: QuerySet[AuditEvent] = EventFilter(
        request.GET, queryset=AuditEvent.objects.all()
    ).qs
    if params["since"]:
        events = events.filter(at__gte=params["since"])
    if params["until"]:
        events = events.filter(at__lt=params["until"])
    return events
