"""Endpoints: one wish for many instances, previewed, confirmed and followed."""

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
"""Unknown instances named in an error; the rest is counted."""


@router.post(
    "/bulk",
    auth=PREVIEW,
    response={201: schemas.Draft},
    url_name="bulk",
    operation_id="preview_bulk",
)
def preview_bulk(request: TokenRequest, wish: schemas.BulkRequest) -> Any:
    """Say what shall be done with many; nothing is done yet.

    The answer tells who will get an edit, from what to what, and who will not, and why.
    Its `preview` confirms just that.
    """
    _require_right(request)
    sent = wish.model_dump()
    if "auto_stop_hours" in sent:
        sent["auto_stop_hours"] = hours_typed(sent["auto_stop_hours"])
    form = BulkForm(sent)
    if not form.is_valid():
        raise invalid(of_form(form))
    if "auto_stop_hours" in sent and wish.action != "hours":
        raise invalid({"auto_stop_hours": [f"“{wish.action}” takes no run time."]})
    chosen, source = _chosen(request, **sent["selection"])
    draft = batches.draft_batch(actor=request.user, selection=chosen, source=source)
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
    yes: schemas.Confirmation,
) -> Any:
    """Make the edits that the preview showed; sent twice, it is done once."""
    _require_right(request)
    drafts = EditBatch.objects.select_related("actor", "rule")
    batch = get_object_or_404(drafts, pk=batch_id, actor=request.user)
    batch = batches.confirm_batch(batch=batch, preview=yes.preview)
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
    """All bulk edits, newest first."""
    asked = LIST.read(request)
    found = selectors.batches_visible_to(request.user).order_by("-confirmed_at", "pk")
    part = Page(found, asked)
    rows = selectors.with_progress(part.items)
    items = [serializers.batch(one, done, user=request.user) for one, done in rows]
    return part.head | {"items": items}


@router.get(
    "/batches/{uuid:batch_id}",
    auth=READ,
    response=schemas.BatchDetail,
    url_name="batch",
    operation_id="get_batch",
)
def get_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """How far a batch has come, and who was left out."""
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
    """What became of each, by the instance's name."""
    asked = LIST.read(request)
    part = Page(selectors.batch_edits(_visible(request, batch_id), ()), asked)
    items = [serializers.edit(one, user=request.user) for one in part.items]
    return part.head | {"items": items}


@router.post(
    "/batches/{uuid:batch_id}/cancel",
    auth=WRITE,
    response=schemas.Cancelled,
    url_name="batch_cancel",
    operation_id="cancel_batch",
)
def cancel_batch(request: TokenRequest, batch_id: UUID) -> Any:
    """Take back what still waits."""
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
    """Preview once more what failed; 409 when nothing did."""
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
        # A word that the list does not know would mean more instances than meant.
        INSTANCES.read(request, QueryDict(query))
        posted.update({"scope": "matching", "query": query})
        return selection(posted, request.user)
    posted["picked"] = ",".join(map(str, _keys(request, instances)))
    pks, _ = selection(posted, request.user)
    return pks, SELECTED_BY_PROGRAM()


def _keys(request: TokenRequest, references: Sequence[str]) -> list[int]:
    """``Instance.pk`` of each; 422 where one cannot be found."""
    if len(references) > batches.MOST:
        most = f"{len(references)} instances are named; {batches.MOST} is most."
        raise invalid({"selection": [most]})
    # Clouds are few, whatever is sent: what names another one is not looked for.
    clouds = dict(Cloud.objects.values_list("name", "pk"))
    ids: dict[int, list[str]] = {}
    for reference in references:
        cloud, _, instance_id = reference.replace("\0", "").rpartition("/")
        if cloud in clouds:
            ids.setdefault(clouds[cloud], []).append(instance_id)
    wanted = Q(pk__in=[])
    for pk, some in ids.items():
        wanted |= Q(cloud=pk, instance_id__in=some)
    seen = Instance.objects.visible_to(request.user).filter(wanted)
    found = {
        f"{cloud}/{instance_id}": pk
        for pk, cloud, instance_id in seen.values_list(
            "pk", "cloud__name", "instance_id"
        )
    }
    if unknown := [one for one in references if one not in found]:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        told = f"Not found: {', '.join(unknown[:NAMED])}{more}."
        raise invalid({"selection": [told]})
    return list(found.values())


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
