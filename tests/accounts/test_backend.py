"""The short way from a cookie to a person has the checks of the long one."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory
from django.utils import timezone

from dashboard.accounts.backend import Backend, SessionStore
from dashboard.accounts.models import User


@pytest.fixture
def session_key(client: Client, viewer: User) -> str:
    """Of somebody who is signed in."""
    client.force_login(viewer)
    key = client.session.session_key
    assert key
    return key


def whose(session_key: str) -> User | AnonymousUser:
    request: Any = RequestFactory().get("/")
    request.session = SessionStore(session_key)
    found = get_user(request)
    assert isinstance(found, User | AnonymousUser)
    return found


def test_one_look_for_the_session_and_one_for_the_person(
    session_key: str, viewer: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        assert whose(session_key) == viewer
    found = whose(session_key)
    # All of the row, so that nothing of it is read once more.
    with django_assert_num_queries(0):
        assert vars(found).keys() >= {"role", "password", "one_time_until", "email"}


def test_an_expired_session_is_nobody_s(session_key: str) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert whose(session_key).is_anonymous


@pytest.mark.parametrize(
    "key", ["", "short", "unknown-but-long-enough", "%s' OR 1=1 --"]
)
def test_an_unknown_key_is_nobody_s(session_key: str, key: str) -> None:
    assert whose(key).is_anonymous


def test_an_ended_session_is_nobody_s(session_key: str) -> None:
    Session.objects.all().delete()
    assert whose(session_key).is_anonymous


def test_a_session_of_another_password_is_nobody_s(
    session_key: str, viewer: User
) -> None:
    viewer.set_password("something else entirely")
    viewer.save()
    assert whose(session_key).is_anonymous


def test_who_was_deactivated_or_is_gone_is_nobody(
    session_key: str, viewer: User
) -> None:
    User.objects.update(is_active=False)
    assert whose(session_key).is_anonymous
    assert Backend().get_user(viewer.pk) is None
    assert Backend().get_user(viewer.pk + 1) is None
