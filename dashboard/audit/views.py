"""The page of the audit trail, and its export."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, cast

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from dashboard.web.downloads import limited

from .display import line
from .export import csv_lines, separator_asked
from .filters import AuditFilter
from .messages import AUDIT_TRAIL
from .models import READ_PERMISSION, AuditEvent
from .services import record_event

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

EXPORT = "audit.export_auditevent"

NARROWING = (*AuditFilter.base_filters, "separator")
"""Query parameters that the event of an export records."""

PER_PAGE = 50
CHUNK = 1_000


View = Callable[[HttpRequest], HttpResponseBase]


def _requires(permission: str, refusal: Promise) -> Callable[[View], View]:
    """Respond with 403 and ``refusal`` to users without the permission."""

    def decorate(view: View) -> View:
        @wraps(view)
        def allowed(request: HttpRequest) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied(str(refusal))
            return view(request)

        return allowed

    return decorate


@require_safe
@_requires(
    READ_PERMISSION, gettext_lazy("Only operators and admins can read the audit trail.")
)
def event_list(request: HttpRequest) -> HttpResponse:
    """The events, newest first.

    Query parameters:
        See ``filters``; and ``page``.
    """
    audit_filter = AuditFilter(request.GET, queryset=AuditEvent.objects.all())
    paginator = Paginator(_filtered(audit_filter), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    kept = request.GET.copy()
    kept.pop("page", None)
    context = {
        "filter": audit_filter,
        "is_filtered": any(kept.values()),
        "kept": kept,
        "page": page,
        "pages": paginator.get_elided_page_range(page.number, on_ends=1),
        "week_began": (timezone.localdate() - timedelta(days=6)).isoformat(),
        "lines": [line(event) for event in page],
        "may_export": request.user.has_perm(EXPORT),
    }
    return render(request, "audit/list.html", context)


@require_safe
@_requires(EXPORT, gettext_lazy("Only admins can export the audit trail."))
@limited
def export(request: HttpRequest) -> HttpResponseBase:
    """The same events as a streamed CSV file, oldest first.

    Query parameters:
        See ``filters``; and ``separator``, see ``export.SEPARATORS``. An invalid filter
        matches nothing here, since a file with too many rows would go unnoticed.

    Returns:
        200 with the file; 400 for an unknown separator.
    """
    separator = separator_asked(request.GET)
    if separator is None:
        return render(request, "400.html", status=400)
    audit_filter = AuditFilter(request.GET, queryset=AuditEvent.objects.all())
    valid = audit_filter.is_valid()
    events = _filtered(audit_filter) if valid else AuditEvent.objects.none()
    record_event(
        actor=cast("AbstractUser", request.user),
        action="audit.exported",
        target_kind="audit",
        target_id="",
        target_label=AUDIT_TRAIL(),
        after={name: request.GET[name] for name in NARROWING if request.GET.get(name)},
    )
    rows = events.order_by("at", "pk").iterator(chunk_size=CHUNK)
    name = f"curfew-audit-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        csv_lines(rows, separator),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _filtered(audit_filter: AuditFilter) -> QuerySet[AuditEvent]:
    audit_filter.form.is_valid()
    events: QuerySet[AuditEvent] = audit_filter.filter_queryset(
        AuditEvent.objects.all()
    )
    return events
