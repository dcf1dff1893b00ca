from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Router
from ninja.params import BodyEx
from ninja.responses import Status

from dashboard.api import bodies, schemas, serializers
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

UndoBody = Annotated[bodies.Undo, BodyEx(default_factory=bodies.Undo)]
"""A body that may be left out."""


@router.get("", auth=READ, response=schemas.Edits)
@LIST
def list_edits(request: TokenRequest) -> Any:
    """List all edits, newest first, with the filters of the page."""
    params = LIST.read(request)
    visible = edits_visible_to(request.user)
    queryset = EditFilter(request.GET, queryset=visible, request=request).qs
    page = Page(queryset, params)
    return page.response(
        serializers.edit(edit, user=request.user) for edit in page.items
    )


@router.get("/{uuid:edit_id}", auth=READ, response=schemas.Edit)
def get_edit(request: TokenRequest, edit_id: UUID) -> Any:
    """Return one edit: who requested what, and the result."""
    return serializers.edit(_edit(request, edit_id), user=request.user)


@router.post("/{uuid:edit_id}/cancel", auth=WRITE, response=schemas.Edit)
def cancel_edit(request: TokenRequest, edit_id: UUID) -> Any:
    """Cancel an edit that is still waiting; 409 when it is too late."""
    edit = services.cancel_edit(edit=_edit(request, edit_id), actor=request.user)
    return serializers.edit(edit, user=request.user)


@router.post("/{uuid:edit_id}/retry", auth=WRITE, response={202: schemas.Edit})
def retry_edit(request: TokenRequest, response: HttpResponse, edit_id: UUID) -> Any:
    """Create a failed edit again, as a new one; 409 when the edit did not fail."""
    try:
        edit = services.retry_edit(edit=_edit(request, edit_id), actor=request.user)
    except services.EditConflictError:
        detail = "Someone has just changed the instance. Compare the values again."
        raise ProblemError("conflict", detail) from None
    response.headers["Location"] = reverse("api:get_edit", args=[edit.pk])
    return Status(202, serializers.edit(edit, user=request.user))


@router.post("/{uuid:edit_id}/undo", auth=WRITE, response={202: schemas.Edit})
def undo_edit(
    request: TokenRequest, response: HttpResponse, edit_id: UUID, body: UndoBody
) -> Any:
    """Request the values from before an applied edit, as a new one.

    409 when it cannot be undone, or when someone has changed the values since.
    """
    may_stop = body.model_dump().get("stop", False)
    try:
        edit = services.undo_edit(
            edit=_edit(request, edit_id), actor=request.user, may_stop=may_stop
        )
    except services.EditConflictError:
        detail = "Someone has changed the instance since. Compare the values."
        raise ProblemError("conflict", detail) from None
    response.headers["Location"] = reverse("api:get_edit", args=[edit.pk])
    return Status(202, serializers.edit(edit, user=request.user))


def _edit(request: TokenRequest, edit_id: UUID) -> Edit:
    return get_object_or_404(edits_visible_to(request.user), pk=edit_id)
