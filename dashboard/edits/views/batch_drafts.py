"""Pages of bulk changes before they are confirmed: selection, preview, confirmation."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_bulk
from dashboard.edits import (
    batches,
    display,
    enforcement,
    plan_costs,
    plans,
    selectors,
)
from dashboard.edits.batch_forms import BulkForm, selection
from dashboard.edits.messages import VIOLATIONS
from dashboard.edits.models import EditBatch
from dashboard.instances.capabilities import WITH_LEASE
from dashboard.instances.models import Instance
from dashboard.instances.typed_number import asks_number, number_fault
from dashboard.policies.models import Rule
from dashboard.policies.remedies import remedies

from .common import accepted, in_popover

NAMED = 100
"""Instances that each group of a preview names; the others are counted."""


@require_POST
def select(request: SignedInRequest) -> HttpResponse:
    """Store a selection of the list, or the violations of a policy, as a draft.

    Form fields:
        See ``batch_forms.selection``. Or ``rule``: the instances whose settings violate
        this policy; with ``runs``, those whose current runs do, to be stopped; with
        ``whose=mine``, only the person's own.
        ``action`` and its field: as in ``BulkForm``, to preview at once.

    Returns:
        303 to the draft; to a popover, 200 with its preview unless that asks for more
        than a click; 422 with a sentence when the selection cannot be used; 403 for
        viewers; 404 for an unknown policy.
    """
    _require_right(request)
    try:
        if "rule" in request.POST:
            return _to(request, _draft_for_rule(request))
        pks, source = selection(request.POST, request.user)
        draft = batches.draft_batch(actor=request.user, selection=pks, source=source)
    except batches.BatchError as error:
        context = {"reason": str(error)}
        part = "#reason" if in_popover(request) else ""
        template = f"edits/bulk_refusal.html{part}"
        return render(request, template, context, status=422)
    form = BulkForm(request.POST)
    if "action" in request.POST and form.is_valid():
        draft = batches.preview_batch(batch=draft, change=form.change())
        if in_popover(request) and not _asks_more(request, draft):
            return _page(request, draft, form)
    return _to(request, draft)


@require_http_methods(["GET", "HEAD", "POST"])
def draft(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Choose an action for a draft (POST), and preview it (GET).

    A draft that waits for an approval is shown to everyone who may create bulk changes.

    Returns:
        200 with the page; 303 to it after a choice, and to the batch once it is
        confirmed; 422 for an invalid choice; 404 for another person's draft.
    """
    batch = _own_or_waiting(request, batch_id)
    if batch.confirmed_at:
        return _to(request, batch)
    if request.method != "POST":
        return _page(request, batch, BulkForm.of(batch))
    batch = _own(request, batch_id)
    if batch.undo_of_id:
        return _to(request, batches.preview_undo(batch=batch))
    form = BulkForm(request.POST)
    if not form.is_valid():
        return _page(request, batch, form, status=422)
    batch = batches.preview_batch(batch=batch, change=form.change())
    return _to(request, batch)


@require_POST
def confirm(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Create the edits that the preview showed.

    Form fields:
        ``preview``: ``batches.preview_of`` the page.
        ``number``: see ``typed_number.number_fault``.

    Returns:
        303 to the batch, or 202 to a popover, however often it is posted; 303 to the
        draft, with a message, when its preview is out of date; 422 with the draft for a
        wrong number; 404 for another person's draft.
    """
    batch = _own(request, batch_id)
    fault = number_fault(request.POST, len(batch.plan), request.user)
    if fault and not batch.confirmed_at and not batches.is_waiting(batch):
        return _page(request, batch, BulkForm.of(batch), status=422, fault=fault)
    try:
        batch = batches.confirm_batch(
            batch=batch, preview=request.POST.get("preview", "")
        )
    except batches.BatchError as error:
        messages.error(request, str(error))
        return _to(request, batch)
    if in_popover(request) and batch.confirmed_at:
        return accepted(batch=batch)
    return _to(request, batch)


@require_POST
def approve(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Approve another person's batch, which creates its edits.

    Form fields:
        ``preview`` and ``number``, as in ``confirm``.

    Returns:
        303 to the batch; 303 to the draft, with a message, when it no longer waits; 422
        for a wrong number; 403 for its author, and for people who may not change all
        its instances; 404 for a draft that never waited.
    """
    batch = _own_or_waiting(request, batch_id)
    _require_decision(request, batch)
    fault = number_fault(request.POST, len(batch.plan), request.user)
    if fault and not batch.confirmed_at:
        return _page(request, batch, BulkForm.of(batch), status=422, fault=fault)
    try:
        batch = batches.approve_batch(
            batch=batch, actor=request.user, preview=request.POST.get("preview", "")
        )
    except batches.BatchError as error:
        messages.error(request, str(error))
    return _to(request, batch)


@require_POST
def decline(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Decline another person's batch, or withdraw one's own.

    Returns:
        303 to the author's draft, or for others to the bulk changes, with a message;
        403 and 404 as ``approve``.
    """
    batch = _own_or_waiting(request, batch_id)
    is_own = batch.actor_id == request.user.pk
    if not is_own:
        _require_decision(request, batch)
    try:
        batch = batches.decline_batch(batch=batch, actor=request.user)
    except batches.BatchError as error:
        messages.error(request, str(error))
    else:
        text = _("Withdrawn.") if is_own else _("Declined.")
        messages.success(request, text)
    if is_own:
        return _to(request, batch)
    return HttpResponseRedirect(reverse("edits:batches"), status=303)


def _require_decision(request: SignedInRequest, batch: EditBatch) -> None:
    if not batches.can_approve(request.user, batch):
        raise PermissionDenied(
            _("Another person who may change all these instances must approve this.")
        )


def _draft_for_rule(request: SignedInRequest) -> EditBatch:
    pk = request.POST["rule"]
    rule = get_object_or_404(Rule, pk=int(pk) if pk.isdecimal() else 0)
    change = None if "runs" in request.POST else enforcement.setting_change(rule)
    violating = [
        remedy.instance.pk
        for remedy in remedies(rule, timezone.now())
        if (remedy.fixes_setting if change else remedy.stop_at)
    ]
    instances = Instance.objects.visible_to(request.user).filter(pk__in=violating)
    if request.POST.get("whose") == "mine":
        instances = instances.owned_by(request.user)
    batch = batches.draft_batch(
        actor=request.user,
        selection=instances.values_list("pk", flat=True),
        source=VIOLATIONS(policy=rule.name),
        rule=rule,
    )
    return batches.preview_batch(batch=batch, change=change or enforcement.STOP)


def _page(
    request: SignedInRequest,
    batch: EditBatch,
    form: BulkForm,
    *,
    status: int = 200,
    fault: str = "",
) -> HttpResponse:
    with_clouds = Instance.objects.select_related("cloud")
    instances = with_clouds.in_bulk([item["pk"] for item in batch.plan[:NAMED]])
    items = [
        (instance, _planned_text(batch, instance, item["patch"]))
        for item in batch.plan[:NAMED]
        if (instance := instances.get(item["pk"]))
    ]
    chosen: list[Instance] = []
    if not batch.kind:
        selected = with_clouds.filter(pk__in=batch.selection)
        chosen = list(selected.order_by("name", "pk")[:NAMED])
    number = len(batch.plan)
    skipped = selectors.skips_by_reason(batch)
    named = with_clouds.in_bulk([pk for pks in skipped.values() for pk in pks[:NAMED]])
    groups = [
        {
            "reason": reason,
            "number": len(pks),
            "instances": [named[pk] for pk in pks[:NAMED] if pk in named],
            "more": max(0, len(pks) - NAMED),
        }
        for reason, pks in sorted(skipped.items(), key=lambda group: -len(group[1]))
    ]
    context = {
        "batch": batch,
        "form": form,
        "change": display.batch_change_text(batch),
        "items": items,
        "more": max(0, number - NAMED),
        "number": number,
        "asks_number": asks_number(number, request.user),
        "is_own": batch.actor_id == request.user.pk,
        "is_waiting": batches.is_waiting(batch),
        "may_decide": batches.is_waiting(batch)
        and batches.can_approve(request.user, batch),
        "needs_approval": batches.needs_approval(batch),
        "fault": fault,
        "chosen": chosen,
        "more_chosen": max(0, len(batch.selection) - len(chosen)),
        "groups": groups,
        "in_popover": in_popover(request),
        "skipped": sum(map(len, skipped.values())),
        "minutes": round(plans.seconds_for(number, batch.kind) / 60),
        "cost": plan_costs.cost_of(batch, timezone.now()),
        "preview": batches.preview_of(batch),
        "has_leases": Instance.objects.filter(
            pk__in=batch.selection, generation__in=WITH_LEASE
        ).exists(),
    }
    template = "edits/bulk.html#popover" if in_popover(request) else "edits/bulk.html"
    return render(request, template, context, status=status)


def _asks_more(request: SignedInRequest, draft: EditBatch) -> bool:
    """Whether the number must be typed, or another person must approve."""
    return asks_number(len(draft.plan), request.user) or batches.needs_approval(draft)


def _own(request: SignedInRequest, batch_id: UUID) -> EditBatch:
    _require_right(request)
    return get_object_or_404(_drafts(), pk=batch_id, actor=request.user)


def _own_or_waiting(request: SignedInRequest, batch_id: UUID) -> EditBatch:
    _require_right(request)
    batch = get_object_or_404(_drafts(), pk=batch_id)
    if batch.actor_id != request.user.pk and not batches.is_waiting(batch):
        raise Http404
    return batch


def _drafts() -> QuerySet[EditBatch]:
    return EditBatch.objects.select_related("actor", "rule", "undo_of", "decided_by")


def _require_right(request: SignedInRequest) -> None:
    if not can_bulk(request.user):
        raise PermissionDenied(_("You can view instances but not change them."))


def _to(request: SignedInRequest, batch: EditBatch) -> HttpResponse:
    if request.htmx:
        return HttpResponseClientRedirect(batch.get_absolute_url())
    return HttpResponseRedirect(batch.get_absolute_url(), status=303)


def _planned_text(
    batch: EditBatch, instance: Instance, patch: Mapping[str, Any]
) -> str:
    """Return what an instance gets; empty if all get the same."""
    if not patch:
        return ""
    return display.requested_text(batch.kind, patch, instance.cloud.skew_ms)
