"""What a start, an extension or a stop costs or saves, where it is decided."""

import re
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from dashboard.edits import dispatch
from dashboard.instances.models import Instance
from tests.factories import make_cloud, make_instance, make_notebook, make_price

from .conftest import HTMX

NOW = datetime(2026, 11, 30, 11, 0, tzinfo=UTC)
BULK = "/bulk/"


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


def words(client: Client, kind: str, instance: Instance, **headers: Any) -> str:
    """The page's text without its tags."""
    args = [instance.cloud.name, instance.instance_id]
    page = client.get(reverse(f"edits:{kind}", args=args), **headers).text
    return plain(page)


def plain(page: str) -> str:
    text = re.sub(r"<[^>]*>", " ", page)
    return re.sub(r"\s+([,.])", r"\1", " ".join(text.split()))


def test_a_start_costs_the_hours_of_the_setting(as_operator: Client) -> None:
    make_price("2.10")
    stopped = make_instance(status="STOPPED", auto_stop_duration=8 * 3600)
    assert "about 16.80 EUR, 2.10 EUR an hour" in words(as_operator, "start", stopped)


def test_a_start_without_auto_stop_says_what_a_day_costs(as_operator: Client) -> None:
    make_price("2.10")
    stopped = make_instance(status="STOPPED", auto_stop_enable=False)
    page = words(as_operator, "start", stopped)
    assert "2.10 EUR an hour, 50.40 EUR a day" in page
    assert "about" not in page.partition("Cost")[2].partition("Billing")[0]


def test_a_start_of_a_notebook_costs_the_hours_of_the_form(as_operator: Client) -> None:
    make_price("2.10")
    cloud = make_cloud(allows_no_auto_stop=True)
    stopped = make_notebook(status="STOPPED", cloud=cloud)
    args = [cloud.name, stopped.instance_id]
    page = as_operator.get(reverse("edits:start", args=args)).text
    assert "Costs about 8.40 EUR, 2.10 EUR an hour" in plain(page)
    # What static/edit-form.js and countdown.js calculate with.
    assert 'data-price="2.100000" data-currency="EUR" data-cost-seconds="14400"' in page
    assert re.search(
        r"<p data-cost-without-end hidden>\s*Costs 2.10 EUR an hour, 50.40", page
    )
    # Typed hours that are no hours.
    refused = as_operator.post(
        reverse("edits:start", args=args), {"hours": "many"}
    ).text
    assert "<p data-cost hidden>" in refused


@pytest.mark.parametrize("kind", ["start", "stop", "extend"])
def test_without_a_price_it_says_so(as_operator: Client, kind: str) -> None:
    status = "STOPPED" if kind == "start" else "RUNNING"
    page = words(as_operator, kind, make_notebook(status=status))
    assert "No price" in page
    assert not re.search(r"\d [A-Z]{3}\b", page.replace("UTC", ""))


def test_an_extension_says_what_each_end_costs_more(as_operator: Client) -> None:
    make_price("2.10")
    notebook = make_notebook(stops_in=7200)
    page = words(as_operator, "extend", notebook)
    for label, more in (("+1 h", "2.10"), ("+2 h", "4.20"), ("+4 h", "8.40")):
        assert re.search(rf"{re.escape(label)} \S+ \S+ \S+ about {more} EUR more", page)
    # Six hours from now are four more than the run lasts.
    assert "until 18:00" in page
    popover = words(
        as_operator, "extend", notebook, headers=HTMX | {"HX-Target": "popover"}
    )
    assert "about 4.20 EUR more" in popover
    assert "2.10 EUR an hour" in popover


def test_an_extension_of_an_idle_run_costs_from_now(as_operator: Client) -> None:
    make_price("2.10")
    page = words(as_operator, "extend", make_notebook(idle_seconds=3600))
    assert re.search(r"in 2 h \S+ \S+ \S+ about 4.20 EUR more", page)


def test_a_stop_says_what_it_saves(as_operator: Client) -> None:
    make_price("2.10")  # 0.05 while stopped
    page = words(as_operator, "stop", make_instance(stops_in=7200))
    assert "Saves about 4.10 EUR until its auto-stop" in page
    without_end = make_instance(stops_in=None, auto_stop_enable=False)
    page = words(as_operator, "stop", without_end)
    assert "Saves 2.05 EUR an hour" in page
    assert "until its auto-stop" not in page


def preview(client: Client, action: dict[str, Any], *instances: Instance) -> str:
    pks = [instance.pk for instance in instances]
    draft = client.post(BULK, {"scope": "picked", "pick": pks})["Location"]
    assert client.post(draft, action).status_code == 303
    return plain(client.get(draft).text)


def test_a_bulk_start_sums_up_each_currency(as_operator: Client) -> None:
    make_price("2.00")
    make_price("7.00", flavor="cpu", currency="CNY")
    stopped = {"status": "STOPPED"}
    page = preview(
        as_operator,
        {"action": "start", "start_hours": "4"},
        make_instance(**stopped, auto_stop_duration=2 * 3600),
        make_notebook(**stopped),
        make_notebook(**stopped, flavor="cpu"),
        make_instance(**stopped, auto_stop_enable=False),
        make_instance(**stopped, flavor="new"),
        make_instance(),  # runs: no start, no cost
    )
    assert "Costs about 28.00 CNY until their auto-stops" in page
    assert "Costs about 12.00 EUR until their auto-stops" in page
    assert "Costs 2.00 EUR an hour: 1 run without a known end" in page
    assert "No price: 1 instance" in page


def test_a_bulk_extension_costs_what_is_added(as_operator: Client) -> None:
    make_price("2.00")
    runs = [make_notebook(stops_in=7200) for _ in range(3)]
    page = preview(as_operator, {"action": "extend", "extend_hours": "2"}, *runs)
    assert "Costs about 12.00 EUR more" in page


def test_a_bulk_stop_saves(as_operator: Client) -> None:
    make_price("2.05")
    page = preview(
        as_operator,
        {"action": "stop"},
        make_instance(stops_in=3600),
        make_notebook(stops_in=7200),
        make_notebook(idle_seconds=3600),
    )
    assert "Saves about 6.00 EUR until their auto-stops" in page
    assert "Saves 2.00 EUR an hour: 1 run without a known end" in page


def test_a_bulk_change_of_settings_costs_nothing_by_itself(as_operator: Client) -> None:
    make_price()
    assert "EUR" not in preview(as_operator, {"action": "off"}, make_instance())
