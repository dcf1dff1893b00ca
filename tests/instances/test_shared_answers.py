"""Those who see the same share the answer to a poll, and nobody else."""

import re
from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import token
from dashboard.web import process_cache
from tests.conftest import make_person
from tests.factories import make_instance

from .pages import poll_of, rows_of
from .polls import poller

PEOPLE = {
    "viewer": {"role": "viewer"},
    "operator": {"role": "operator"},
    "owner": {"role": "scientist"},
    "owner of nothing": {"role": "scientist"},
    "German": {"role": "operator", "language": "de"},
    "in Tokyo": {"role": "operator", "time_zone": "Asia/Tokyo"},
}


@pytest.fixture
def watchers(db: None, cloud_row: Cloud) -> dict[str, Client]:
    """One of each kind, who look at the same page before a row changes."""
    here = make_instance(name="here", owner_name="anna")
    make_instance(name="there", owner_name="berta")
    watchers = {}
    for name, fields in PEOPLE.items():
        person = make_person(**fields, username=name)
        if name == "owner":
            person.cloud_users.create(identifier="anna")
        watchers[name] = Client()
        watchers[name].force_login(person)
    FleetVersion.stamp(Instance.objects.filter(pk=here.pk))
    return watchers


@pytest.fixture(autouse=True)
def _one_moment() -> Iterator[None]:
    with time_machine.travel(timezone.now(), tick=False):
        yield


def answers(watchers: dict[str, Client], *, alone: bool) -> dict[str, str]:
    found = {}
    for name, client in watchers.items():
        if alone:
            process_cache.clear_all()
        found[name] = client.get("/instances/changes?since=1").text
    return found


def without_token(answer: str) -> str:
    return answer.replace(poller(answer)[1], "")


def test_each_gets_what_they_would_get_alone(watchers: dict[str, Client]) -> None:
    alone = answers(watchers, alone=True)
    assert all(rows_of(answer) for answer in alone.values())
    process_cache.clear_all()
    for _ in range(2):
        together = answers(watchers, alone=False)
        for name in watchers:
            assert without_token(together[name]) == without_token(alone[name]), name
    assert len({without_token(answer) for answer in alone.values()}) == len(watchers)


def test_each_has_a_poll_token_of_their_own(watchers: dict[str, Client]) -> None:
    for name, answer in answers(watchers, alone=False).items():
        url, text = poller(answer)
        path, _, query = url.partition("?")
        session_key = watchers[name].session.session_key or ""
        read = token.read(
            text, session_key=session_key, path=path.encode(), query=query
        )
        assert read
        assert read.user_pk == int(watchers[name].session["_auth_user_id"])


def test_a_lost_role_counts_at_once(watchers: dict[str, Client]) -> None:
    before = answers(watchers, alone=False)["operator"]
    # No signal tells of it.
    User.objects.filter(username="operator").update(role="viewer")
    after = answers(watchers, alone=False)
    assert without_token(after["operator"]) == without_token(after["viewer"]) != before


def test_the_time_is_that_of_each_answer(watchers: dict[str, Client]) -> None:
    client = watchers["viewer"]
    moments: list[int] = []
    for ahead in (0, 0.5):
        with time_machine.travel(timezone.now().timestamp() + ahead, tick=False):
            answer = client.get("/instances/changes?since=1").text
        moments += map(int, re.findall(r'data-now="(\d+)"', answer))
    assert moments[1] - moments[0] == 500
    assert poll_of(answer)
