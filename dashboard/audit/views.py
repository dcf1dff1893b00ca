"""Who did what, on a page and as a file."""

from typing import TYPE_CHECKING, cast

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.web.downloads import limited

from .export import csv_lines
from .filters import AuditFilter
from .models import AuditEvent
from .services import record_event
from .wording import line

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

READ = "audit.view_auditevent"
EXPORT = "audit.export_auditevent"

PER_PAGE = 50
CHUNK = 1_000


@require_safe
@permission_required(READ, raise_exception=True)
def event_list(request: HttpRequest) -> HttpResponse:
    """What was done, newest first.

    Query parameters:
        See ``filters``; and ``page``.
    """
    chosen = AuditFilter(request.GET, queryset=AuditEvent.objects.all())
    paginator = Paginator(_found(chosen), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    kept = request.GET.copy()
    kept.pop("page", None)
    context = {
        "filter": chosen,
        "is_filtered": any(kept.values()),
        "kept": kept,
        "page": page,
        "pages": paginator.get_elided_page_range(page.number, on_ends=1),
        "lines": [line(event) for event in page],
        "may_export": request.user.has_perm(EXPORT),
    }
    return render(request, "audit/list.html", context)


@require_safe
@permission_required(EXPORT, raise_exception=True)
@limited
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The same events as a CSV file, oldest first, as they are read.

    Query parameters:
        See ``filters``. Other than on the page, a value that makes no sense finds
        nothing: a file with more in it than was asked for would go unnoticed.
    """
    chosen = AuditFilter(request.GET, queryset=AuditEvent.objects.all())
    events = _found(chosen) if chosen.is_valid() else AuditEvent.objects.none()
    record_event(
        actor=cast("AbstractUser", request.user),
        action="audit.exported",
        target_kind="audit",
        target_id="",
        target_label="the audit trail",
        after={name: value for name, value in request.GET.items() if value},
    )
    rows = events.order_by("at", "pk").iterator(chunk_size=CHUNK)
    name = f"curfew-audit-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        csv_lines(rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _found(chosen: AuditFilter) -> QuerySet[AuditEvent]:
    chosen.form.is_valid()
    found: QuerySet[AuditEvent] = chosen.filter_queryset(AuditEvent.objects.all())
    return found
