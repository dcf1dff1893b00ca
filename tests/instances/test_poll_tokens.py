"""Poll tokens end with what they were issued for, and nobody can make one."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.livepoll import token

from .polls import Poll, draw, poller

pytestmark = pytest.mark.usefixtures("_fresh_news")


class TestLostPermissions:
    """The poll token is still there, and would be valid for most of a minute."""

    @pytest.fixture(autouse=True)
    def _committed_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def commit(callback: Callable[[], None], **_: object) -> None:
            callback()

        monkeypatch.setattr(transaction, "on_commit", commit)

    @pytest.fixture
    def drawn(self, watcher: Client) -> str:
        """With a poll token."""
        return draw(watcher)

    def test_a_sign_out_leads_away_though_the_cookie_is_kept(
        self, watcher: Client, poll: Poll, drawn: str
    ) -> None:
        kept = watcher.cookies.copy()
        assert poll(watcher, drawn).was_quick
        watcher.post(reverse("account_logout"))
        watcher.cookies = kept
        answer = poll(watcher, drawn)
        assert not answer.was_quick
        assert answer.headers["HX-Redirect"].startswith(reverse("account_login"))

    def test_a_session_that_someone_else_ended(
        self, watcher: Client, poll: Poll, drawn: str
    ) -> None:
        Session.objects.all().delete()
        assert "HX-Redirect" in poll(watcher, drawn).headers

    def test_a_deactivated_account(
        self, watcher: Client, viewer: User, poll: Poll, drawn: str
    ) -> None:
        viewer.is_active = False
        viewer.save(update_fields=["is_active"])
        assert "HX-Redirect" in poll(watcher, drawn).headers

    def test_a_role_that_changed(
        self, watcher: Client, viewer: User, poll: Poll, drawn: str
    ) -> None:
        viewer.role = User.Role.OPERATOR
        viewer.save()
        assert not poll(watcher, drawn).was_quick

    def test_other_modelarts_users(
        self, watcher: Client, viewer: User, poll: Poll, drawn: str
    ) -> None:
        viewer.cloud_users.create(identifier="anna.schmidt")
        assert not poll(watcher, drawn).was_quick

    def test_others_are_not_delayed(
        self, watcher: Client, poll: Poll, drawn: str, operator: User
    ) -> None:
        operator.role = User.Role.VIEWER
        operator.save()
        assert poll(watcher, drawn).was_quick

    def test_without_a_signal_the_token_soon_expires(
        self, watcher: Client, poll: Poll, drawn: str
    ) -> None:
        User.objects.update(is_active=False)
        assert poll(watcher, drawn).was_quick
        with time_machine.travel(time.time() + token.LIFE_SECONDS + 1, tick=False):
            assert "HX-Redirect" in poll(watcher, drawn).headers


def test_a_sign_in_slows_no_one_down(
    viewer: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        viewer.save(update_fields=["last_login"])
    assert not callbacks


def test_a_token_that_expired_is_renewed(watcher: Client, poll: Poll) -> None:
    page = draw(watcher)
    with time_machine.travel(time.time() + token.LIFE_SECONDS + 1, tick=False):
        answer = poll(watcher, page)
        assert not answer.was_quick
        renewed = answer.news["poll_token"]
        assert poll(watcher, page, HTTP_CURFEW_POLL_TOKEN=renewed).was_quick


class TestForgeries:
    """Nothing but the very poll that the token was made for."""

    def test_another_session(self, watcher: Client, operator: User, poll: Poll) -> None:
        page = draw(watcher)
        other = Client()
        other.force_login(operator)
        assert not poll(other, page).was_quick
        assert "HX-Redirect" in poll(Client(), page).headers

    def test_other_filters(self, watcher: Client, poll: Poll) -> None:
        page = draw(watcher, status="RUNNING")
        query = poller(page)[0].partition("?")[2]
        for other in (query + "&q=x", query.replace("RUNNING", "STOPPED"), ""):
            assert not poll(watcher, page, QUERY_STRING=other).was_quick

    def test_another_address_or_method(
        self, watcher: Client, poll: Poll, instance: Instance
    ) -> None:
        page = draw(watcher)
        other = f"{instance.get_absolute_url()}changes"
        assert not poll(watcher, page, PATH_INFO=other).was_quick
        assert not poll(watcher, page, REQUEST_METHOD="POST").was_quick

    @pytest.mark.parametrize("position", [0, 5, 20, -1])
    def test_a_changed_character(
        self, watcher: Client, poll: Poll, position: int
    ) -> None:
        page = draw(watcher)
        letters = list(poller(page)[1])
        letters[position] = "7" if letters[position] != "7" else "8"
        forged = "".join(letters)
        assert not poll(watcher, page, HTTP_CURFEW_POLL_TOKEN=forged).was_quick

    @pytest.mark.parametrize("text", [".", "....", "1.2.3.4.", "é", "x" * 9_000])
    def test_nonsense(self, watcher: Client, poll: Poll, text: str) -> None:
        page = draw(watcher)
        assert not poll(watcher, page, HTTP_CURFEW_POLL_TOKEN=text).was_quick
