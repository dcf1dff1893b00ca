"""Every permission, for every role."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from dashboard.accounts import permissions
from dashboard.accounts.models import User
from dashboard.accounts.permissions import Owner, has_permission

MINE, THEIRS, NOBODYS = Owner("1", "anna"), Owner("2", "tom"), Owner("", "")
QUESTIONS: dict[str, Callable[[Any], bool]] = {
    "see fleet": permissions.can_see_fleet,
    "edit mine": lambda user: permissions.can_edit(user, MINE),
    "edit theirs": lambda user: permissions.can_edit(user, THEIRS),
    "edit nobody's": lambda user: permissions.can_edit(user, NOBODYS),
    "own page": permissions.has_own_page,
    "people": permissions.can_manage_people,
    "bulk": permissions.can_bulk,
    "policies": permissions.can_write_rules,
    "exceptions": permissions.can_decide_exceptions,
    "hand over": permissions.can_hand_over,
    "remind of others": permissions.can_remind_of_others,
    "channels": permissions.can_manage_channels,
    "audit": lambda user: has_permission(user, "audit.view_auditevent"),
    "export of audit": lambda user: has_permission(user, "audit.export_auditevent"),
}
ANSWERS = {
    "viewer": {"see fleet"},
    "scientist": {"see fleet", "edit mine", "own page", "bulk"},
    "manager": {"see fleet", "audit", "export of audit"},
    "operator": {
        *("see fleet", "edit mine", "edit theirs", "edit nobody's", "bulk"),
        *("exceptions", "hand over", "remind of others", "audit"),
    },
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
def test_deactivated_people_may_do_nothing(role: str, question: str) -> None:
    assert QUESTIONS[question](person(role, is_active=False)) is False


@pytest.mark.parametrize("question", QUESTIONS)
def test_anonymous_people_may_do_nothing(question: str) -> None:
    assert QUESTIONS[question](AnonymousUser()) is False


def test_people_of_one_scope_may_edit_the_same() -> None:
    people = [
        person(role, is_active=is_active)
        for role in User.Role.values
        for is_active in (True, False)
    ]
    people.append(person("scientist"))
    people[-1].__dict__["cloud_identifiers"] = frozenset({"tom"})
    may_edit: dict[object, set[tuple[bool, ...]]] = {}
    for user in [*people, AnonymousUser()]:
        answers = (permissions.can_edit(user, owner) for owner in (MINE, THEIRS))
        may_edit.setdefault(permissions.edit_scope(user), set()).add(tuple(answers))
    assert sorted(map(list, may_edit.values())) == [
        [(False, False)],
        [(False, True)],
        [(True, False)],
        [(True, True)],
    ]
