"""Two workers, and a person, at the deadline; run on PostgreSQL as well."""

from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import dispatch
from dashboard.edits.answers import answer
from dashboard.edits.models import Edit
from dashboard.edits.questions import ask_owners
from dashboard.instances.models import Instance
from dashboard.policies.models import Question, Rule
from dashboard.policies.questions import QuestionClosedError
from tests.factories import make_notebook
from tests.handover.test_races import at_once, needs_real_locks
from tests.policies.conftest import make_rule

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())
    needs_real_locks()


@pytest.fixture
def long(_no_broker: None) -> Instance:
    """A notebook of anna that has run for ten hours."""
    since = timezone.now() - 10 * HOUR
    return make_notebook(
        owner_name="anna.schmidt", run_started_at=since, status_since=since
    )


@pytest.fixture
def rule(_no_broker: None) -> Rule:
    return make_rule(
        kind=Rule.Kind.STILL_NEEDED,
        max_seconds=3600,
        answer_seconds=1800,
        again_seconds=3600,
        acts=True,
    )


def overdue(rule: Rule, **fields: timedelta) -> Question:
    ask_owners(rule)
    now = timezone.now()
    deadline = now + fields.get("left", -HOUR)
    Question.objects.update(announced_at=now - HOUR, deadline=deadline)
    return Question.objects.get()


def test_two_workers_ask_once_and_stop_once(long: Instance, rule: Rule) -> None:
    at_once(lambda: ask_owners(rule), lambda: ask_owners(rule))
    assert Question.objects.count() == 1
    overdue(rule)
    at_once(lambda: ask_owners(rule), lambda: ask_owners(rule))
    assert Edit.objects.count() == 1
    assert Question.objects.get().state == Question.State.UNANSWERED


def test_of_two_answers_at_once_one_counts(
    long: Instance, rule: Rule, scientist: User, operator: User
) -> None:
    question = overdue(rule, left=HOUR)

    def answered(actor: User, *, is_needed: bool) -> object:
        try:
            return answer(question=question, actor=actor, is_needed=is_needed)
        except QuestionClosedError as error:
            return error

    results = at_once(
        lambda: answered(scientist, is_needed=True),
        lambda: answered(operator, is_needed=False),
    )
    assert sum(isinstance(each, QuestionClosedError) for each in results) == 1
    question.refresh_from_db()
    assert Edit.objects.count() == (question.state == Question.State.STOPPED)
