"""``manage.py adduser``, which creates the first admin."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def add(monkeypatch: pytest.MonkeyPatch, password: str, **options: Any) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\nignored\n"))
    output = io.StringIO()
    given = {"role": "admin", "password_stdin": True} | options
    call_command("adduser", "ada", stdout=output, **given)
    return output.getvalue()


def test_the_first_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    output = add(monkeypatch, PASSWORD, cloud_user=["anna.schmidt", "1234"])
    assert output == "ada can sign in now, as admin.\n"
    ada = User.objects.get()
    assert (ada.role, ada.is_active) == ("admin", True)
    assert ada.check_password(PASSWORD)
    assert ada.cloud_identifiers == {"anna.schmidt", "1234"}
    event = AuditEvent.objects.get(action="user.added")
    assert event.actor is None
    assert PASSWORD not in str((event.before, event.after, event.reason))


@pytest.mark.parametrize("password", ["s3same", "password1234", "ada-curfew-ada", ""])
def test_adduser_takes_no_bad_password(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    with pytest.raises(CommandError) as caught:
        add(monkeypatch, password)
    assert not User.objects.exists()
    assert not password or password not in str(caught.value)


def test_a_name_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, PASSWORD)
    with pytest.raises(CommandError, match="already exists"):
        add(monkeypatch, PASSWORD, role="viewer")
    assert User.objects.get().role == "admin"


def test_two_passwords_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter([PASSWORD, "another one entirely"])
    monkeypatch.setattr("getpass.getpass", lambda *_: next(typed))
    with pytest.raises(CommandError, match="differ"):
        call_command("adduser", "ada", role="admin")
    assert not User.objects.exists()
