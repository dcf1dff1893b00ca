"""Endpoint: the audit trail."""

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
"""The API tells moments to the millisecond, and the database holds them finer."""


class EventFilter(AuditFilter):
    """The page's filters, but for its days."""

    since = until = None


class PeriodForm(ZoneForm):
    """From when until when, both included."""

    since = MomentField(max_length=40, required=False)
    until = MomentField(max_length=40, required=False)

    def clean(self) -> dict[str, Any]:
        """Turn both into moments: the first that counts, and the first that does not.

        A day begins and ends by the midnights of the zone.
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
    """Who did what, newest first; for operators and admins.

    `since` and `until` are days, or moments as the answers tell them; both are
    included. `time_zone`, as in `Europe/Berlin`, says whose midnight begins and ends a
    day; else UTC's.
    """
    if not holds(request.user, READ_PERMISSION):
        raise PermissionDenied("Your role does not allow reading the audit trail.")
    asked = LIST.read(request)
    part = Page(_found(request, asked), asked)
    return part.head | {"items": [serializers.audit_event(one) for one in part.items]}


def _found(request: TokenRequest, asked: dict[str, Any]) -> QuerySet[AuditEvent]:
    found: QuerySet[AuditEvent] = EventFilter(
        request.GET, queryset=AuditEvent.objects.all()
    ).qs
    if asked["since"]:
        found = found.filter(at__gte=asked["since"])
    if asked["until"]:
        found = found.filter(at__lt=asked["until"])
    return found
