"""Prices from the billing service of the emulated cloud."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery.exceptions import SoftTimeLimitExceeded
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.costs import price_services, proposals, tasks
from dashboard.costs.models import Price, PriceProposal
from dashboard.costs.price_overview import fleet_flavors, today
from dashboard.emulator import Emulator
from dashboard.emulator.ratings import HOURLY_PRICES
from dashboard.instances import upstream
from dashboard.instances.models import Cloud

from .prices import make_price

FETCH = reverse("costs:fetch_prices")
FLAVOR = "modelarts.vm.cpu.2u"
State = PriceProposal.State


@pytest.fixture
def inside(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each task where it is enqueued."""

    def run(args: tuple[Any, ...], **_: Any) -> None:
        tasks.fetch_prices.apply(args=args, throw=True)

    monkeypatch.setattr(tasks.fetch_prices, "apply_async", run)


@pytest.fixture
def ready(cloud: Emulator, admin: User) -> PriceProposal:
    """The prices of all flavors in the fleet."""
    return answered(admin)


def answered(admin: User) -> PriceProposal:
    proposal = price_services.request_prices(cloud="demo", actor=admin)
    tasks.fetch_prices.apply(args=(proposal.pk,), throw=True)
    proposal.refresh_from_db()
    return proposal


def confirmation(response: Any) -> dict[str, Any]:
    """Return what the form of the page sends."""
    text = response.text
    found = re.search(r'name="confirm" value="(\w+)"', text)
    assert found
    ticked = re.findall(r'name="flavor" value="([^"]+)" checked', text)
    day = re.search(r'name="valid_from" value="([^"]+)"', text)
    assert day
    return {"confirm": found[1], "flavor": ticked, "valid_from": day[1]}


@pytest.mark.usefixtures("_eager")
def test_prices_are_fetched_shown_and_set(
    inside: Client,
    cloud: Emulator,
    admin: User,
    django_capture_on_commit_callbacks: Any,
) -> None:
    kept = make_price(cloud="demo", flavor=FLAVOR, stopped=Decimal("0.2"))
    Price.objects.filter(pk=kept.pk).update(currency="CNY")
    with django_capture_on_commit_callbacks(execute=True):
        response = inside.post(FETCH, {"cloud": "demo"})
    assert response.status_code == 303
    page = response.headers["Location"]
    response = inside.get(page)
    assert "Nothing has been set yet." in response.text
    plan = response.context["plan"]
    kinds = {line.flavor: line.kind for line in plan.lines}
    assert kinds[FLAVOR] == "changed"
    flavors = {item.flavor for item in fleet_flavors("demo")}
    rated = flavors & HOURLY_PRICES.keys()
    assert {flavor for flavor, kind in kinds.items() if kind == "new"} == rated - {
        FLAVOR
    }
    assert Price.objects.count() == 1, "nothing is written before the confirmation"
    assert inside.post(page, confirmation(response)).status_code == 303
    prices = Price.objects.filter(valid_from=today())
    assert {price.flavor: price.running for price in prices} == {
        flavor: HOURLY_PRICES[flavor] for flavor in rated
    }
    assert {price.source for price in prices} == {"cloud"}
    assert {price.cloud for price in prices} == {"demo"}
    assert prices.get(flavor=FLAVOR).stopped == kept.stopped, "it stays as it was"
    assert AuditEvent.objects.filter(action="price.added").count() == len(rated)
    assert "These prices have been set." in inside.get(page).text
    assert all(
        line.kind in {"unchanged", "unrated"}
        for line in proposals.build_plan(answered(admin), today()).lines
    )


def test_the_page_polls_until_there_is_an_answer(
    inside: Client, cloud: Emulator, admin: User
) -> None:
    proposal = price_services.request_prices(cloud="demo", actor=admin)
    progress = reverse("costs:fetch_progress", args=[proposal.pk])
    page = inside.get(proposal.get_absolute_url())
    assert progress in page.text
    assert inside.get(progress).status_code == 204
    assert price_services.request_prices(cloud="demo", actor=admin) == proposal
    tasks.fetch_prices.apply(args=(proposal.pk,), throw=True)
    fragment = inside.get(progress)
    assert fragment.status_code == 200
    assert "Set these prices" in fragment.text
    assert progress not in fragment.text, "it polls no more"


def test_only_chosen_prices_are_set_from_the_chosen_day(
    inside: Client, ready: PriceProposal
) -> None:
    page = ready.get_absolute_url()
    sent = confirmation(inside.get(page)) | {"flavor": [FLAVOR]}
    day = today() + timedelta(days=3)
    assert inside.post(page, sent | {"flavor": []}).status_code == 422
    assert inside.post(page, sent | {"valid_from": "soon"}).status_code == 422
    assert inside.post(page, sent | {"valid_from": str(day)}).status_code == 303
    price = Price.objects.get()
    assert (price.flavor, price.valid_from) == (FLAVOR, day)
    # The second click finds it closed.
    assert inside.post(page, sent).status_code == 200
    assert Price.objects.count() == 1


def test_a_first_day_in_the_past_is_shown_before_it_counts(
    inside: Client, ready: PriceProposal
) -> None:
    page = ready.get_absolute_url()
    past = str(today() - timedelta(days=3))
    sent = confirmation(inside.get(page)) | {"valid_from": past}
    response = inside.post(page, sent)
    assert response.status_code == 409
    assert "reports of past days will show other costs" in response.text
    assert not Price.objects.exists()
    assert inside.post(page, confirmation(response)).status_code == 303
    assert {str(price.valid_from) for price in Price.objects.all()} == {past}


def test_other_prices_meanwhile_are_shown_before_they_are_replaced(
    inside: Client, ready: PriceProposal
) -> None:
    page = ready.get_absolute_url()
    sent = confirmation(inside.get(page))
    make_price(flavor="modelarts.*", running=Decimal(99))
    response = inside.post(page, sent)
    assert response.status_code == 409
    assert "99.00" in response.text
    assert Price.objects.count() == 1


def test_a_flavor_that_the_cloud_no_longer_names_keeps_its_price(
    cloud: Emulator, admin: User
) -> None:
    proposal = PriceProposal(cloud="demo", flavors=["gone", "never"], ratings={})
    make_price(flavor="gone", source="cloud")
    lines = proposals.build_plan(proposal, today()).lines
    assert [line.kind for line in lines] == ["unrated", "unrated"]
    assert [bool(line.old) for line in lines] == [True, False]


@pytest.mark.django_db
def test_a_stopped_price_in_another_currency_is_not_kept() -> None:
    make_price(flavor="a", stopped=Decimal("0.2"))
    proposal = PriceProposal(
        cloud="demo", flavors=["a"], ratings={"a": ["4.200000", "CNY"]}
    )
    (line,) = proposals.build_plan(proposal, today()).lines
    assert (line.kind, line.loses_stopped) == ("changed", True)
    assert line.new
    assert line.new.stopped is None


@pytest.mark.django_db
def test_a_price_from_a_past_day_is_no_choice() -> None:
    old = make_price(cloud="demo", flavor="a")
    later = make_price(cloud="demo", flavor="a", valid_from=today())
    proposal = PriceProposal(
        cloud="demo", flavors=["a"], ratings={"a": ["9.000000", "EUR"]}
    )
    (line,) = proposals.build_plan(proposal, old.valid_from).lines
    assert (line.kind, line.can_be_set, line.later) == ("changed", False, later)
    (line,) = proposals.build_plan(proposal, today()).lines
    assert line.can_be_set


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"read_prices": "refuse"}, "may not read prices"),
        (None, "no billing service that Curfew can ask"),
    ],
)
def test_a_cloud_that_gives_no_prices_says_why(
    inside: Client,
    cloud: Emulator,
    admin: User,
    tmp_path: Path,
    changes: dict[str, Any] | None,
    words: str,
) -> None:
    if changes:
        cloud.behavior.change(changes)
    else:
        # As on Open Telekom Cloud.
        path = tmp_path / "clouds.yaml"
        configured = yaml.safe_load(path.read_text())
        del configured["clouds"]["demo"]["bss_endpoint_override"]
        path.write_text(yaml.safe_dump(configured))
        upstream.forget_clients()
    proposal = answered(admin)
    assert proposal.state == State.FAILED
    response = inside.get(proposal.get_absolute_url())
    assert words in response.text
    assert "Fetch again" in response.text
    assert words in inside.get(FETCH).text


def test_a_cloud_that_takes_too_long(
    cloud: Emulator, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = price_services.request_prices(cloud="demo", actor=admin)

    def interrupted(cloud: str) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(upstream, "client_for", interrupted)
    tasks.fetch_prices.apply(args=(proposal.pk,), throw=True)
    proposal.refresh_from_db()
    assert "took too long" in str(proposal.problem)


def test_an_unexpected_error_is_told_without_its_details(
    cloud: Emulator, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = price_services.request_prices(cloud="demo", actor=admin)

    def broken(cloud: str) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr(upstream, "client_for", broken)
    tasks.fetch_prices.apply(args=(proposal.pk,), throw=True)
    proposal.refresh_from_db()
    assert proposal.state == State.FAILED
    assert "unexpected error" in str(proposal.problem)
    assert "hunter2" not in str(proposal.problem)


def test_a_task_that_comes_twice_or_too_late_changes_nothing(
    ready: PriceProposal, cloud: Emulator
) -> None:
    calls = len(cloud.log.entries(route="ratings"))
    tasks.fetch_prices.apply(args=(ready.pk,), throw=True)
    tasks.fetch_prices.apply(args=(ready.pk + 1000,), throw=True)
    proposals.give_up(ready.pk)
    ready.refresh_from_db()
    assert ready.state == State.READY
    assert len(cloud.log.entries(route="ratings")) == calls


def test_without_a_broker_the_page_says_after_a_while_that_nobody_asks(
    inside: Client,
    cloud: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.fetch_prices, "apply_async", away)
    with django_capture_on_commit_callbacks(execute=True):
        page = inside.post(FETCH, {"cloud": "demo"}).headers["Location"]
    assert "Asking the cloud." in inside.get(page).text
    long_ago = timezone.now() - PriceProposal.PATIENCE
    PriceProposal.objects.update(asked_at=long_ago)
    assert "Nobody has asked the cloud." in inside.get(page).text
    first = PriceProposal.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        inside.post(FETCH, {"cloud": "demo"})
    assert PriceProposal.objects.get() != first, "it can be asked again"


def test_an_unknown_cloud_and_one_without_instances(
    inside: Client, cloud: Emulator, admin: User
) -> None:
    assert inside.post(FETCH, {"cloud": "nowhere"}).status_code == 422
    Cloud.objects.create(name="empty")
    with pytest.raises(price_services.PriceError, match="no instances"):
        price_services.request_prices(cloud="empty", actor=admin)


def test_fetching_is_for_admins(
    client: Client, operator: User, ready: PriceProposal
) -> None:
    client.force_login(operator)
    progress = reverse("costs:fetch_progress", args=[ready.pk])
    for path in (FETCH, ready.get_absolute_url(), progress):
        assert client.get(path).status_code == 403
