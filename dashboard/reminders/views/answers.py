"""The page of a link in a mail that asks whether a run is still needed.

Mail scanners follow links, so a GET only shows the page and a POST answers. The link is
for one person and one question; nobody has to sign in.
"""

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.edits.answers import answer as submit_answer
from dashboard.policies.models import Question
from dashboard.policies.questions import QuestionClosedError, closed_text
from dashboard.policies.selectors import running_for
from dashboard.reminders import links

GONE, FORBIDDEN, NOT_FOUND, BAD = 410, 403, 404, 400
BROKEN = _("This link is incomplete. Copy the whole link, or sign in to answer.")
NOT_ALLOWED = _("You don't have permission to change this instance any more.")


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, answer_token: str) -> HttpResponse:
    """Ask (GET), then answer the question (POST).

    Form fields:
        ``answer``: ``yes`` or ``stop``.

    Returns:
        200 with the page; 404 for a link that was not made here; 403 for a person who
        lost the permission; 410 when the question cannot be answered any more; 400
        for another answer.
    """
    response = _answer(request, answer_token)
    # The address must not reach other sites.
    response["Referrer-Policy"] = "no-referrer"
    return response


def _answer(request: HttpRequest, token: str) -> HttpResponse:
    try:
        link = links.read_answer(token)
    except links.LinkError:
        return _refusal(request, BROKEN, NOT_FOUND)
    person = User.objects.filter(pk=link.person_pk, is_active=True).first()
    questions = Question.objects.select_related(
        "rule", "instance__cloud", "answered_by"
    )
    question = questions.filter(pk=link.question_pk).first()
    if question is None:
        return _refusal(request, closed_text(None), GONE)
    if person is None or not can_edit(person, question.instance.owner):
        return _refusal(request, NOT_ALLOWED, FORBIDDEN)
    now = timezone.now()
    if not question.is_open(now):
        return _refusal(request, closed_text(question), GONE)
    context = {
        "question": question,
        "instance": question.instance,
        "running_for": running_for(question.instance, now),
        "chosen": link.answer,
        "person": person,
    }
    if request.method != "POST":
        return render(request, "reminders/answer.html", context)
    chosen = request.POST.get("answer")
    if chosen not in {"yes", "stop"}:
        return _refusal(request, gettext("Choose one of the two answers."), BAD)
    try:
        submit_answer(question=question, actor=person, is_needed=chosen == "yes")
    except QuestionClosedError as error:
        return _refusal(request, str(error), GONE)
    except PermissionDenied:
        return _refusal(request, NOT_ALLOWED, FORBIDDEN)
    context["done"] = chosen
    return render(request, "reminders/answer.html", context)


def _refusal(request: HttpRequest, reason: str | Promise, status: int) -> HttpResponse:
    context = {"refusal": reason}
    return render(request, "reminders/answer.html", context, status=status)
