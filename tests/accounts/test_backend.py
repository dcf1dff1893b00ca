"""The faster lookup of sessions and users has Django's checks."""

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
    """Return the session key of a signed-in viewer."""
    client.force_login(viewer)
    key = client.session.session_key
    assert key
    return key


def whose(session_key: str) -> User | AnonymousUser:
    request: Any = RequestFactory().get("/")
    request.session = SessionStore(session_key)
    user = get_user(request)
    assert isinstance(user, User | AnonymousUser)
    return user


def test_a_request_reads_session_and_user_once(
    session_key: str, viewer: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        assert whose(session_key) == viewer
    user = whose(session_key)
    # All fields of the row have been read.
    with django_assert_num_queries(0):
        assert vars(user).keys() >= {"role", "password", "one_time_until", "email"}


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


def test_deactivated_and_deleted_users_are_anonymous(
    session_key: str, viewer: User
) -> None:
    User.objects.update(is_active=False)
    assert whose(session_key).is_anonymous
    assert Backend().get_user(viewer.pk) is None
    assert Backend().get_user(viewer.pk + 1) is None
