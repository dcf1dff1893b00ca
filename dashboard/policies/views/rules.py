"""Pages of rules, for admins, and of their violations."""

import secrets
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_bulk, can_write_rules, has_own_page
from dashboard.costs.display import money_texts
from dashboard.costs.estimates import price_now, run_so_far
from dashboard.instances.models import Instance
from dashboard.policies import effects, selectors, services
from dashboard.policies.forms import RuleForm
from dashboard.policies.history import LOOKS_BACK
from dashboard.policies.models import Rule
from dashboard.policies.remedies import remedies
from dashboard.policies.rules import requirement
from dashboard.web.shared_html import SharedHtml

LISTED = 25
"""Instances for each rule; a bulk change lists all."""

_RUNNING_FOR, _COST = secrets.token_hex(), secrets.token_hex()
"""Stand in a shared row for what changes with time."""

_rows = SharedHtml("policies/compliance.html#row", max_size=1_024)
_costs = SharedHtml("costs/_so_far.html", max_size=1_024)


@require_safe
def compliance(request: SignedInRequest) -> HttpResponse:
    """List the violations of all rules.

    Query parameters:
        all: ``pk`` of the rule whose instances are all listed.
        whose: ``mine`` or ``all``; by default, ``mine`` for scientists.
    """
    whose = request.GET.get("whose", "")
    own = whose == "mine" or (whose != "all" and has_own_page(request.user))
    now, tabs = timezone.now(), selectors.tabs(request.user, "compliance")
    rules = selectors.compliance(
        request.user,
        now,
        limit=LISTED,
        unlimited=request.GET.get("all", ""),
        own=own,
    )
    context = {
        "rules": [
            (result, _rows_html(result, now, may_decide=tabs["may_decide"]))
            for result in rules
        ],
        "total": sum(result.number for result in rules),
        "own": own,
        "whose": "mine" if own else "all",
        "has_own": bool(request.user.cloud_identifiers),
        "may_put_right": can_bulk(request.user),
        **tabs,
    }
    return render(request, "policies/compliance.html", context)


def _rows_html(
    result: selectors.RuleFindings, now: datetime, *, may_decide: bool
) -> SafeString:
    """Render the instances that violate a rule, each one once for each version."""
    html = "".join(
        _row_html(result.rule, finding, may_decide=may_decide)
        .replace(_RUNNING_FOR, escape(finding.running_for))
        .replace(_COST, _cost_html(finding.instance, now))
        for finding in result.findings
    )
    return mark_safe(html)  # noqa: S308  (output of a template)


def _row_html(rule: Rule, finding: selectors.Finding, *, may_decide: bool) -> str:
    instance = finding.instance
    key = (
        *(rule.pk, instance.pk, instance.version, instance.cloud.name),
        *(repr(finding.sentence), bool(finding.running_for), may_decide),
        *(finding.may_request, finding.is_requested),
    )
    context = {
        "rule": rule,
        "finding": finding,
        "running_for": _RUNNING_FOR,
        "cost": _COST,
        "may_decide": may_decide,
    }
    return _rows.render(key, context)


def _cost_html(instance: Instance, now: datetime) -> str:
    """Render what an hour costs, and what the run has cost."""
    price, so_far = price_now(instance), run_so_far(instance, now)
    key = (
        *(instance.is_running, price and (price.running, price.currency)),
        *money_texts(so_far),
    )
    return _costs.render(key, {"instance": instance})


@require_safe
def rule_list(request: SignedInRequest) -> HttpResponse:
    """List the rules by kind, each kind in its order."""
    _require_right(request)
    rules = list(Rule.objects.select_related("team"))
    groups = [
        (label, [(rule, requirement(rule)) for rule in rules if rule.kind == kind])
        for kind, label in Rule.Kind.choices
    ]
    groups = [(label, pairs) for label, pairs in groups if pairs]
    context = {"groups": groups, **selectors.tabs(request.user, "rules")}
    return render(request, "policies/rules.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_rule(request: SignedInRequest) -> HttpResponse:
    _require_right(request)
    return _form_page(request, Rule())


@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    """Show the form of a rule and its automatic enforcement, or save the rule.

    What is enforced, or asks people, is saved only after its effect was shown.

    Form fields:
        ``preview``: show the effect and save nothing.
        ``previewed``: the ``fingerprint`` of what was shown.

    Returns:
        200 with the form, and with the effect if the rule was previewed; 303 to the
        saved rule; 422 with the errors.
    """
    _require_right(request)
    return _form_page(request, get_object_or_404(Rule, pk=rule_pk))


@require_POST
def move(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    """Move a rule in the order of its kind.

    Form fields:
        ``to``: ``up`` or ``down``.
    """
    _require_right(request)
    rule = get_object_or_404(Rule, pk=rule_pk)
    is_up = request.POST.get("to") == "up"
    if services.move_rule(rule=rule, actor=request.user, is_up=is_up):
        text = (
            _("Policy “%(rule)s” moved up.")
            if is_up
            else _("Policy “%(rule)s” moved down.")
        )
        messages.success(request, text % {"rule": rule})
    return HttpResponseRedirect(
        f"{reverse('policies:rules')}#rule-{rule.pk}", status=303
    )


@require_POST
def delete(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    _require_right(request)
    rule = get_object_or_404(Rule, pk=rule_pk)
    services.delete_rule(rule=rule, actor=request.user)
    messages.success(request, _("Policy “%(rule)s” removed.") % {"rule": rule})
    return HttpResponseRedirect(reverse("policies:rules"), status=303)


def _form_page(request: SignedInRequest, rule: Rule) -> HttpResponse:
    scopes = selectors.scope_choices(request.user)
    data = request.POST if request.method == "POST" else None
    # The form writes the typed values into ``rule``.
    heading = rule.name or _("New policy")
    stored = Rule.objects.filter(pk=rule.pk).first()
    form = RuleForm(data, instance=rule, scopes=scopes)
    preview: dict[str, Any] = {}
    if form.is_bound and form.is_valid():
        built = form.build_rule()
        if "preview" not in request.POST and not _must_preview(request, built):
            saved = services.save_rule(rule=built, actor=request.user)
            messages.success(request, _("Policy saved."))
            return HttpResponseRedirect(saved.get_absolute_url(), status=303)
        preview = {
            "effect": effects.effect(built, timezone.now()),
            "previewed": effects.fingerprint(built),
            "rule_asks": built.kind == Rule.Kind.STILL_NEEDED,
            "is_required": "preview" not in request.POST,
            "days": LOOKS_BACK.days,
        }
    context = {
        "form": form,
        "heading": heading,
        "rule": stored,
        "violations": len(remedies(stored, timezone.now())) if stored else 0,
        "planned": stored.planned_stops.filter(ended_at=None).count() if stored else 0,
        **preview,
        **selectors.tabs(request.user, "rules"),
    }
    status = 422 if form.errors else 200
    return render(request, "policies/rule.html", context, status=status)


def _must_preview(request: SignedInRequest, rule: Rule) -> bool:
    """Whether the effect of a rule has to be shown before it is saved."""
    asks = rule.kind == Rule.Kind.STILL_NEEDED and rule.mode != Rule.Mode.OFF
    if rule.mode != Rule.Mode.ENFORCE and not asks:
        return False
    if services.changed_fields(rule) <= {"name", "reason"}:
        return False
    return request.POST.get("previewed") != effects.fingerprint(rule)


def _require_right(request: SignedInRequest) -> None:
    if not can_write_rules(request.user):
        raise PermissionDenied(_("Only admins can edit policies."))
