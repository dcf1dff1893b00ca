"""The page of the audit trail, and its export."""

from datetime import timedelta
from typing import cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.web.downloads import limited

from .display import line
from .export import COLUMNS, cells, csv_lines, requested_separator
from .filters import AuditFilter
from .messages import AUDIT_TRAIL
from .models import READ_PERMISSION, AuditEvent
from .services import record_event

EXPORT_PERMISSION = "audit.export_auditevent"

RECORDED_PARAMETERS = (*AuditFilter.base_filters, "separator")
"""Query parameters that the audit event of an export contains."""

PER_PAGE = 50
CHUNK = 1_000


@require_safe
def event_list(request: HttpRequest) -> HttpResponse:
    """List the events that match ``AuditFilter``, newest first."""
    if not request.user.has_perm(READ_PERMISSION):
        raise PermissionDenied(_("Only operators and admins can read the audit trail."))
    audit_filter = AuditFilter(request.GET, queryset=AuditEvent.objects.all())
    paginator = Paginator(audit_filter.qs, PER_PAGE)
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
        "may_export": request.user.has_perm(EXPORT_PERMISSION),
    }
    return render(request, "audit/list.html", context)


@require_safe
@limited
def export(request: HttpRequest) -> HttpResponseBase:
    """Stream the events that match ``AuditFilter`` as CSV, oldest first.

    An invalid filter matches nothing here: no one would notice a file with too many
    rows. The parameter ``separator`` is a key of ``SEPARATORS``; 400 for another one.
    """
    if not request.user.has_perm(EXPORT_PERMISSION):
        raise PermissionDenied(_("Only admins can export the audit trail."))
    separator = requested_separator(request.GET)
    if separator is None:
        return render(request, "400.html", status=400)
    audit_filter = AuditFilter(request.GET, queryset=AuditEvent.objects.all())
    valid = audit_filter.is_valid()
    events = audit_filter.qs if valid else AuditEvent.objects.none()
    record_event(
        actor=cast("AbstractBaseUser", request.user),
        action="audit.exported",
        target_label=AUDIT_TRAIL(),
        after={
            name: request.GET[name]
            for name in RECORDED_PARAMETERS
            if request.GET.get(name)
        },
    )
    rows = events.order_by("at", "pk").iterator(chunk_size=CHUNK)
    name = f"curfew-audit-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        csv_lines(COLUMNS, map(cells, rows), separator),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
