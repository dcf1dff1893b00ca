"""Password resets by mail."""

import importlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.urls import clear_url_caches, reverse

import dashboard.urls
from dashboard.accounts import sign_in_urls
from dashboard.accounts.models import User
from dashboard.api.services import create_token
from dashboard.audit.models import AuditEvent
from dashboard.mail import mailer
from dashboard.ops.ports import free_port

from .test_second_factor import AUTHENTICATE, LOGIN, is_inside, secret as _set_up
from .test_two_factor import sign_in

RESET = "/accounts/password/reset/"
OTHER = "another long one of mine"

secret = _set_up

pytestmark = pytest.mark.usefixtures("_empty_cache", "mailing")


def _draw_urls() -> None:
    importlib.reload(sign_in_urls)
    importlib.reload(dashboard.urls)
    clear_url_caches()


@pytest.fixture
def mailing(settings: Any) -> Iterator[None]:
    """Add the URLs of resets, which exist only with ``CURFEW_MAIL_URL``."""
    before = settings.CURFEW
    settings.CURFEW = before.model_copy(update={"mail_url": "smtps://mail.example"})
    _draw_urls()
    yield
    settings.CURFEW = before
    _draw_urls()


@pytest.fixture
def vera(viewer: User) -> User:
    """A viewer with an email address."""
    viewer.email = "vera@example.org"
    viewer.save()
    return viewer


def ask(address: str) -> str:
    """Request a link; return the text of the page."""
    answer = Client().post(RESET, {"email": address}, follow=True)
    assert answer.status_code == 200
    _, _, content = answer.text.partition("<main")
    assert "Check your email" in content
    return content


def test_a_mail_server_that_is_away_tells_no_stranger_who_has_an_account(
    vera: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MAILERS = {"default": mailer(f"smtp://127.0.0.1:{free_port()}")}
    assert ask(vera.email) == ask("nobody@example.org")
    assert "refuses the connection" in caplog.text
    assert vera.email not in caplog.text


def link() -> str:
    """Return the path of the link in the only mail that was sent."""
    [sent] = mail.outbox
    match = re.search(r"https?://[^/]+(/\S+)", str(sent.body))
    assert match
    return match[1]


def choose(browser: Client, path: str, password: str) -> str:
    """Open the link and choose a password; return the last page."""
    form = browser.get(path, follow=True)
    where = form.request["PATH_INFO"]
    both = {"password1": password, "password2": password}
    return browser.post(where, both, follow=True).text


def test_the_mail_speaks_for_us(vera: User) -> None:
    ask("vera@example.org")
    [sent] = mail.outbox
    assert sent.subject == "Curfew: reset your password"
    assert sent.to == ["vera@example.org"]
    assert "your account viewer" in sent.body
    assert "testserver" not in sent.body.replace("http://testserver/", "")


def test_a_reset_does_not_bypass_2fa(vera: User, secret: str) -> None:
    browser = Client()
    ask("vera@example.org")
    assert "Password saved" in choose(browser, link(), OTHER)
    assert not is_inside(browser)
    answer = browser.post(LOGIN, {"login": "viewer", "password": OTHER})
    assert answer.headers["Location"] == AUTHENTICATE
    assert not is_inside(browser)


def test_a_reset_ends_all_sessions_and_the_old_password(vera: User) -> None:
    before = sign_in("viewer")
    assert is_inside(before)
    ask("vera@example.org")
    choose(Client(), link(), OTHER)
    assert not is_inside(before)
    assert not is_inside(sign_in("viewer"))


def test_a_link_works_once(vera: User) -> None:
    ask("vera@example.org")
    path = link()
    choose(Client(), path, OTHER)
    assert "This link is not valid" in Client().get(path, follow=True).text


def test_a_reset_rejects_bad_passwords(vera: User) -> None:
    ask("vera@example.org")
    assert "too short" in choose(Client(), link(), "short")
    assert is_inside(sign_in("viewer"))


@pytest.mark.parametrize("address", ["nobody@example.org", "anna@example.org"])
def test_a_reset_does_not_reveal_accounts(vera: User, address: str) -> None:
    User.objects.create(username="anna", email="anna@example.org", is_active=False)
    assert ask(address) == ask("vera@example.org")
    assert [sent.to for sent in mail.outbox] == [["vera@example.org"]]


def test_the_way_there(client: Client, db: None) -> None:
    assert f'href="{reverse("account_reset_password")}"' in client.get(LOGIN).text


@pytest.mark.parametrize("host", ["testserver:1337", "localhost"])
def test_the_link_leads_to_curfew_url_whoever_asks(
    vera: User, settings: Any, host: str
) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"url": "https://curfew.example.org"}
    )
    Client(headers={"Host": host}).post(RESET, {"email": "vera@example.org"})
    [sent] = mail.outbox
    links = re.findall(r"https?://\S+", str(sent.body))
    assert links
    assert all(link.startswith("https://curfew.example.org/") for link in links)


def test_a_person_of_the_identity_provider_gets_no_link(vera: User) -> None:
    vera.set_unusable_password()
    vera.save()
    ask("vera@example.org")
    assert mail.outbox == []


@pytest.mark.parametrize(("ticked", "left"), [({"end_tokens": "on"}, 0), ({}, 1)])
def test_a_reset_revokes_tokens_unless_unchecked(
    vera: User, ticked: dict[str, str], left: int
) -> None:
    create_token(owner=vera, name="laptop", scopes=["read"], days=1)
    ask("vera@example.org")
    browser = Client()
    page = browser.get(link(), follow=True)
    assert 'name="end_tokens" id="id_end_tokens" checked' in page.text
    form = {"password1": OTHER, "password2": OTHER} | ticked
    browser.post(page.redirect_chain[-1][0], form)
    vera.refresh_from_db()
    assert vera.check_password(OTHER)
    assert vera.api_tokens.filter(revoked_at=None).count() == left


def test_an_invited_person_chooses_a_password_once(client: Client, admin: User) -> None:
    client.force_login(admin)
    text = "username,email\nzoe,zoe@example.org\nlee,"
    preview = client.post("/people/import/", {"text": text, "invite": "on"}).text
    [seen] = re.findall(r'name="confirm" value="(\w+)"', preview)
    form = {"text": text, "invite": "on", "confirm": seen}
    assert client.post("/people/import/", form).status_code == 303
    [message] = mail.outbox
    assert message.to == ["zoe@example.org"], "lee has no address"
    zoe = User.objects.get(username="zoe")
    assert "not accepted yet" in client.get("/people/").text
    assert "zoe" in message.body
    link = urlsplit(re.findall(r"https?://\S+", message.body)[0]).path
    guest = Client()
    page = guest.get(link, follow=True)
    assert "Welcome to Curfew" in page.text
    chosen = {"password1": OTHER, "password2": OTHER}
    guest.post(page.request["PATH_INFO"], chosen)
    zoe.refresh_from_db()
    assert zoe.check_password(OTHER)
    assert zoe.invited_at is None
    assert "This link is not valid" in Client().get(link, follow=True).text
    assert client.post(f"/people/{zoe.pk}/invite/").status_code == 409
    actions = AuditEvent.objects.filter(target_id=str(zoe.pk)).values_list("action")
    assert {"user.invited", "user.password_changed"} <= {row[0] for row in actions}


def test_an_invitation_that_has_expired_is_mailed_again_on_request(
    client: Client, admin: User, vera: User
) -> None:
    vera.set_unusable_password()
    vera.save()
    client.force_login(admin)
    ask(vera.email)
    assert not mail.outbox, "the account is for single sign-on"
    assert client.post(f"/people/{vera.pk}/invite/").status_code == 303
    ask(vera.email)
    assert len(mail.outbox) == 2
