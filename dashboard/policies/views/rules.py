"""Pages of rules and their violations."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
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
"""Instances listed for each rule; a bulk change lists all."""


@require_safe
def compliance(request: SignedInRequest) -> HttpResponse:
    """The violations of all rules.

    Query parameters:
        all: ``pk`` of the rule whose instances are all listed.
        whose: ``mine`` or ``all``; by default, ``mine`` for scientists.
    """
    whose = request.GET.get("whose", "")
    own = whose == "mine" or (whose != "all" and has_own_page(request.user))
    rules = selectors.compliance(
        request.user,
        timezone.now(),
        most=SHOWN,
        whole=request.GET.get("all", ""),
        own=own,
    )
    context = {
        "rules": [
            {
                "rule": findings.rule,
                "requirement": requirement(findings.rule),
                "number": findings.number,
                "settings": findings.settings,
                "runs": findings.runs,
                "findings": findings.findings,
                "excepted": findings.excepted,
            }
            for findings in rules
        ],
        "total": sum(findings.number for findings in rules),
        "own": own,
        "whose": "mine" if own else "all",
        "has_own": bool(request.user.cloud_identifiers),
        "may_put_right": can_bulk(request.user),
        **selectors.tabs(request.user, "compliance"),
    }
    return render(request, "policies/compliance.html", context)


@require_safe
def rule_list(request: SignedInRequest) -> HttpResponse:
    """All rules; 403 except for admins."""
    _require_right(request)
    rules = [(rule, requirement(rule)) for rule in Rule.objects.all()]
    context = {"rules": rules, **selectors.tabs(request.user, "rules")}
    return render(request, "policies/rules.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_rule(request: SignedInRequest) -> HttpResponse:
    """The form of a new rule; see ``rule``."""
    _require_right(request)
    return _form_page(request, Rule())


@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    """The form of a rule, and its automatic enforcement.

    Returns:
        200 with the form; 303 to the saved rule; 422 with the form and its errors; 403
        except for admins; 404 for an unknown rule.
    """
    _require_right(request)
    return _form_page(request, get_object_or_404(Rule, pk=rule_pk))


@require_POST
def delete(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    """Delete a rule and its exceptions: 303 to the rules."""
    _require_right(request)
    rule = get_object_or_404(Rule, pk=rule_pk)
    services.delete_rule(rule=rule, actor=request.user)
    messages.success(request, gettext("Policy “%(rule)s” removed.") % {"rule": rule})
    return HttpResponseRedirect(reverse("policies:rules"), status=303)


def _form_page(request: SignedInRequest, rule: Rule) -> HttpResponse:
    scopes = selectors.scope_choices(request.user)
    bound = request.POST if request.method == "POST" else None
    # A model form writes the typed values into its instance.
    heading = rule.name or gettext("New policy")
    stored = Rule.objects.filter(pk=rule.pk).first()
    form = RuleForm(bound, instance=rule, scopes=scopes)
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
