"""Polls with news that are answered without Django's middleware."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
import redis
import time_machine
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import OperationalError, ProgrammingError
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.polls import NewsHandler
from dashboard.accounts.sessions import ACTIVE_AT, SIGNED_IN_AT
from dashboard.config import Config
from dashboard.instances import list_page
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import state, token
from tests.factories import make_instance

from .pages import rows_of
from .polls import Answer, ask, draw, poller

pytestmark = pytest.mark.usefixtures("_fresh_news")

Poll = Callable[..., Answer]


@pytest.fixture
def watcher(client: Client, operator: User, cloud_row: Cloud) -> Client:
    make_instance(name="here")
    client.force_login(operator)
    return client


@pytest.fixture
def poll(watcher: Client) -> Poll:
    """Ask as htmx would; ``was_quick`` if Django's middleware did not see it."""
    news = NewsHandler(["instances:changes"])
    return partial(ask, watcher, news=news)


@pytest.fixture
def drawn(watcher: Client) -> str:
    """Before a change of what it shows."""
    page = draw(watcher)
    changed = Instance.objects.filter(name="here")
    changed.update(description="other words")
    state.put_version(FleetVersion.stamp(changed))
    return page


def without_token(answer: Answer) -> str:
    text = answer.body.decode()
    return re.sub(r'data-now="\d+"', "", text.replace(poller(text)[1], ""))


def test_it_is_what_django_answers(watcher: Client, poll: Poll, drawn: str) -> None:
    quick = poll(drawn)
    assert (quick.status, quick.was_quick) == ("200 OK", True)
    assert "other words" in quick.body.decode()
    url, poll_token = poller(drawn)
    full = watcher.get(
        url, headers={"Curfew-Poll-Token": poll_token, "HX-Request": "true"}
    )
    assert without_token(quick) == without_token(Answer(body=full.content))
    # What middleware adds, apart from the number of notifications.
    assert {*full.headers} - {*quick.headers} == {
        *("HX-Trigger", "Expires", "Content-Length")
    }
    for name in ("Content-Security-Policy", "Permissions-Policy", "Content-Type"):
        assert quick.headers[name] == full.headers[name]
    assert "no-store" in quick.headers["Cache-Control"]


def test_it_is_compressed(poll: Poll, drawn: str) -> None:
    answer = poll(drawn, HTTP_ACCEPT_ENCODING="gzip")
    assert answer.was_quick
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_its_token_expires_with_that_of_the_poll(poll: Poll, drawn: str) -> None:
    before = int(poller(drawn)[1].split(".")[1])
    with time_machine.travel(time.time() + token.LIFE_SECONDS - 5, tick=False):
        page = poll(drawn).body.decode()
        assert int(poller(page)[1].split(".")[1]) == before
    with time_machine.travel(time.time() + token.LIFE_SECONDS + 1, tick=False):
        assert not poll(page).was_quick


def test_it_reads_session_person_version_and_display(
    poll: Poll, drawn: str, django_assert_num_queries: Any
) -> None:
    poll(drawn)
    with django_assert_num_queries(4):
        assert poll(drawn).was_quick


def test_the_language_and_the_time_zone_are_the_person_s(
    operator: User, poll: Poll, drawn: str
) -> None:
    before = poll(drawn)
    User.objects.update(language="de", time_zone="Asia/Tokyo")
    after = poll(drawn)
    assert after.was_quick
    assert "Bearbeiten" in after.body.decode() or before.body != after.body


def _is_idle(session: Any) -> None:
    session[ACTIVE_AT] = int(time.time()) - 10**6


def _is_old(session: Any) -> None:
    session[SIGNED_IN_AT] = 0


class TestLostRights:
    """They count at once, though no signal has named them."""

    @pytest.mark.parametrize(
        "fields",
        [
            {"is_active": False},
            {"one_time_until": timezone.now() + timedelta(hours=1)},
            {"password": make_password("another")},
        ],
    )
    def test_of_the_person(
        self, poll: Poll, drawn: str, fields: dict[str, object]
    ) -> None:
        assert poll(drawn).was_quick
        User.objects.update(**fields)
        answer = poll(drawn)
        assert not answer.was_quick
        assert not rows_of(answer.body.decode())

    def test_the_role(self, poll: Poll, drawn: str) -> None:
        before = poll(drawn)
        User.objects.update(role=User.Role.VIEWER)
        answer = poll(drawn)
        assert answer.was_quick
        assert "edit/" in before.body.decode()
        assert "edit/" not in answer.body.decode()

    def test_without_a_second_factor(
        self, poll: Poll, drawn: str, settings: Any
    ) -> None:
        roles = frozenset({"operator"})
        changed = {"second_factor_roles": roles}
        settings.CURFEW = settings.CURFEW.model_copy(update=changed)
        assert isinstance(settings.CURFEW, Config)
        answer = poll(drawn)
        assert not answer.was_quick
        assert not rows_of(answer.body.decode())

    @pytest.mark.parametrize("change", [_is_idle, _is_old])
    def test_of_the_session(
        self, watcher: Client, poll: Poll, drawn: str, change: Callable[[Any], None]
    ) -> None:
        session = watcher.session
        change(session)
        session.save()
        answer = poll(drawn)
        assert not answer.was_quick
        assert not rows_of(answer.body.decode())

    def test_the_session_itself(self, poll: Poll, drawn: str) -> None:
        # Without the signal that revokes the token.
        Session.objects.all()._raw_delete("default")
        answer = poll(drawn)
        assert not answer.was_quick
        assert not rows_of(answer.body.decode())


@pytest.mark.parametrize("reason", [OperationalError(), redis.ConnectionError()])
def test_django_says_what_is_unavailable(
    poll: Poll, drawn: str, monkeypatch: pytest.MonkeyPatch, reason: Exception
) -> None:
    monkeypatch.setattr(list_page, "shown_to", Mock(side_effect=reason))
    answer = poll(drawn)
    assert (answer.status[:3], answer.was_quick) == ("503", False)


@pytest.mark.parametrize("fault", [ProgrammingError(), TypeError()])
def test_a_fault_is_not_hidden_behind_django_s_answer(
    poll: Poll, drawn: str, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The gateway logs it with its traceback."""
    monkeypatch.setattr(list_page, "shown_to", Mock(side_effect=fault))
    with pytest.raises(type(fault)):
        poll(drawn)


def test_django_answers_other_polls(
    watcher: Client, poll: Poll, cloud_row: Cloud
) -> None:
    instance = Instance.objects.get(name="here")
    page = watcher.get(instance.get_absolute_url()).text
    state.put_version(FleetVersion.stamp(Instance.objects.filter(pk=instance.pk)))
    answer = poll(page)
    assert (answer.status, answer.was_quick) == ("200 OK", False)
