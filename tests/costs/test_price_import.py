"""Prices from a CSV file."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.costs.models import Price
from dashboard.costs.price_import import build_plan
from dashboard.costs.price_overview import today
from dashboard.web.csv_files import UnreadableError
from tests.factories import make_cloud, make_instance

from .prices import CPU, DAY, GPU, make_price

IMPORT = reverse("costs:import_prices")
HEAD = "cloud,flavor,running,stopped,currency,valid_from\n"


@pytest.fixture
def inside(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def preview(client: Client, text: str) -> tuple[Any, dict[str, str]]:
    """Return the response and the fields that confirm what it shows."""
    response = client.post(IMPORT, {"text": text})
    found = re.search(r'name="confirm" value="(\w+)"', response.text)
    return response, {"text": text, "confirm": found[1] if found else ""}


def test_a_hundred_prices_are_two_steps_and_the_second_time_nothing(
    inside: Client, admin: User, django_assert_max_num_queries: Any
) -> None:
    make_cloud("demo")
    text = HEAD + "\n".join(
        f"demo,flavor.{number},{number}.5,0.1,EUR," for number in range(100)
    )
    with django_assert_max_num_queries(12):
        response, confirm = preview(inside, text)
    assert "100 prices are added" in response.text
    assert not Price.objects.exists(), "nothing is written before the confirmation"
    with django_assert_max_num_queries(25):
        assert inside.post(IMPORT, confirm).status_code == 303
    price = Price.objects.get(flavor="flavor.7")
    assert (price.running, price.source) == (Decimal("7.5"), "file")
    assert (price.created_by, price.valid_from) == (admin, today())
    assert AuditEvent.objects.filter(action="price.added").count() == 100
    response, confirm = preview(inside, text)
    assert "100 are unchanged" in response.text
    assert confirm["confirm"] == "", "there is nothing to import"


def test_every_bad_line_says_why_and_the_others_are_imported(inside: Client) -> None:
    make_cloud("demo")
    stored = make_price()
    text = (
        "\ufeffCloud;Flavor;Running;Stopped;Currency;Valid from\r\n"
        "demo;a.b;4,20;0,1;eur;31.12.2026\r\n"
        "nowhere;a;1;;EUR;\r\n"
        ";;1;;EUR;\r\n"
        ";b;1,234;;EUR;\r\n"
        ";c;x;y;EUR;\r\n"
        ";d;1;;euro;\r\n"
        ";e;1;;EUR;12/31/2026\r\n"
        "*;a2;1;;EUR;\r\n"
        ";a2;2;;EUR;\r\n"
        f";{GPU};9;;EUR;{stored.valid_from}\r\n"
        ";f;1;;EUR;;7\r\n"
    )
    plan = build_plan(text)
    problems = {line.number: line.problem for line in plan.lines if line.problem}
    for number, words in {
        3: "no cloud “nowhere”",
        4: "Flavor: This field is required.",
        5: "Is this “1.234” or “1234”?",
        6: "An hour while running: “x” is no price.",
        7: "three letters",
        8: "Enter a date",
        10: "Line 9 is for the same",
        11: "Remove it first",
        12: "more cells than the header",
    }.items():
        assert words in problems.pop(number), number
    assert not problems
    response, confirm = preview(inside, text)
    assert "9 lines are skipped" in response.text
    assert "a.b;4,20;0,1" in response.text, "the lines can be corrected"
    assert inside.post(IMPORT, confirm).status_code == 303
    assert Price.objects.get(flavor="a.b").running == Decimal("4.2")
    assert str(Price.objects.get(flavor="a.b").valid_from) == "2026-12-31"
    assert Price.objects.get(flavor=GPU).running == stored.running


def test_an_amount_with_a_comma_and_no_quotes_shifts_nothing(inside: Client) -> None:
    (line,) = build_plan(f"{HEAD}*,{GPU},4,20,,EUR,2026-12-01").lines
    assert line.kind == "skipped"
    (line,) = build_plan(f'{HEAD}*,{GPU},"4,20",,EUR,2026-12-01').lines
    assert line.price
    assert line.price.running == Decimal("4.2")


def test_a_price_from_today_is_replaced_and_one_from_the_past_is_pointed_out(
    inside: Client,
) -> None:
    make_instance(flavor=GPU)
    make_price(valid_from=today())
    past = today() - timedelta(days=9)
    text = f"{HEAD}*,{GPU},5,,EUR,{today()}\n*,{CPU},1,,EUR,{past}\n"
    plan = build_plan(text)
    assert [line.kind for line in plan.lines] == ["changed", "new"]
    assert [line.is_unused for line in plan.lines] == [False, True]
    response, confirm = preview(inside, text)
    assert "1 new price begins in the past" in response.text
    assert inside.post(IMPORT, confirm).status_code == 303
    assert Price.objects.get(flavor=GPU).running == 5
    assert AuditEvent.objects.get(action="price.replaced").after["source"] == "file"


def test_the_export_of_a_list_is_an_import_that_changes_nothing(
    inside: Client,
) -> None:
    make_cloud("demo")
    make_price(running=Decimal("0.000001"), stopped=Decimal("1234.5"))
    make_price(flavor="=cmd", cloud="demo", valid_from=today() + DAY)
    make_price(flavor="a,b*", currency="CNY")
    for separator in ("comma", "semicolon"):
        url = reverse("costs:prices_csv") + f"?separator={separator}"
        text = inside.get(url).getvalue().decode()
        plan = build_plan(text)
        assert [line.kind for line in plan.lines] == ["unchanged"] * 3


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        "flavor,running\nx,1",
        "flavor,running,currency,shoe\nx,1,EUR,y",
        "flavor,running,currency,currency\nx,1,EUR,EUR",
        'flavor,running,currency\nx,"1,EUR',
        pytest.param(HEAD + "*,f,1,,EUR,\n" * 1001, id="too many"),
    ],
)
def test_a_text_that_is_no_price_list(inside: Client, text: str) -> None:
    with pytest.raises(UnreadableError):
        build_plan(text)
    response = inside.post(IMPORT, {"text": text})
    assert response.status_code == 422
    last = escape(text.strip().splitlines()[-1])
    assert last in response.text, "nothing typed is lost"


def test_a_file_that_is_too_large_or_empty(inside: Client) -> None:
    large = SimpleUploadedFile("prices.csv", (HEAD + "x" * 60_000).encode())
    response = inside.post(IMPORT, {"file": large})
    assert response.status_code == 422
    assert "larger than 60 kB" in response.text
    # In the older encoding a letter is one byte.
    umlauts = SimpleUploadedFile("prices.csv", (HEAD + "ü" * 40_000).encode("cp1252"))
    assert inside.post(IMPORT, {"file": umlauts}).status_code == 422
    assert inside.post(IMPORT).status_code == 422
    file = SimpleUploadedFile("prices.csv", f"{HEAD}*,{GPU},1,,EUR,".encode())
    assert "1 price is added" in inside.post(IMPORT, {"file": file}).text


def test_another_preview_if_prices_have_changed_meanwhile(inside: Client) -> None:
    _, confirm = preview(inside, f"{HEAD}*,{GPU},5,,EUR,")
    make_price(valid_from=today())
    response = inside.post(IMPORT, confirm)
    assert response.status_code == 409
    assert "Check the preview again" in response.text
    assert Price.objects.get().running == Decimal("4.2")
