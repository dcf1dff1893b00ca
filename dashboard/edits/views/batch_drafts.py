"""Pages of a bulk edit before it is one: the selection, its preview, the yes."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_bulk
from dashboard.edits import batches, display, enforcement, selectors
from dashboard.edits.batch_forms import MANY, BulkForm, number_fault, selection
from dashboard.edits.messages import VIOLATIONS
from dashboard.edits.models import EditBatch
from dashboard.instances.models import Instance
from dashboard.policies.models import Rule
from dashboard.policies.remedies import breaking_by_run, breaking_by_setting
from dashboard.web.stored_messages import Message

NAMED = 100
"""Instances named in each group of a preview; the rest is counted."""


@require_POST
def select(request: SignedInRequest) -> HttpResponse:
    """Take a selection from the list, or what breaks a rule, and ask what to do.

    Form fields:
        See ``bulk_forms.selection``. ``rule``: instead, those whose setting breaks this
        rule; with ``runs``, those whose present run does, to be stopped; with
        ``whose`` as ``mine``, of these their own.
        ``action``, ``auto_stop_hours``: as in ``BulkForm``, to go on to the preview.

    Returns:
        303 to the draft; 422 with a sentence when the selection cannot be used; 403 for
        viewers; 404 for an unknown rule.
    """
    _require_right(request)
    try:
        if "rule" in request.POST:
            return _to(_draft_for_rule(request))
        chosen, source = selection(request.POST, request.user)
        draft = batches.draft_batch(actor=request.user, selection=chosen, source=source)
    except batches.BatchError as error:
        return _refusal(request, error)
    form = BulkForm(request.POST)
    if "action" in request.POST and form.is_valid():
        draft = batches.preview_batch(batch=draft, wish=form.wish())
    return _to(draft)


@require_http_methods(["GET", "HEAD", "POST"])
def draft(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Choose what shall be done (POST) and see what that means (GET).

    Returns:
        200 with the page; 303 to it after a choice, and to the batch once it is
        confirmed; 422 when the choice makes no sense; 404 for somebody else's draft.
    """
    batch = _own(request, batch_id)
    if batch.confirmed_at:
        return _to(batch)
    if request.method != "POST":
        return _page(request, batch, BulkForm.of(batch))
    form = BulkForm(request.POST)
    if not form.is_valid():
        return _page(request, batch, form, status=422)
    return _to(batches.preview_batch(batch=batch, wish=form.wish()))


@require_POST
def confirm(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Make the edits that the preview showed.

    Form fields:
        ``preview``: names the preview that was seen.
        ``number``: how many instances it changes, typed, if those are many.

    Returns:
        303 to the batch, however often it is posted; 303 to the draft, with a message,
        when it has to be looked at again; 422 with the draft when the number is not
        that one; 404 for somebody else's draft.
    """
    batch = _own(request, batch_id)
    fault = "" if batch.confirmed_at else number_fault(request.POST, len(batch.plan))
    if fault:
        return _page(request, batch, BulkForm.of(batch), status=422, fault=fault)
    try:
        batch = batches.confirm_batch(
            batch=batch, preview=request.POST.get("preview", "")
        )
    except batches.BatchError as error:
        messages.error(request, str(error))
    return _to(batch)


def _draft_for_rule(request: SignedInRequest) -> EditBatch:
    number = request.POST["rule"]
    rule = get_object_or_404(Rule, pk=int(number) if number.isdecimal() else 0)
    fixes = None if "runs" in request.POST else enforcement.setting_change(rule)
    breaking = breaking_by_setting if fixes else breaking_by_run
    found = breaking(rule, timezone.now())
    seen = Instance.objects.visible_to(request.user).filter(pk__in=found)
    if request.POST.get("whose") == "mine":
        seen = seen.owned_by(request.user)
    batch = batches.draft_batch(
        actor=request.user,
        selection=seen.values_list("pk", flat=True),
        source=VIOLATIONS(policy=rule.name),
        rule=rule,
    )
    return batches.preview_batch(batch=batch, wish=fixes or enforcement.STOP)


def _page(
    request: SignedInRequest,
    batch: EditBatch,
    form: BulkForm,
    *,
    status: int = 200,
    fault: str = "",
) -> HttpResponse:
    planned = [item["pk"] for item in batch.plan]
    named = Instance.objects.select_related("cloud").in_bulk(planned[:NAMED])
    chosen: list[Instance] = []
    if not batch.kind:
        seen = Instance.objects.select_related("cloud").filter(pk__in=batch.selection)
        chosen = list(seen.order_by("name", "pk")[:NAMED])
    items = [
        (named[item["pk"]], display.patch_text(item["patch"]))
        for item in batch.plan[:NAMED]
        if item["pk"] in named
    ]
    skipped: dict[Message, list[Instance]] = {}
    for skip in selectors.batch_skips(batch):
        skipped.setdefault(skip.reason, []).append(skip.instance)
    groups = [
        {
            "reason": reason,
            "number": len(instances),
            "instances": instances[:NAMED],
            "more": max(0, len(instances) - NAMED),
        }
        for reason, instances in sorted(
            skipped.items(), key=lambda group: -len(group[1])
        )
    ]
    context = {
        "batch": batch,
        "form": form,
        "wish": display.batch_change_text(batch),
        "items": items,
        "more": max(0, len(planned) - NAMED),
        "number": len(planned),
        "asks_number": len(planned) > MANY,
        "fault": fault,
        "chosen": chosen,
        "more_chosen": max(0, len(batch.selection) - len(chosen)),
        "groups": groups,
        "skipped": sum(map(len, skipped.values())),
        "minutes": round(batches.seconds_for(len(planned)) / 60),
        "preview": batches.preview_of(batch),
    }
    return render(request, "edits/bulk.html", context, status=status)


def _own(request: SignedInRequest, batch_id: UUID) -> EditBatch:
    _require_right(request)
    drafts = EditBatch.objects.select_related("actor", "rule")
    return get_object_or_404(drafts, pk=batch_id, actor=request.user)


def _require_right(request: SignedInRequest) -> None:
    if not can_bulk(request.user):
        raise PermissionDenied(gettext("You can view instances but not change them."))


def _refusal(request: SignedInRequest, error: batches.BatchError) -> HttpResponse:
    context = {"reason": str(error)}
    return render(request, "edits/bulk_refusal.html", context, status=422)


def _to(batch: EditBatch) -> HttpResponse:
    return HttpResponseRedirect(batch.get_absolute_url(), status=303)
