from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Router

from dashboard.api import bodies, policy_schemas, serializers
from dashboard.api.auth import READ, WRITE
from dashboard.api.http import TokenRequest
from dashboard.api.problems import ProblemError
from dashboard.edits.answers import answer
from dashboard.instances.models import Instance
from dashboard.policies.models import Question
from dashboard.policies.questions import QuestionClosedError
from dashboard.policies.selectors import questions_visible_to

router = Router(tags=["questions"])


@router.get("", auth=READ, response=policy_schemas.Questions)
def list_questions(request: TokenRequest) -> Any:
    """List the open questions whether runs are still needed, at most 500.

    The nearest deadline comes first.
    """
    asked = questions_visible_to(request.user)[:500]
    return {"items": [serializers.question(item, user=request.user) for item in asked]}


@router.post("/{int:question_id}/answer", auth=WRITE, response=policy_schemas.Answered)
def answer_question(
    request: TokenRequest, question_id: int, body: bodies.Answer
) -> Any:
    """Answer a question; a run that is not needed is stopped.

    409 when it has been answered or withdrawn, or its deadline has passed.
    """
    asked = get_object_or_404(
        Question.objects.select_related("rule", "instance__cloud"),
        pk=min(question_id, 2**63 - 1),
        instance__in=Instance.objects.visible_to(request.user),
    )
    try:
        edit = answer(question=asked, actor=request.user, is_needed=body.needed)
    except QuestionClosedError as error:
        raise ProblemError("conflict", str(error)) from None
    asked.refresh_from_db()
    return {
        "question": serializers.question(asked, user=request.user),
        "edit": serializers.edit(edit, user=request.user) if edit else None,
    }
