from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.responses import Status

from dashboard.accounts.permissions import can_bulk
from dashboard.api import schemas, serializers
from dashboard.api.auth import PREVIEW, READ, WRITE
from dashboard.api.change_input import hours_typed
from dashboard.api.http import TokenRequest
from dashboard.api.problems import invalid, of_form
from dashboard.api.queries import Page, PageForm, Query
from dashboard.edits import batches, display, selectors
from dashboard.edits.batch_forms import BulkForm, selection
from dashboard.edits.messages import SELECTED_BY_PROGRAM
from dashboard.edits.models import EditBatch
from dashboard.instances.filters import InstanceFilter, ListForm
from dashboard.instances.models import Cloud, Instance
from dashboard.web.stored_messages import Message

router = Router(tags=["bulk"])

INSTANCES = Query(InstanceFilter, ListForm)
LIST = Query(PageForm)
NAMED = 10
"""An error names this many unknown instances and counts the rest."""


@router.post(
    "/bulk",
    auth=PREVIEW,
    response={201: schemas.Draft},
    url_name="bulk",
    operation_id="preview_bulk",
)
def preview_bulk(request: TokenRequest, body: schemas.BulkRequest) -> Any:
    """Preview a change of many instances; nothing changes yet.

    The response lists the instances that would get an edit, with the old and new
    values, and the skipped ones with the reason. Its `preview` value confirms exactly
    that.
    """
    _require_right(request)
    values = body.model_dump()
    if "auto_stop_hours" in values:
        values["auto_stop_hours"] = hours_typed(values["auto_stop_hours"])
    form = BulkForm(values)
    if not form.is_valid():
        raise invalid(of_form(form))
    if "auto_stop_hours" in values and body.action != "hours":
        raise invalid({"auto_stop_hours": [f"“{body.action}” takes no run time."]})
    instance_keys, source = _chosen(request, **values["selection"])
    draft = batches.draft_batch(
        actor=request.user, selection=instance_keys, source=source
    )
    draft = batches.preview_batch(batch=draft, wish=form.wish())
    return Status(201, _draft(draft))


@router.post(
    "/bulk/{uuid:batch_id}/confirm",
    auth=WRITE,
    response={202: schemas.Batch},
    url_name="confirm",
    operation_id="confirm_bulk",
)
def confirm_bulk(
    request: TokenRequest,
    response: HttpResponse,
    batch_id: UUID,
    confirmation: schemas.Confirmation,
) -> Any:
    """Create the edits that the preview listed.

    Sending it twice has no further effect.
    """
    _require_right(request)
    drafts = EditBatch.objects.select_related("actor", "rule")
    batch = get_object_or_404(drafts, pk=batch_id, actor=request.user)
    batch = batches.confirm_batch(batch=batch, preview=confirmation.preview)
    response.headers["Location"] = f"/api/v1/batches/{batch.pk}"
    return Status(202, _batch(request, batch))


@router.get(
    "/batches",
    auth=READ,
    response=schemas.Batches,
    url_name="batches",
    operation_id="list_batches",
    openapi_extra=LIST.openapi,
)
@LIST
def list_batches(request: TokenRequest) -> Any:
    """List all bulk changes, newest first."""
    params = LIST.read(request)
    queryset = selectors.batches_visible_to(request.user).order_by(
        "-confirmed_at", "pk"
    )
    page = Page(queryset, params)
    rows = selectors.with_progress(page.items)
    items = [
        serializers.batch(batch, progress, user=request.user)
        for batch, progress in rows
    ]
    return page.head | {"items": items}


@router.get(
    "/batches/{uuid:batch_id}",
    auth=READ,
    response=schemas.BatchDetail,
    url_name="batch",
    operation_id="get_batch",
)
def get_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """Return the progress of a batch and the instances it skipped."""
    batch = _visible(request, batch_id)
    left_out = [
        serializers.named(skip.instance) | {"reason": str(skip.reason)}
        for skip in selectors.batch_skips(batch)
    ]
    return _batch(request, batch) | {"left_out": left_out}


@router.get(
    "/batches/{uuid:batch_id}/edits",
    auth=READ,
    response=schemas.Edits,
    url_name="batch_edits",
    operation_id="list_batch_edits",
    openapi_extra=LIST.openapi,
)
@LIST
def list_batch_edits(request: TokenRequest, batch_id: UUID) -> Any:
    """List the edits of a batch by instance name."""
    params = LIST.read(request)
    page = Page(selectors.batch_edits(_visible(request, batch_id), ()), params)
    items = [serializers.edit(edit, user=request.user) for edit in page.items]
    return page.head | {"items": items}


@router.post(
    "/batches/{uuid:batch_id}/cancel",
    auth=WRITE,
    response=schemas.Cancelled,
    url_name="batch_cancel",
    operation_id="cancel_batch",
)
def cancel_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """Cancel the edits of a batch that are still waiting."""
    batch = _visible(request, batch_id)
    _require_hand(request, batch)
    number = batches.cancel_waiting(batch=batch, actor=request.user)
    return {"cancelled": number}


@router.post(
    "/batches/{uuid:batch_id}/retry",
    auth=PREVIEW,
    response={201: schemas.Draft},
    url_name="batch_retry",
    operation_id="retry_batch",
)
def retry_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """Preview the failed edits of a batch again; 409 when none failed."""
    batch = _visible(request, batch_id)
    _require_hand(request, batch)
    return Status(201, _draft(batches.retry_failed(batch=batch, actor=request.user)))


def _chosen(
    request: TokenRequest,
    instances: Sequence[str] = (),
    query: str | None = None,
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
    if len(references) > batches.MOST:
        error = f"{len(references)} instances are named; {batches.MOST} is most."
        raise invalid({"selection": [error]})
    # Few clouds exist, however many references are sent: unknown ones cost no query.
    clouds = dict(Cloud.objects.values_list("name", "pk"))
    ids: dict[int, list[str]] = {}
    for reference in references:
        cloud, _, instance_id = reference.replace("\0", "").rpartition("/")
        if cloud in clouds:
            ids.setdefault(clouds[cloud], []).append(instance_id)
    condition = Q(pk__in=[])
    for pk, some in ids.items():
        condition |= Q(cloud=pk, instance_id__in=some)
    visible = Instance.objects.visible_to(request.user).filter(condition)
    keys = {
        f"{cloud}/{instance_id}": pk
        for pk, cloud, instance_id in visible.values_list(
            "pk", "cloud__name", "instance_id"
        )
    }
    if unknown := [reference for reference in references if reference not in keys]:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        error = f"Not found: {', '.join(unknown[:NAMED])}{more}."
        raise invalid({"selection": [error]})
    return list(keys.values())


def _draft(draft: EditBatch) -> dict[str, Any]:
    planned = {item["pk"]: item for item in draft.plan}
    named = Instance.objects.select_related("cloud").in_bulk(list(planned))
    items = [
        serializers.named(named[pk])
        | {
            "base": serializers.values(item["base"]),
            "wish": serializers.values(item["patch"]),
        }
        for pk, item in planned.items()
        if pk in named
    ]
    skipped = [
        serializers.named(skip.instance) | {"reason": str(skip.reason)}
        for skip in selectors.batch_skips(draft)
    ]
    return {
        "id": draft.pk,
        "preview": batches.preview_of(draft),
        "wish": display.batch_change_text(draft),
        "number": len(items),
        "items": items,
        "skipped": skipped,
        "expected_seconds": batches.seconds_for(len(items)),
    }


def _batch(request: TokenRequest, batch: EditBatch) -> dict[str, Any]:
    return serializers.batch(batch, selectors.progress(batch), user=request.user)


def _visible(request: TokenRequest, batch_id: UUID) -> EditBatch:
    return get_object_or_404(selectors.batches_visible_to(request.user), pk=batch_id)


def _require_right(request: TokenRequest) -> None:
    if not can_bulk(request.user):
        raise PermissionDenied("Your role does not allow changing these instances.")


def _require_hand(request: TokenRequest, batch: EditBatch) -> None:
    if not batches.can_act_on(request.user, batch):
        raise PermissionDenied("Your role does not allow changing this batch.")
