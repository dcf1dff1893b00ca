"""Preview the enforcement of a policy, start it and pause it."""

from collections import Counter
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_write_rules
from dashboard.edits import display, enforcement
from dashboard.instances.durations import exact_text
from dashboard.instances.typed_number import asks_number, number_fault
from dashboard.policies import services
from dashboard.policies.effects import effect
from dashboard.policies.history import LOOKS_BACK
from dashboard.policies.models import Rule
from dashboard.policies.rules import requirement
from dashboard.policies.selectors import running_for, tabs

NAMED = 50
"""Instances that each table names; the others are counted."""


@require_http_methods(["GET", "HEAD", "POST"])
def acting(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    """Preview the enforcement of a policy (GET); start or pause it (POST).

    Form fields:
        ``acts``: ``on`` to start it.
        ``number``: see ``typed_number.number_fault``.
        ``shown``: how many instances the preview showed.

    Returns:
        200 with the preview; 303 to the policy when it is done; 422 with the preview
        for a wrong number; 403 for anyone but admins; 404 for an unknown policy.
    """
    if not can_write_rules(request.user):
        raise PermissionDenied(_("Only admins can edit policies."))
    rule = get_object_or_404(Rule, pk=rule_pk)
    if request.method != "POST":
        return _preview(request, rule)
    if request.POST.get("acts") == "on":
        return _let_act(request, rule)
    cancelled = services.pause_enforcement(rule=rule, actor=request.user)
    text = _("Automatic enforcement is paused.")
    if cancelled:
        text += " " + ngettext(
            "%(number)s pending change was cancelled.",
            "%(number)s pending changes were cancelled.",
            cancelled,
        ) % {"number": cancelled}
    messages.success(request, text)
    return _to(rule)


def _let_act(request: SignedInRequest, rule: Rule) -> HttpResponse:
    number = enforcement.prospect(rule).number
    shown = request.POST.get("shown", "")
    # There may be fewer instances than in the preview, but not more.
    if shown.isdecimal() and len(shown) < 9 and number <= int(shown):
        number = int(shown)
    if fault := number_fault(request.POST, number, request.user):
        return _preview(request, rule, fault=fault)
    try:
        services.turn_on_enforcement(rule=rule, actor=request.user)
    except services.PolicyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Automatic enforcement is on."))
    return _to(rule)


def _preview(request: SignedInRequest, rule: Rule, *, fault: str = "") -> HttpResponse:
    now = timezone.now()
    would, would_apply = enforcement.prospect(rule, now), effect(rule, now)
    past = would_apply.history
    reasons = Counter(skip.reason for skip in would.impossible)
    context: dict[str, Any] = {
        "rule": rule,
        "requirement": requirement(rule),
        "would": would,
        "effect": would_apply,
        "rule_asks": rule.kind == Rule.Kind.STILL_NEEDED,
        "number": would.number,
        "asks_number": asks_number(would.number, request.user),
        "settings": [
            (item.instance, display.patch_text(item.patch))
            for item in would.settings[:NAMED]
        ],
        "more_settings": max(0, len(would.settings) - NAMED),
        "stops": [
            {
                "instance": remedy.instance,
                "running_for": running_for(remedy.instance, now),
                "stop_at": max(remedy.stop_at, now + enforcement.notice()),
                "sentence": remedy.sentence,
            }
            for remedy in would.stops[:NAMED]
            if remedy.stop_at is not None
        ],
        "more_stops": max(0, len(would.stops) - NAMED),
        "impossible": reasons.most_common(),
        "history": past,
        "past": [(run, exact_text(_minutes(run.over))) for run in past.stopped[:NAMED]],
        "over": exact_text(_minutes(past.over)),
        "more_past": max(0, len(past.stopped) - NAMED),
        "days": LOOKS_BACK.days,
        "warnings": _warnings(),
        "fault": fault,
        **tabs(request.user, "rules"),
    }
    status = 422 if fault else 200
    return render(request, "edits/acting.html", context, status=status)


def _warnings() -> str:
    """Return the lead times of the warnings, such as ``60 and 15``."""
    *others, last = map(str, enforcement.lead_times())
    if not others:
        return last
    return _("%(others)s and %(last)s") % {
        "others": _(", ").join(others),
        "last": last,
    }


def _minutes(span: timedelta) -> int:
    return max(1, round(span / timedelta(minutes=1))) * 60


def _to(rule: Rule) -> HttpResponse:
    return HttpResponseRedirect(rule.get_absolute_url(), status=303)
