"""The setup link and the account that it creates."""

import stat
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
import time_machine
from django.conf import settings
from django.core import signing
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.setup import links, services

FORM = {
    "username": "grace",
    "password1": "seven wet umbrellas",
    "password2": "seven wet umbrellas",
    "language": "de",
}

pytestmark = pytest.mark.django_db


def new_path() -> str:
    return urlsplit(links.create_link()).path


def test_a_link_creates_the_first_admin_and_signs_in(client: Client) -> None:
    path = new_path()
    assert client.get(path).status_code == 200
    response = client.post(path, FORM)
    assert (response.status_code, response.headers["Location"]) == (
        303,
        reverse("setup:clouds"),
    )
    user = User.objects.get()
    assert (user.username, user.role, user.language) == ("grace", "admin", "de")
    assert user.check_password(FORM["password1"])
    assert client.session["_auth_user_id"] == str(user.pk)
    assert user.usersession_set.exists(), "listed among the sessions"
    added = AuditEvent.objects.get(action="user.added")
    assert (added.actor_id, str(added.reason)) == (None, "with the setup link")
    assert AuditEvent.objects.filter(action="user.signed_in").exists()


def test_a_used_link_is_over(client: Client) -> None:
    path = new_path()
    client.post(path, FORM)
    response = Client().get(path)
    assert response.status_code == 410
    assert "There is an admin already" in response.text
    assert Client().post(path, FORM | {"username": "eve"}).status_code == 410
    assert User.objects.count() == 1


def test_a_used_link_stays_over_when_the_admin_has_gone(client: Client) -> None:
    path = new_path()
    client.post(path, FORM)
    User.objects.update(is_active=False)
    assert Client().post(path, FORM | {"username": "eve"}).status_code == 410


def test_a_link_ends_with_any_admin(client: Client, admin: User) -> None:
    path = new_path()
    assert client.post(path, FORM).status_code == 410
    admin.role = User.Role.OPERATOR
    admin.save()
    assert client.get(path).status_code == 200


def test_a_link_expires(client: Client) -> None:
    path = new_path()
    with time_machine.travel(timezone.now() + links.LASTS - timedelta(seconds=5)):
        assert client.get(path).status_code == 200
    with time_machine.travel(timezone.now() + links.LASTS + timedelta(seconds=5)):
        response = client.post(path, FORM)
        assert response.status_code == 410
        assert "manage.py setup_link" in response.text
    assert not User.objects.exists()


def test_only_the_newest_link_works(client: Client) -> None:
    first, second = new_path(), new_path()
    assert client.get(first).status_code == 410
    assert client.get(second).status_code == 200


def test_a_forged_link_is_not_found(client: Client) -> None:
    path = new_path()
    token = path.split("/")[2]
    signed_elsewhere = signing.dumps("x", key="another key of this length", salt="s")
    current = (settings.CURFEW.data_dir / "setup_link").read_text()
    for forged in (
        "x",
        current,
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        signed_elsewhere,
        signing.dumps(current, salt="curfew.reminders.action"),
    ):
        assert client.get(f"/setup/{forged}/").status_code == 404
        assert client.post(f"/setup/{forged}/", FORM).status_code == 404
    assert client.get(path).status_code == 200


def test_a_signed_link_that_was_never_issued_is_over(client: Client) -> None:
    token = signing.dumps("", salt="curfew.setup")
    assert client.get(f"/setup/{token}/").status_code == 410


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"password2": "another one here"}, "The two passwords differ."),
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"username": "no spaces"}, "valid username"),
        ({"username": ""}, "required"),
        ({"language": "xx"}, "xx is not one"),
    ],
)
def test_a_wrong_form_keeps_the_link(
    client: Client, changes: dict[str, str], sentence: str
) -> None:
    path = new_path()
    response = client.post(path, FORM | changes)
    assert response.status_code == 422
    assert sentence in response.text
    assert FORM["password1"] not in response.text
    assert not User.objects.exists()
    assert client.post(path, FORM).status_code == 303


def test_a_username_that_is_taken_keeps_the_link(client: Client) -> None:
    User.objects.create_user(username="grace", role=User.Role.VIEWER)
    path = new_path()
    assert client.post(path, FORM).status_code == 422
    assert client.post(path, FORM | {"username": "hopper"}).status_code == 303


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_becomes_the_admin() -> None:
    token = new_path().split("/")[2]
    outcomes: list[str] = []

    def create(name: str) -> None:
        try:
            services.create_first_admin(
                token=token,
                username=name,
                password=FORM["password1"],
                language="en",
            )
            outcomes.append("created")
        except links.EndedLinkError:
            outcomes.append("ended")
        finally:
            connection.close()

    if connection.vendor == "sqlite":
        create("grace")
        create("eve")
    else:
        threads = [Thread(target=create, args=(name,)) for name in ("grace", "eve")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(outcomes) == ["created", "ended"]
    assert User.objects.count() == 1


def test_the_file_of_the_link_is_private_and_not_the_link(data_dir: Path) -> None:
    path = new_path()
    file = data_dir / "setup_link"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert path.split("/")[2] not in file.read_text()


def test_no_link_without_a_data_directory(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new_path()
    monkeypatch.setattr(settings.CURFEW, "data_dir", None)
    assert not links.is_needed()
    assert client.get(path).status_code == 404
    assert client.post(path, FORM).status_code == 404
    with pytest.raises(CommandError, match="adduser"):
        call_command("setup_link")


def test_one_address_may_not_try_links_without_end(client: Client) -> None:
    statuses = [client.get("/setup/x/").status_code for _ in range(25)]
    assert statuses[0] == 404
    assert statuses[-1] == 429


def test_the_command_prints_a_link(client: Client) -> None:
    text, note = StringIO(), StringIO()
    call_command("setup_link", stdout=text, stderr=note)
    assert client.get(urlsplit(text.getvalue().strip()).path).status_code == 200
    assert "30 minutes" in note.getvalue()
    client.post(urlsplit(text.getvalue().strip()).path, FORM)
    with pytest.raises(CommandError, match="There is an admin already"):
        call_command("setup_link")


def test_the_sign_in_page_tells_where_the_link_is(client: Client) -> None:
    hint = "Curfew is not set up yet."
    assert hint in client.get("/accounts/login/").text
    client.post(new_path(), FORM)
    assert hint not in Client().get("/accounts/login/").text
