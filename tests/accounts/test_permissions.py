"""Who may do what: every question, every role."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from dashboard.accounts import permissions
from dashboard.accounts.models import User
from dashboard.accounts.permissions import Owner

MINE, THEIRS, NOBODYS = Owner("1", "anna"), Owner("2", "tom"), Owner("", "")
QUESTIONS: dict[str, Callable[[Any], bool]] = {
    "see fleet": permissions.can_see_fleet,
    "edit mine": lambda user: permissions.can_edit(user, MINE),
    "edit theirs": lambda user: permissions.can_edit(user, THEIRS),
    "edit nobody's": lambda user: permissions.can_edit(user, NOBODYS),
    "own page": permissions.has_own_page,
    "people": permissions.can_manage_people,
}
ANSWERS = {
    "viewer": {"see fleet"},
    "scientist": {"see fleet", "edit mine", "own page"},
    "operator": {"see fleet", "edit mine", "edit theirs", "edit nobody's"},
    "admin": set(QUESTIONS) - {"own page"},
}


def person(role: str, *, is_active: bool = True) -> User:
    user = User(username=role, role=role, is_active=is_active)
    user.__dict__["cloud_identifiers"] = frozenset({"anna"})
    return user


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("role", User.Role.values)
def test_each_role(role: str, question: str) -> None:
    assert QUESTIONS[question](person(role)) is (question in ANSWERS[role])


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("role", User.Role.values)
def test_nobody_who_is_deactivated(role: str, question: str) -> None:
    assert QUESTIONS[question](person(role, is_active=False)) is False


@pytest.mark.parametrize("question", QUESTIONS)
def test_nobody_who_is_not_signed_in(question: str) -> None:
    assert QUESTIONS[question](AnonymousUser()) is False
