from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.responses import Status

from dashboard.api import schemas, serializers
from dashboard.api.auth import READ, WRITE
from dashboard.api.http import TokenRequest
from dashboard.api.problems import ProblemError
from dashboard.api.queries import Page, PageForm, Query
from dashboard.edits import services
from dashboard.edits.filters import EditFilter
from dashboard.edits.models import Edit
from dashboard.edits.selectors import edits_visible_to

router = Router(tags=["edits"])

LIST = Query(EditFilter, PageForm)


@router.get(
    "",
    auth=READ,
    response=schemas.Edits,
    url_name="edits",
    operation_id="list_edits",
    openapi_extra=LIST.openapi,
)
@LIST
def list_edits(request: TokenRequest) -> Any:
    """List all edits, newest first, with the filters of the page."""
    params = LIST.read(request)
    visible = edits_visible_to(request.user)
    queryset = EditFilter(request.GET, queryset=visible, request=request).qs
    page = Page(queryset, params)
    items = [serializers.edit(edit, user=request.user) for edit in page.items]
    return page.head | {"items": items}


@router.get(
    "/{uuid:edit_id}",
    auth=READ,
    response=schemas.Edit,
    url_name="edit",
    operation_id="get_edit",
)
def get_edit(request: TokenRequest, edit_id: UUID) -> Any:
    """Return one edit: who asked for what, and the result."""
    return serializers.edit(_edit(request, edit_id), user=request.user)


@router.post(
    "/{uuid:edit_id}/cancel",
    auth=WRITE,
    response=schemas.Edit,
    url_name="cancel",
    operation_id="cancel_edit",
)
def cancel_edit(request: TokenRequest, edit_id: UUID) -> Any:
    """Cancel an edit that is still waiting; 409 when it is too late."""
    edit = services.cancel_edit(edit=_edit(request, edit_id), actor=request.user)
    return serializers.edit(edit, user=request.user)


@router.post(
    "/{uuid:edit_id}/retry",
    auth=WRITE,
    response={202: schemas.Edit},
    url_name="retry",
    operation_id="retry_edit",
)
def retry_edit(request: TokenRequest, response: HttpResponse, edit_id: UUID) -> Any:
    """Create a failed edit again, as a new one; 409 when the edit did not fail."""
    try:
        again = services.retry_edit(edit=_edit(request, edit_id), actor=request.user)
    except services.EditConflictError:
        detail = "Someone changed it just now. Compare once more."
        raise ProblemError("conflict", detail) from None
    response.headers["Location"] = f"/api/v1/edits/{again.pk}"
    return Status(202, serializers.edit(again, user=request.user))


def _edit(request: TokenRequest, edit_id: UUID) -> Edit:
    return get_object_or_404(edits_visible_to(request.user), pk=edit_id)
