"""The page that asks whether a run is still needed, for people who are signed in."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.edits.answers import answer
from dashboard.edits.return_path import return_path
from dashboard.instances.models import Instance
from dashboard.policies.models import Question
from dashboard.policies.questions import QuestionClosedError, closed_text
from dashboard.policies.rules import requirement
from dashboard.policies.selectors import running_for

from .common import NOT_YOURS

FORBIDDEN, GONE = 403, 410
ANSWERS = frozenset({"yes", "stop"})


@require_http_methods(["GET", "HEAD", "POST"])
def question(request: SignedInRequest, question_pk: int) -> HttpResponse:
    """Ask (GET), then answer (POST).

    Form fields:
        ``answer``: ``yes`` or ``stop``.
        ``back``: see ``return_path``.

    Returns:
        200 with the question; 303 to the instance, or to the stop; 403 without the
        permission; 404 for an unknown question; 410 when it is closed.
    """
    now = timezone.now()
    asked = get_object_or_404(
        Question.objects.select_related("rule", "instance__cloud", "answered_by"),
        pk=min(question_pk, 2**63 - 1),
        instance__in=Instance.objects.visible_to(request.user),
    )
    may_answer = can_edit(request.user, asked.instance.owner)
    context = {
        "question": asked,
        "instance": asked.instance,
        "running_for": running_for(asked.instance, now),
        "requirement": requirement(asked.rule),
        "closed": "" if asked.is_open(now) else closed_text(asked),
        "may_answer": may_answer,
    }
    if request.method != "POST":
        return render(request, "edits/question.html", context)
    if not may_answer:
        context["refusal"] = NOT_YOURS
        return render(request, "edits/question.html", context, status=FORBIDDEN)
    chosen = request.POST.get("answer")
    if chosen not in ANSWERS:
        return HttpResponseRedirect(request.path, status=303)
    try:
        edit = answer(question=asked, actor=request.user, is_needed=chosen == "yes")
    except QuestionClosedError as error:
        context["closed"] = str(error)
        return render(request, "edits/question.html", context, status=GONE)
    if edit is not None:
        return HttpResponseRedirect(edit.get_absolute_url(), status=303)
    messages.success(request, _("Thank you. The run goes on."))
    return HttpResponseRedirect(
        return_path(request, asked.instance.get_absolute_url()), status=303
    )
