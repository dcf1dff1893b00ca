"""A forgotten password, where there is a mail server: a link by mail, good once."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import clear_url_caches, reverse

import dashboard.urls
from dashboard.accounts import sign_in_urls
from dashboard.accounts.models import User
from dashboard.api.services import make_token
from dashboard.mail import mailer
from dashboard.ops.ports import free_port

from .test_second_factor import AUTHENTICATE, LOGIN, is_inside
from .test_second_factor import secret as _set_up
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
    """With ``CURFEW_MAIL_URL`` there are addresses for it."""
    before = settings.CURFEW
    settings.CURFEW = before.model_copy(update={"mail_url": "smtps://mail.example"})
    _draw_urls()
    yield
    settings.CURFEW = before
    _draw_urls()


@pytest.fixture
def vera(viewer: User) -> User:
    """A viewer with an address."""
    viewer.email = "vera@example.org"
    viewer.save()
    return viewer


def ask(address: str) -> str:
    """Ask for a link; returns what the page says."""
    answer = Client().post(RESET, {"email": address}, follow=True)
    assert answer.status_code == 200
    _, _, said = answer.text.partition("<main")
    assert "Check your email" in said
    return said


def test_a_mail_server_that_is_away_tells_no_stranger_who_has_an_account(
    vera: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MAILERS = {"default": mailer(f"smtp://127.0.0.1:{free_port()}")}
    assert ask(vera.email) == ask("nobody@example.org")
    assert "refuses the connection" in caplog.text
    assert vera.email not in caplog.text


def link() -> str:
    """The path of the link in the one mail that was sent."""
    [sent] = mail.outbox
    found = re.search(r"https?://[^/]+(/\S+)", str(sent.body))
    assert found
    return found[1]


def choose(browser: Client, path: str, password: str) -> str:
    """Follow the link, and choose a password; returns the last page."""
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


def test_it_is_no_way_around_the_second_factor(vera: User, secret: str) -> None:
    browser = Client()
    ask("vera@example.org")
    assert "Password saved" in choose(browser, link(), OTHER)
    assert not is_inside(browser)
    answer = browser.post(LOGIN, {"login": "viewer", "password": OTHER})
    assert answer.headers["Location"] == AUTHENTICATE
    assert not is_inside(browser)


def test_it_ends_all_sessions_and_the_old_password(vera: User) -> None:
    before = sign_in("viewer")
    assert is_inside(before)
    ask("vera@example.org")
    choose(Client(), link(), OTHER)
    assert not is_inside(before)
    assert not is_inside(sign_in("viewer"))


def test_it_is_good_once(vera: User) -> None:
    ask("vera@example.org")
    path = link()
    choose(Client(), path, OTHER)
    assert "This link is not valid" in Client().get(path, follow=True).text


def test_it_takes_no_bad_password(vera: User) -> None:
    ask("vera@example.org")
    assert "too short" in choose(Client(), link(), "short")
    assert is_inside(sign_in("viewer"))


@pytest.mark.parametrize("address", ["nobody@example.org", "anna@example.org"])
def test_it_says_nothing_of_which_accounts_exist(vera: User, address: str) -> None:
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
    assert all(one.startswith("https://curfew.example.org/") for one in links)


def test_a_person_of_the_identity_provider_gets_no_link(vera: User) -> None:
    vera.set_unusable_password()
    vera.save()
    ask("vera@example.org")
    assert mail.outbox == []


@pytest.mark.parametrize(("ticked", "left"), [({"end_tokens": "on"}, 0), ({}, 1)])
def test_by_the_link_the_tokens_end_too_unless_the_tick_is_taken_out(
    vera: User, ticked: dict[str, str], left: int
) -> None:
    make_token(owner=vera, name="laptop", scopes=["read"], days=1)
    ask("vera@example.org")
    browser = Client()
    page = browser.get(link(), follow=True)
    assert 'name="end_tokens" id="id_end_tokens" checked' in page.text
    form = {"password1": OTHER, "password2": OTHER} | ticked
    browser.post(page.redirect_chain[-1][0], form)
    vera.refresh_from_db()
    assert vera.check_password(OTHER)
    assert vera.api_tokens.filter(revoked_at=None).count() == left
