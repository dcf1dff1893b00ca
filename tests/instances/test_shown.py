"""All that a poll of the list sends is in the digest of the page.

Else ``livepoll`` would answer that nothing has changed.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import chain

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.costs import current_prices
from dashboard.costs.models import Price
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll.token import SharedPage
from dashboard.saved.models import ListDisplay
from dashboard.web.stored_messages import verbatim
from tests.factories import make_cloud, make_instance, make_notebook, make_price

from .pages import add_edit
from .polls import poller

Parts = dict[str, str]

CONSTANT = {"chips", "order", "poller"}
"""Parts of an answer that the URL, the pointer or the digest itself changes."""


def row(name: str, /, **fields: object) -> Callable[[], object]:
    def change() -> None:
        changed = Instance.objects.filter(instance_id=name)
        changed.update(**fields)
        FleetVersion.stamp(changed)

    return change


def clouds(**fields: object) -> Callable[[], object]:
    return lambda: Cloud.objects.update(**fields)


def open_edit() -> None:
    add_edit(Instance.objects.get(instance_id="here"), None)
    FleetVersion.stamp(Instance.objects.filter(instance_id="here"))


def edit_result() -> None:
    Edit.objects.update(state=Edit.State.FAILED, finished_at=timezone.now())
    FleetVersion.stamp(Instance.objects.filter(instance_id="here"))


def first_price() -> None:
    make_price("2.10", flavor=Instance.objects.get(instance_id="here").flavor)
    current_prices.forget()


def another_price() -> None:
    Price.objects.update(running="3.10")
    current_prices.forget()


AN_HOUR_AGO = timezone.now() - timedelta(hours=1)

CHANGES: dict[str, list[Callable[[], object]]] = {
    "a row": [
        row("here", description="other words"),
        row("here", status="STOPPED", stops_at=None),
        row("here", owner_name="berta"),
    ],
    "an edit": [open_edit, edit_result],
    "which rows, and their number": [
        lambda: make_instance(name="a third"),
        lambda: Instance.objects.filter(name="a third").delete(),
    ],
    "the order": [row("elsewhere", name="a first"), row("here", name="zzz")],
    "the counters": [
        row("elsewhere", stops_at=timezone.now() + timedelta(minutes=9)),
        row("elsewhere", stops_at=None),
        row("elsewhere", status="STOPPED", stops_at=None),
    ],
    "the columns": [lambda: make_cloud("second"), lambda: make_notebook(name="new")],
    "prices": [first_price, another_price],
    "a cloud": [
        clouds(problem=verbatim("It does not answer.")),
        clouds(problem=verbatim("It does not answer still.")),
        clouds(problem=verbatim("")),
        clouds(held_since=AN_HOUR_AGO, hold_reason=verbatim("It refuses.")),
        clouds(held_since=None),
        clouds(incomplete=Cloud.Incomplete.WRONG_COUNT, listed=6, counted=7),
        clouds(incomplete=Cloud.Incomplete.PARTLY_READ),
        clouds(incomplete=""),
        clouds(notebooks_scope=Cloud.Scope.OWN),
        lambda: make_cloud("third", refreshed_at=None),
        clouds(unconfigured_since=AN_HOUR_AGO),
        clouds(unconfigured_since=None, refreshed_at=AN_HOUR_AGO),
    ],
}


@pytest.fixture
def watcher(client: Client, operator: User, cloud_row: Cloud) -> Client:
    client.force_login(operator)
    return client


def answer(client: Client, **query: str) -> tuple[Parts, SharedPage]:
    """Return the parts of a poll that sends all of them, and the page's digest."""
    page = client.get(
        reverse("instances:changes"), {"since": "0", "sort": "name", **query}
    ).text
    poll_token = poller(page)[1]
    *_, key, digest, _ = poll_token.split(".")
    page = re.sub(r'since=\d+|data-now="\d+"', "", page.replace(poll_token, ""))
    found = re.split(r"(?=<\w+\s[^>]*hx-swap-oob=|<div id=\"poller\")", page)
    parts = {re.findall(r'\bid="([^"]+)"', part)[0]: part for part in found[1:]}
    return parts, SharedPage(key, digest)


def differing(before: Parts, after: Parts) -> set[str]:
    return {
        name
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }


@pytest.mark.parametrize(
    ("query", "group"), [({}, ""), ({}, "owner"), ({"autostop": "off"}, "")]
)
def test_whatever_looks_different_has_another_digest(
    watcher: Client, operator: User, query: dict[str, str], group: str
) -> None:
    ListDisplay.objects.create(user=operator, hidden=[], group=group)
    make_instance(instance_id="here", name="m", owner_name="anna")
    make_instance(instance_id="elsewhere", name="n", owner_name="berta")
    FleetVersion.stamp()
    touched: set[str] = set()
    # Each poll sends the age of the mirror.
    with time_machine.travel(timezone.now(), tick=False):
        before, page = answer(watcher, **query)
        for number, change in enumerate(chain.from_iterable(CHANGES.values())):
            change()
            FleetVersion.stamp()
            after, new = answer(watcher, **query)
            changed = differing(before, after) - {"poller"}
            assert new.key == page.key
            assert changed or query, f"change {number} shows nowhere"
            assert new.digest != page.digest or not changed, changed
            touched |= changed
            before, page = after, new
    assert query or touched | CONSTANT == {*before}
