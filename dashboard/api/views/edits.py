"""Endpoints: edits, and second thoughts about them."""

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
    """All edits, newest first, with the filters of their page."""
    asked = LIST.read(request)
    visible = edits_visible_to(request.user)
    found = EditFilter(request.GET, queryset=visible, request=request).qs
    part = Page(found, asked)
    items = [serializers.edit(one, user=request.user) for one in part.items]
    return part.head | {"items": items}


@router.get(
    "/{uuid:edit_id}",
    auth=READ,
    response=schemas.Edit,
    url_name="edit",
    operation_id="get_edit",
)
def get_edit(request: TokenRequest, edit_id: UUID) -> Any:
    """One edit: what was asked, by whom, and what became of it."""
    return serializers.edit(_edit(request, edit_id), user=request.user)


@router.post(
    "/{uuid:edit_id}/cancel",
    auth=WRITE,
    response=schemas.Edit,
    url_name="cancel",
    operation_id="cancel_edit",
)
def cancel_edit(request: TokenRequest, edit_id: UUID) -> Any:
    """Take an edit back while it waits; 409 when it is too late."""
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
    """Wish for a failed edit again, as a new one; 409 for one that did not fail."""
    try:
        again = services.retry_edit(edit=_edit(request, edit_id), actor=request.user)
    except services.EditConflictError:
        said = "Somebody changed it just now. Compare once more."
        raise ProblemError("conflict", said) from None
    response.headers["Location"] = f"/api/v1/edits/{again.pk}"
    return Status(202, serializers.edit(again, user=request.user))


def _edit(request: TokenRequest, edit_id: UUID) -> Edit:
    return get_object_or_404(edits_visible_to(request.user), pk=edit_id)
