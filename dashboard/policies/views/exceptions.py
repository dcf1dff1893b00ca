"""Pages of exceptions: requesting, deciding and revoking."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_decide_exceptions, can_edit
from dashboard.instances.models import Instance
from dashboard.policies import services
from dashboard.policies.forms import DecisionForm, ExceptionForm
from dashboard.policies.models import Rule, RuleException
from dashboard.policies.rules import requirement
from dashboard.policies.selectors import exceptions_visible_to, tabs

PER_PAGE = 50


@require_safe
def exception_list(request: SignedInRequest) -> HttpResponse:
    """List the requests that wait for a decision, and all other exceptions."""
    exceptions = exceptions_visible_to(request.user)
    waiting = exceptions.filter(state=RuleException.State.ASKED).order_by("asked_at")
    others = exceptions.exclude(state=RuleException.State.ASKED)
    page = Paginator(others, PER_PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    context = {
        "waiting": waiting,
        "page": page,
        "rows": [(exception, exception.is_in_effect(now)) for exception in page],
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        **tabs(request.user, "exceptions"),
    }
    return render(request, "policies/exceptions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: SignedInRequest, rule_pk: int, instance_pk: int) -> HttpResponse:
    """Request an exception for one instance.

    Returns:
        200 with the form; 303 to the exceptions; 422 with the errors.
    """
    visible = Instance.objects.visible_to(request.user).select_related("cloud")
    instance = get_object_or_404(visible, pk=instance_pk)
    rule = get_object_or_404(Rule, pk=rule_pk)
    if not can_edit(request.user, instance.owner):
        raise PermissionDenied(
            _("Only people who can change an instance can request an exception.")
        )
    form = ExceptionForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            exception = services.request_exception(
                rule=rule,
                instance=instance,
                actor=request.user,
                until=form.ends_at,
                through=form.last_day,
                reason=form.cleaned_data["reason"],
            )
        except services.PolicyError as error:
            form.add_error(None, str(error))
        else:
            approved = exception.state == RuleException.State.APPROVED
            sent = _("Exception approved.") if approved else _("Request sent.")
            messages.success(request, sent)
            return _to_list()
    context = {
        "form": form,
        "rule": rule,
        "requirement": requirement(rule),
        "instance": instance,
        **tabs(request.user, "exceptions"),
    }
    status = 422 if form.is_bound else 200
    return render(request, "policies/ask.html", context, status=status)


@require_POST
def decide(request: SignedInRequest, exception_pk: int) -> HttpResponse:
    """Approve or deny a request; redirects to the exceptions with a message."""
    exception = _exception(request, exception_pk)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose to approve or deny the request."))
        return _to_list()
    approve = form.cleaned_data["decision"] == "approve"
    try:
        services.decide_exception(
            exception=exception,
            actor=request.user,
            approve=approve,
            answer=form.cleaned_data["answer"],
        )
    except services.PolicyError as error:
        messages.error(request, str(error))
    else:
        message = _("Exception approved.") if approve else _("Request denied.")
        messages.success(request, message)
    return _to_list()


@require_POST
def end(request: SignedInRequest, exception_pk: int) -> HttpResponse:
    """Revoke an exception; redirects to the exceptions with a message."""
    exception = _exception(request, exception_pk)
    try:
        services.revoke_exception(exception=exception, actor=request.user)
    except services.PolicyError as error:
        messages.error(request, str(error))
    else:
        message = _("Exception revoked. The policy applies again.")
        messages.success(request, message)
    return _to_list()


def _exception(request: SignedInRequest, pk: int) -> RuleException:
    exception = get_object_or_404(exceptions_visible_to(request.user), pk=pk)
    if not can_decide_exceptions(request.user):
        raise PermissionDenied(_("Only operators and admins can decide on exceptions."))
    return exception


def _to_list() -> HttpResponse:
    return HttpResponseRedirect(reverse("policies:exceptions"), status=303)
