"""What a rule would do and would have done; letting it act, and pausing it."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_write_rules
from dashboard.edits import display, enforcement
from dashboard.edits.batch_forms import MANY, number_fault
from dashboard.instances.countdown import exact_text
from dashboard.policies import services
from dashboard.policies.history import LOOKS_BACK, history
from dashboard.policies.models import Rule
from dashboard.policies.rules import requirement
from dashboard.policies.selectors import running_for, tabs
from dashboard.web.stored_messages import Message

NAMED = 50
"""Instances named in each table; the rest is counted."""


@require_http_methods(["GET", "HEAD", "POST"])
def acting(request: SignedInRequest, rule_pk: int) -> HttpResponse:
    """Preview what a rule would do (GET); let it act, or pause it (POST).

    Form fields:
        ``acts``: ``on`` to let it act.
        ``number``: On how many instances it would act, typed, if those are many.
        ``shown``: How many the preview showed.

    Returns:
        200 with the preview; 303 to the rule when it is done; 422 with the preview when
        the number is not that one; 403 for others than admins; 404 for an unknown rule.
    """
    if not can_write_rules(request.user):
        raise PermissionDenied(gettext("Only admins can edit policies."))
    rule = get_object_or_404(Rule, pk=rule_pk)
    if request.method != "POST":
        return _preview(request, rule)
    if request.POST.get("acts") == "on":
        return _let_act(request, rule)
    cancelled = services.pause(rule=rule, actor=request.user)
    said = gettext("Automatic enforcement is paused.")
    if cancelled:
        said += " " + ngettext(
            "%(number)s pending change was cancelled.",
            "%(number)s pending changes were cancelled.",
            cancelled,
        ) % {"number": cancelled}
    messages.success(request, said)
    return _to(rule)


def _let_act(request: SignedInRequest, rule: Rule) -> HttpResponse:
    number = enforcement.prospect(rule).number
    shown = request.POST.get("shown", "")
    # It may have become fewer since the preview, but not more.
    if shown.isdecimal() and len(shown) < 9 and number <= int(shown):
        number = int(shown)
    if fault := number_fault(request.POST, number):
        return _preview(request, rule, fault=fault)
    try:
        services.let_act(rule=rule, actor=request.user)
    except services.PolicyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("Automatic enforcement is on."))
    return _to(rule)


def _preview(request: SignedInRequest, rule: Rule, *, fault: str = "") -> HttpResponse:
    now = timezone.now()
    would, past = enforcement.prospect(rule, now), history(rule, now)
    reasons: dict[Message, int] = {}
    for skip in would.impossible:
        reasons[skip.reason] = reasons.get(skip.reason, 0) + 1
    context: dict[str, Any] = {
        "rule": rule,
        "requirement": requirement(rule),
        "would": would,
        "number": would.number,
        "asks_number": would.number > MANY,
        "settings": [
            (item.instance, display.patch_text(item.patch))
            for item in would.settings[:NAMED]
        ],
        "more_settings": max(0, len(would.settings) - NAMED),
        "stops": [
            {
                "instance": one.instance,
                "running_for": running_for(one.instance, now),
                "stop_at": max(one.stop_at, now + enforcement.notice()),
                "sentence": one.sentence,
            }
            for one in would.stops[:NAMED]
            if one.stop_at is not None
        ],
        "more_stops": max(0, len(would.stops) - NAMED),
        "impossible": sorted(reasons.items(), key=lambda one: -one[1]),
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
    """The lead times of the warnings, as in ``60 and 15``."""
    *others, last = map(str, enforcement.lead_times())
    if not others:
        return last
    return gettext("%(others)s and %(last)s") % {
        "others": ", ".join(others),
        "last": last,
    }


def _minutes(span: timedelta) -> int:
    return max(1, round(span / timedelta(minutes=1))) * 60


def _to(rule: Rule) -> HttpResponse:
    return HttpResponseRedirect(rule.get_absolute_url(), status=303)
