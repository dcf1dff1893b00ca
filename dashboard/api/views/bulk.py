from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status

from dashboard.accounts.permissions import can_bulk
from dashboard.api import bodies, schemas, serializers
from dashboard.api.auth import PREVIEW, READ, WRITE
from dashboard.api.change_input import read_bulk
from dashboard.api.http import TokenRequest
from dashboard.api.problems import invalid
from dashboard.api.queries import Page, PageForm, Query
from dashboard.edits import batches, display, plans, selectors
from dashboard.edits.batch_forms import selection
from dashboard.edits.messages import SELECTED_BY_PROGRAM
from dashboard.edits.models import EditBatch
from dashboard.instances.filters import InstanceFilter, ListForm
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import Message

router = Router(tags=["bulk"])

INSTANCES = Query(InstanceFilter, ListForm)
LIST = Query(PageForm)
MAX_NAMED = 10
"""How many unknown instances an error names."""


@router.post("/bulk", auth=PREVIEW, response={201: schemas.Draft})
def preview_bulk(request: TokenRequest, body: bodies.BulkRequest) -> Any:
    """Preview a change of many instances; nothing is changed yet.

    The response lists the instances that would get an edit, with the old and new
    values, and the skipped ones with the reasons. Send its `preview` to confirm it.
    """
    _require_right(request)
    values = body.model_dump()
    selected, action = values.pop("selection"), values.pop("action")
    change = read_bulk(action, values)
    instance_keys, source = _selection(request, **selected)
    draft = batches.draft_batch(
        actor=request.user, selection=instance_keys, source=source
    )
    draft = batches.preview_batch(batch=draft, change=change)
    return Status(201, _draft(draft))


@router.post("/bulk/{uuid:batch_id}/confirm", auth=WRITE, response={202: schemas.Batch})
def confirm_bulk(
    request: TokenRequest,
    response: HttpResponse,
    batch_id: UUID,
    confirmation: bodies.Confirmation,
) -> Any:
    """Create the edits that the preview listed.

    Sending it twice has no further effect. With `needs_approval`, the batch then waits
    until another person approves it: `confirmed_at` is null until then.
    """
    _require_right(request)
    drafts = EditBatch.objects.select_related("actor", "rule")
    batch = get_object_or_404(drafts, pk=batch_id, actor=request.user)
    _require_number(batch, confirmation)
    batch = batches.confirm_batch(batch=batch, preview=confirmation.preview)
    response.headers["Location"] = reverse("api:get_batch", args=[batch.pk])
    return Status(202, _batch(request, batch))


@router.post("/bulk/{uuid:batch_id}/approve", auth=WRITE, response={202: schemas.Batch})
def approve_bulk(
    request: TokenRequest,
    response: HttpResponse,
    batch_id: UUID,
    confirmation: bodies.Confirmation,
) -> Any:
    """Approve another person's batch that waits for it, which creates its edits.

    403 for its author, and for people who may not change all its instances.
    """
    _require_right(request)
    batch = get_object_or_404(_shown(request), pk=batch_id)
    _require_number(batch, confirmation)
    batch = batches.approve_batch(
        batch=batch, actor=request.user, preview=confirmation.preview
    )
    response.headers["Location"] = reverse("api:get_batch", args=[batch.pk])
    return Status(202, _batch(request, batch))


@router.post("/bulk/{uuid:batch_id}/decline", auth=WRITE, response=schemas.Batch)
def decline_bulk(request: TokenRequest, batch_id: UUID) -> Any:
    """Decline another person's batch that waits for approval, or withdraw your own."""
    _require_right(request)
    batch = get_object_or_404(_shown(request), pk=batch_id)
    return _batch(request, batches.decline_batch(batch=batch, actor=request.user))


@router.get("/batches", auth=READ, response=schemas.Batches)
@LIST
def list_batches(request: TokenRequest) -> Any:
    """List all bulk changes, newest first."""
    params = LIST.read(request)
    queryset = selectors.batches_visible_to(request.user).order_by(
        "-confirmed_at", "pk"
    )
    page = Page(queryset, params)
    return page.response(
        serializers.batch(batch, progress, user=request.user)
        for batch, progress in selectors.with_progress(page.items)
    )


@router.get("/batches/{uuid:batch_id}", auth=READ, response=schemas.BatchDetail)
def get_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """Return the progress of a batch and the instances it skipped.

    A batch that waits for an approval is shown, too; its `preview` approves it.
    """
    batch = get_object_or_404(_shown(request), pk=batch_id)
    preview = "" if batch.confirmed_at else batches.preview_of(batch)
    details = {"skipped": _skipped(batch), "preview": preview}
    return _batch(request, batch) | details


@router.get("/batches/{uuid:batch_id}/edits", auth=READ, response=schemas.Edits)
@LIST
def list_batch_edits(request: TokenRequest, batch_id: UUID) -> Any:
    """List the edits of a batch by instance name."""
    params = LIST.read(request)
    page = Page(selectors.batch_edits(_visible(request, batch_id), ()), params)
    return page.response(
        serializers.edit(edit, user=request.user) for edit in page.items
    )


@router.post("/batches/{uuid:batch_id}/cancel", auth=WRITE, response=schemas.Cancelled)
def cancel_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """Cancel the edits of a batch that are still waiting."""
    batch = _visible(request, batch_id)
    _require_right_on(request, batch)
    number = batches.cancel_waiting(batch=batch, actor=request.user)
    return {"cancelled": number}


@router.post(
    "/batches/{uuid:batch_id}/retry", auth=PREVIEW, response={201: schemas.Draft}
)
def retry_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """Preview the failed edits of a batch again; 409 when none failed."""
    batch = _visible(request, batch_id)
    _require_right_on(request, batch)
    return Status(201, _draft(batches.retry_failed(batch=batch, actor=request.user)))


@router.post(
    "/batches/{uuid:batch_id}/undo", auth=PREVIEW, response={201: schemas.Draft}
)
def undo_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """Preview the previous values of what a batch and its retries have changed.

    What someone has changed since is skipped. 409 when there is nothing to undo.
    """
    batch = _visible(request, batch_id)
    _require_right_on(request, batch)
    return Status(201, _draft(batches.undo_batch(batch=batch, actor=request.user)))


def _selection(
    request: TokenRequest, instances: Sequence[str] = (), query: str | None = None
) -> tuple[list[int], Message]:
    if (query is None) == (not instances):
        raise invalid({"selection": ["Send either “instances” or “query”."]})
    posted = QueryDict(mutable=True)
    if query is not None:
        # An unknown parameter would select more instances than intended.
        INSTANCES.read(request, QueryDict(query))
        posted.update({"scope": "matching", "query": query})
        return selection(posted, request.user)
    posted["picked"] = ",".join(map(str, _keys(request, instances)))
    pks, _ = selection(posted, request.user)
    return pks, SELECTED_BY_PROGRAM()


def _keys(request: TokenRequest, references: Sequence[str]) -> list[int]:
    """Return ``Instance.pk`` of each reference.

    Raises:
        ProblemError: 422 when one does not exist.
    """
    if len(references) > batches.MAX_BATCH_SIZE:
        error = f"{len(references)} instances; the maximum is {batches.MAX_BATCH_SIZE}."
        raise invalid({"selection": [error]})
    # Instances of other clouds with the same ID are few. PostgreSQL rejects NUL.
    ids = {reference.replace("\0", "").rpartition("/")[2] for reference in references}
    instances = Instance.objects.visible_to(request.user).filter(instance_id__in=ids)
    keys = {
        f"{cloud}/{instance_id}": pk
        for pk, cloud, instance_id in instances.values_list(
            "pk", "cloud__name", "instance_id"
        )
    }
    if unknown := [reference for reference in references if reference not in keys]:
        rest = len(unknown) - MAX_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        error = f"Not found: {', '.join(unknown[:MAX_NAMED])}{more}."
        raise invalid({"selection": [error]})
    return list({keys[reference] for reference in references})


def _draft(draft: EditBatch) -> dict[str, Any]:
    planned = {item["pk"]: item for item in draft.plan}
    named = Instance.objects.select_related("cloud").in_bulk(list(planned))
    items = [
        serializers.named(named[pk])
        | {
            "base": serializers.values(item["base"]),
            "change": serializers.values(item["patch"]),
            "until": serializers.end_of(named[pk], item["patch"]),
        }
        for pk, item in planned.items()
        if pk in named
    ]
    return {
        "id": draft.pk,
        "preview": batches.preview_of(draft),
        "change": display.batch_change_text(draft),
        "number": len(items),
        "needs_approval": batches.needs_approval(draft),
        "items": items,
        "skipped": _skipped(draft),
        "expected_seconds": plans.seconds_for(len(items), draft.kind),
    }


def _skipped(batch: EditBatch) -> list[dict[str, str]]:
    return [
        serializers.named(skip.instance) | {"reason": str(skip.reason)}
        for skip in selectors.batch_skips(batch)
    ]


def _batch(request: TokenRequest, batch: EditBatch) -> dict[str, Any]:
    return serializers.batch(batch, selectors.progress(batch), user=request.user)


def _visible(request: TokenRequest, batch_id: UUID) -> EditBatch:
    return get_object_or_404(selectors.batches_visible_to(request.user), pk=batch_id)


def _shown(request: TokenRequest) -> QuerySet[EditBatch]:
    """Return the confirmed batches, and those that wait for an approval."""
    waiting = selectors.batches_waiting_for_approval(timezone.now())
    return EditBatch.objects.filter(
        Q(pk__in=selectors.batches_visible_to(request.user).values("pk"))
        | Q(pk__in=waiting.values("pk"))
    ).select_related("actor", "rule", "undo_of", "decided_by")


def _require_number(batch: EditBatch, confirmation: bodies.Confirmation) -> None:
    number = confirmation.model_dump().get("number", len(batch.plan))
    if number != len(batch.plan) and not batch.confirmed_at:
        raise batches.BatchError(f"The preview has {len(batch.plan)} instances.")


def _require_right(request: TokenRequest) -> None:
    if not can_bulk(request.user):
        raise PermissionDenied("Your role does not allow changing these instances.")


def _require_right_on(request: TokenRequest, batch: EditBatch) -> None:
    if not batches.can_act_on(request.user, batch):
        raise PermissionDenied("Your role does not allow changing this batch.")
