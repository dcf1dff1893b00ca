"""Questions whether runs are still needed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.policies.models import Question
from tests.policies.conftest import make_question, make_rule

from .conftest import Programs

ProblemCheck = Callable[..., Any]


@pytest.fixture
def question(instance: Instance) -> Question:
    rule = make_rule(kind="still_needed", max_seconds=3600, mode="report")
    return make_question(rule, instance)


def test_open_questions_are_listed(
    program: Programs, viewer: User, question: Question
) -> None:
    (item,) = program(viewer, "read").get("/questions")["items"]
    assert item["instance_id"] == question.instance.instance_id
    assert (item["state"], item["stops"], item["may_answer"]) == ("asked", False, False)
    Question.objects.update(deadline=timezone.now())
    assert program(viewer, "read").get("/questions")["items"] == []


@pytest.mark.parametrize("needed", [True, False])
def test_an_answer(
    program: Programs, operator: User, question: Question, needed: bool
) -> None:
    path = f"/questions/{question.pk}/answer"
    asks = program(operator, "read", "write")
    body = asks("post", path, {"needed": needed}).json()
    assert body["question"]["state"] == ("kept" if needed else "stopped")
    assert Edit.objects.filter(kind="stop").exists() is not needed
    assert (body["edit"] is None) is needed
    assert asks("post", path, {"needed": True}).status_code == 409
