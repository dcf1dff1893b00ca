"""Passwords are hashed outside of transactions."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection

from dashboard.accounts import services
from dashboard.accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

in_transaction: list[bool] = []


class Watched(MD5PasswordHasher):
    """Records for each hash whether it ran in a transaction."""

    def encode(self, password: str, salt: str) -> str:
        in_transaction.append(connection.in_atomic_block)
        encoded: str = super().encode(password, salt)
        return encoded


@pytest.mark.parametrize(
    "write",
    [
        lambda ada: services.add_user(username="bo", role="viewer", password=PASSWORD),
        lambda ada: services.give_one_time_password(user=ada, actor=ada),
        lambda ada: services.choose_password(user=ada, password=PASSWORD),
    ],
    ids=["add_user", "give_one_time_password", "choose_password"],
)
def test_no_transaction_waits_for_a_hash(
    settings: Any, write: Callable[[User], Any]
) -> None:
    ada = services.add_user(username="ada", role="admin")
    settings.PASSWORD_HASHERS = [f"{__name__}.Watched"]
    in_transaction.clear()
    write(ada)
    assert in_transaction == [False]
