"""The pages of the price list, and one price at a time."""

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.costs import price_services
from dashboard.costs.models import Price
from dashboard.costs.price_forms import AmountField, PriceForm
from dashboard.costs.price_overview import overview, today
from dashboard.instances.models import FleetVersion
from tests.factories import make_cloud, make_instance

from .prices import CPU, DAY, GPU, make_price

LIST = reverse("costs:prices")
NEW = reverse("costs:new_price")


@pytest.fixture
def inside(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def typed(**fields: str) -> dict[str, str]:
    values = {"cloud": "*", "flavor": GPU, "running": "4.20", "stopped": "0.1"}
    values |= {"currency": "EUR", "valid_from": today().isoformat()}
    return values | fields


def test_an_admin_adds_a_price(inside: Client, admin: User) -> None:
    make_instance(flavor=GPU)
    version = FleetVersion.current()
    response = inside.post(NEW, typed(running="4,20", currency="eur"), follow=True)
    price = Price.objects.get()
    assert (price.running, price.stopped) == (Decimal("4.2"), Decimal("0.1"))
    assert (price.currency, price.source, price.created_by) == ("EUR", "form", admin)
    assert "Price added. 1 instance has such a flavor." in response.text
    assert "4.20\N{NO-BREAK SPACE}EUR" in response.text
    event = AuditEvent.objects.get(action="price.added")
    assert (event.actor_id, event.target_label) == (admin.pk, GPU)
    assert event.after["running"] == "4.20"
    assert FleetVersion.current() > version, "pages that show the price are redrawn"


def test_a_price_from_today_is_replaced_and_the_audit_trail_has_both(
    inside: Client,
) -> None:
    inside.post(NEW, typed())
    response = inside.post(NEW, typed(running="5"), follow=True)
    assert "Price replaced." in response.text
    assert Price.objects.get().running == 5
    event = AuditEvent.objects.get(action="price.replaced")
    assert (event.before["running"], event.after["running"]) == ("4.20", "5.00")
    response = inside.post(NEW, typed(running="5"), follow=True)
    assert "This price was set already." in response.text
    assert AuditEvent.objects.filter(action__startswith="price.").count() == 2


def test_a_price_from_a_past_day_is_never_replaced(inside: Client, admin: User) -> None:
    price = make_price()
    day = price.valid_from.isoformat()
    response = inside.post(NEW, typed(running="5", valid_from=day, past="on"))
    assert response.status_code == 422
    assert "Remove it first, or choose a later day." in response.text
    other = Price(
        **{"cloud": "*", "flavor": GPU, "currency": "EUR"},
        running=Decimal(5),
        valid_from=price.valid_from,
    )
    with pytest.raises(price_services.PriceError):
        price_services.set_prices(prices=[other], actor=admin)
    assert Price.objects.get().running == price.running


def test_a_price_that_changes_past_costs_is_confirmed_first(inside: Client) -> None:
    make_instance(flavor=GPU)
    make_price(flavor="modelarts.vm.*")
    past = typed(valid_from=(today() - DAY).isoformat())
    response = inside.post(NEW, past)
    assert response.status_code == 422
    assert "Reports of past days will show other costs." in response.text
    assert 'name="past"' in response.text
    assert inside.post(NEW, past | {"past": "on"}).status_code == 303
    assert Price.objects.count() == 2


def test_past_hours_without_a_price_get_one_without_a_question(inside: Client) -> None:
    make_instance(flavor=GPU)
    make_price(flavor=CPU)
    make_price(valid_from=today() + DAY)
    past = typed(valid_from=(today() - 60 * DAY).isoformat())
    assert inside.post(NEW, past).status_code == 303


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("running", "", "This field is required."),
        ("running", "-1", "is no price"),
        ("running", "4.1234567", "at most 6 decimal places"),
        ("running", "1,234", "Is this “1.234” or “1234”?"),
        ("running", "NaN", "is no price"),
        ("stopped", "free", "is no price"),
        ("currency", "euro", "three letters"),
        ("cloud", "nowhere", "no cloud “nowhere”"),
        ("flavor", "a\u200bb", "invisible characters"),
        ("valid_from", "tomorrow", "Enter a date such as"),
    ],
)
def test_a_price_with_a_mistake(
    inside: Client, field: str, value: str, words: str
) -> None:
    response = inside.post(NEW, typed(**{field: value}))
    assert response.status_code == 422
    assert words in response.text
    assert not Price.objects.exists()


def test_amounts_are_read_as_people_write_them() -> None:
    read = AmountField().clean
    assert read("4.20") == read(" 4,2 ") == Decimal("4.2")
    assert read("0,125") == Decimal("0.125")
    assert read("99999999.999999") == Decimal("99999999.999999")


def test_the_form_is_filled_with_the_present_price(inside: Client) -> None:
    make_cloud("demo")
    make_price(cloud="demo", stopped=Decimal("0.05"), running=Decimal("0.0045"))
    response = inside.get(NEW, {"cloud": "demo", "flavor": GPU})
    form: PriceForm = response.context["form"]
    assert form["running"].value() == "0.0045"
    assert form["stopped"].value() == "0.05"
    assert (form["cloud"].value(), form["currency"].value()) == ("demo", "EUR")
    assert form["valid_from"].value() == today()
    inside.get(NEW, {"cloud": "a\0b", "flavor": "\0" * 300})


def test_flavors_without_a_price_come_first(inside: Client) -> None:
    make_instance(flavor=GPU)
    make_instance(flavor=CPU)
    make_instance(flavor=CPU, status="STOPPED")
    make_price()
    context = inside.get(LIST).context
    (item,) = context["unpriced"]
    assert (item.flavor, item.instances, item.running) == (CPU, 2, 1)
    (pattern,) = context["page"]
    assert (pattern.flavor, pattern.instances) == (GPU, 1)


@pytest.mark.django_db
def test_a_pattern_has_a_present_price_coming_ones_and_a_history() -> None:
    day = date(2026, 6, 15)
    prices = [
        Price(flavor=GPU, running=number, valid_from=day + days * DAY)
        for number, days in enumerate((-60, -30, 0, 1, 30))
    ]
    first, second, third, fourth, fifth = prices
    (pattern,) = overview(prices, day).patterns
    assert pattern.current is third
    assert (pattern.coming, pattern.next) == ([fourth, fifth], fourth)
    assert pattern.past == [second, first]
    assert pattern.prices == [fifth, fourth, third, second, first]


def test_a_price_that_is_still_to_come_is_no_present_one(inside: Client) -> None:
    make_instance(flavor=GPU)
    make_price(valid_from=today() + DAY)
    response = inside.get(LIST)
    assert response.context["unpriced"], "today it has no price"
    assert "none yet" in response.text


def test_the_history_of_a_pattern(inside: Client) -> None:
    old = make_price(running=Decimal(2))
    new = make_price(running=Decimal(3), valid_from=today())
    make_price(flavor="modelarts.vm.*")
    assert "1 earlier price" in " ".join(inside.get(LIST).text.split())
    response = inside.get(old.get_absolute_url())
    assert response.context["pattern"].prices == [new, old]
    assert reverse("costs:remove_price", args=[old.pk]) in response.text
    assert inside.get(reverse("costs:price", args=[2**70])).status_code == 404


def test_a_wrong_price_is_removed_and_kept_in_the_audit_trail(inside: Client) -> None:
    price = make_price()
    remove = reverse("costs:remove_price", args=[price.pk])
    assert "change.</strong>" in inside.get(remove).text
    assert Price.objects.exists(), "a look removes nothing"
    assert inside.post(remove).status_code == 303
    assert not Price.objects.exists()
    event = AuditEvent.objects.get(action="price.removed")
    assert event.before["flavor"] == GPU
    assert event.before["valid_from"] == price.valid_from.isoformat()


def test_everyone_reads_prices_and_only_admins_write_them(
    client: Client, viewer: User, operator: User
) -> None:
    price = make_price()
    for user in (viewer, operator):
        client.force_login(user)
        page = client.get(LIST)
        assert GPU in page.text
        assert NEW not in page.text
        assert client.post(NEW, typed()).status_code == 403
        with pytest.raises(PermissionDenied):
            price_services.remove_price(price=price, actor=user)
        with pytest.raises(PermissionDenied):
            price_services.set_prices(prices=[price], actor=user)
        with pytest.raises(PermissionDenied):
            price_services.request_prices(cloud="demo", actor=user)


def test_the_export_has_all_prices_and_no_formulas(inside: Client, admin: User) -> None:
    make_price(running=Decimal("0.0045"), stopped=Decimal(0), created_by=admin)
    make_price(flavor="=cmd", cloud="*", valid_from=today() + DAY)
    response = inside.get(reverse("costs:prices_csv"))
    assert "attachment" in response.headers["Content-Disposition"]
    text = response.getvalue().decode("utf-8-sig")
    evil, plain = csv.DictReader(io.StringIO(text))
    assert evil["flavor"] == "'=cmd"
    assert (plain["running"], plain["stopped"]) == ("0.0045", "0.00")
    assert (plain["source"], plain["set_by"]) == ("form", "admin")
    assert inside.get(reverse("costs:prices_csv") + "?separator=x").status_code == 400


def test_the_number_of_queries_does_not_grow_with_the_list(
    inside: Client, django_assert_max_num_queries: Any
) -> None:
    Price.objects.bulk_create(
        Price(
            flavor=f"{GPU}.{number}",
            running=1,
            currency="EUR",
            valid_from=today() - number * DAY,
        )
        for number in range(150)
    )
    for _ in range(3):
        make_instance(flavor=f"{GPU}.1")
    with django_assert_max_num_queries(12):
        response = inside.get(LIST)
    assert len(response.context["page"]) == 100
