"""Pages of the rules: writing them, and what breaks them."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import (
    can_bulk,
    can_write_rules,
    has_own_page,
)
from dashboard.policies import selectors, services
from dashboard.policies.forms import RuleForm
from dashboard.policies.models import Rule
from dashboard.policies.remedies import breaking
from dashboard.policies.rules import requirement

SHOWN = 50
"""Instances named for each rule; a bulk edit names all."""


@require_safe
def compliance(request: SignedInRequest) -> HttpResponse:
    """What breaks the rules, for everybody to see.

    Those who have instances of their own see those first.

    Query parameters:
        all: ``pk`` of the rule of which all instances are named.
        whose: ``mine`` or ``all``.
    """
    whose = request.GET.get("whose", "")
    own = whose == "mine" or (whose != "all" and has_own_page(request.user))
    found = selectors.compliance(
        request.user,
        timezone.now(),
        most=SHOWN,
        whole=request.GET.get("all", ""),
        own=own,
    )
    context = {
        "rules": [
            {
                "rule": one.rule,
                "requirement": requirement(one.rule),
                "number": one.number,
                "settings": one.settings,
                "runs": one.runs,
                "findings": one.findings,
                "excepted": one.excepted,
            }
            for one in found
        ],
        "total": sum(one.number for one in found),
        "own": own,
        "whose": "mine" if own else "all",
        "has_own": bool(request.user.cloud_identifiers),
        "may_put_right": can_bulk(request.user),
        **selectors.tabs(request.user, "compliance"),
    }
    return render(request, "policies/compliance.html", context)


@require_safe
def rule_list(request: SignedInRequest) -> HttpResponse:
    """The rules, for admins; 403 for others."""
    _require_right(request)
    rules = [(rule, requirement(rule)) for rule in Rule.objects.all()]
    context = {"rules": rules, **selectors.tabs(request.user, "rules")}
    return render(request, "policies/rules.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_rule(request: SignedInRequest) -> HttpResponse:
    """The form of a new rule.

    Returns:
        See ``rule``.
    """
    _require_right(request)
    return _form_page(request, Rule())


@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    """The form of a rule, and what it does by itself.

    Returns:
        200 with the form; 303 to the rule once it is written; 422 with the form when
        something is wrong; 403 for others than admins; 404 for an unknown rule.
    """
    _require_right(request)
    return _form_page(request, get_object_or_404(Rule, pk=rule_pk))


@require_POST
def delete(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    """Remove a rule, with its exceptions."""
    _require_right(request)
    found = get_object_or_404(Rule, pk=rule_pk)
    services.delete_rule(rule=found, actor=request.user)
    messages.success(
        request, gettext("Policy “%(found)s” removed.") % {"found": found.name}
    )
    answer = redirect("policies:rules")
    answer.status_code = 303
    return answer


def _form_page(request: SignedInRequest, found: Rule) -> HttpResponse:
    scopes = selectors.scope_choices(request.user)
    bound = request.POST if request.method == "POST" else None
    # Kept aside: a model form writes what was typed into its instance.
    heading = found.name or gettext("New policy")
    stored = Rule.objects.filter(pk=found.pk).first()
    form = RuleForm(bound, instance=found, scopes=scopes)
    if form.is_bound and form.is_valid():
        saved = services.save_rule(rule=form.built(), actor=request.user)
        messages.success(request, gettext("Policy saved."))
        return HttpResponseRedirect(saved.get_absolute_url(), status=303)
    context = {
        "form": form,
        "heading": heading,
        "rule": stored,
        "breaking": len(breaking(stored, timezone.now())) if stored else 0,
        "planned": stored.planned_stops.filter(ended_at=None).count() if stored else 0,
        **selectors.tabs(request.user, "rules"),
    }
    status = 422 if form.is_bound else 200
    return render(request, "policies/rule.html", context, status=status)


def _require_right(request: SignedInRequest) -> None:
    if not can_write_rules(request.user):
        raise PermissionDenied(gettext("Only admins can edit policies."))
