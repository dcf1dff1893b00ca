"""Answer the question whether a long run is still needed."""

from django.db import transaction

from dashboard.accounts.models import User
from dashboard.policies import questions
from dashboard.policies.models import Question

from . import services
from .models import Edit


@transaction.atomic
def answer(*, question: Question, actor: User, is_needed: bool) -> Edit | None:
    """Answer a question; a run that is not needed is stopped in the actor's name.

    Returns:
        The stop, queued; None if the run goes on.

    Raises:
        PermissionDenied: The actor may not act on the instance.
        QuestionClosedError: It cannot be answered any more.
    """
    questions.record_answer(question=question, actor=actor, is_needed=is_needed)
    if is_needed:
        return None
    return services.submit_power(
        instance=question.instance,
        actor=actor,
        kind=Edit.Kind.STOP,
        key=f"question:{question.pk}",
    )
