"""The column of prices in the list, and the order by it."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.costs import current_prices
from dashboard.instances.display import OPTIONAL
from dashboard.instances.filters import ListQuery, page_by_price
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.web import process_cache
from tests.factories import make_cloud, make_instance, make_price

from .pages import one_line, rows_of
from .test_changes import LIST, change, draw, next_poll

UP, DOWN = "price_per_hour", "-price_per_hour"
QUERIES = 19
"""Of a list without prices, the size of the fleet included."""


def names(address: str) -> list[str]:
    query = ListQuery(QueryDict(address))
    assert not query.ignored
    found = query.apply(Instance.objects.all(), user=AnonymousUser())
    return [instance.name for instance in found]


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """A person who looks at the list with prices."""
    client.force_login(viewer)
    client.post(
        reverse("saved:set_display"), {"columns": [*OPTIONAL], "density": "comfortable"}
    )
    return client


@pytest.fixture
def priced(db: None) -> None:
    """Instances of three prices and one without, in a cloud with prices of its own."""
    make_price("2.10", flavor="gpu")
    make_price("0.40", flavor="cpu*")
    make_price("5.00", flavor="gpu", cloud="lab")
    lab = make_cloud("lab")
    for name, flavor, cloud in [
        ("gpu b", "gpu", None),
        ("gpu a", "gpu", None),
        ("small", "cpu.2", None),
        ("large", "cpu.8", lab),
        ("lab", "gpu", lab),
        ("unknown", "npu", None),
    ]:
        make_instance(name=name, flavor=flavor, cloud=cloud)


@pytest.mark.usefixtures("priced")
def test_unknown_prices_come_last_in_both_directions() -> None:
    assert names(f"sort={UP}") == [
        *("large", "small", "gpu a", "gpu b", "lab", "unknown")
    ]
    assert names(f"sort={DOWN}") == [
        *("lab", "gpu b", "gpu a", "small", "large", "unknown")
    ]
    assert names(f"sort={UP}&cloud=lab") == ["large", "lab"]


@pytest.mark.django_db
def test_currencies_are_not_compared() -> None:
    make_price("2.00", flavor="euros")
    make_price("1.00", flavor="yuan", currency="CNY")
    make_price("9.00", flavor="much yuan", currency="CNY")
    for name in ("euros", "yuan", "much yuan"):
        make_instance(name=name, flavor=name)
    assert names(f"sort={UP}") == ["yuan", "much yuan", "euros"]
    assert names(f"sort={DOWN}") == ["much yuan", "yuan", "euros"]


@pytest.mark.django_db
def test_without_any_price_names_decide() -> None:
    for name in ("b", "a"):
        make_instance(name=name)
    assert names(f"sort={UP}") == ["a", "b"]
    assert names(f"sort={DOWN}") == ["b", "a"]


@pytest.mark.parametrize("sort", [UP, DOWN])
@pytest.mark.parametrize("step", [1, 2, 4])
@pytest.mark.usefixtures("priced")
def test_a_page_is_cut_from_the_same_order(sort: str, step: int) -> None:
    for number in range(6):
        make_instance(
            name=f"more {number}", flavor=("npu", "npu.2", "cpu.2")[number % 3]
        )
    everything = Instance.objects.all()
    pages = [
        instance.name
        for first in range(0, 12, step)
        for instance in page_by_price(everything, sort, first, first + step)
    ]
    assert pages == names(f"sort={sort}")
    running = everything.filter(flavor__startswith="n")
    found = page_by_price(running, sort, 1, 3)
    expected = running.order_by("-name" if sort == DOWN else "name")[1:3]
    assert [*found] == [*expected]
    assert not page_by_price(everything.none(), sort, 0, 25)


@pytest.mark.usefixtures("priced")
def test_the_database_sorts_only_what_may_be_on_the_page() -> None:
    make_price("3.00", flavor="one")
    make_instance(flavor="one")
    page = page_by_price(Instance.objects.all(), UP, 4, 5)
    plan = page.values_list("pk", "version").explain()
    assert "INDEX instance_of_flavor (flavor=? AND cloud_id=?)" in plan
    # Only the rows of the page are sorted.
    assert plan.count("TEMP B-TREE") == 1
    assert [instance.flavor for instance in page] == ["one"]


@pytest.mark.usefixtures("priced")
def test_the_column_is_off_until_it_is_chosen(
    client: Client, viewer: User, watcher: Client
) -> None:
    page = one_line(watcher.get(LIST, {"sort": UP}).text)
    cells = re.findall(r'<td class="col-price"[^>]*> (.*?) </td>', page)
    assert [re.sub("<.*?>", "", cell) for cell in cells] == [
        *("0.40 EUR", "0.40 EUR", "2.10 EUR", "2.10 EUR", "5.00 EUR", "No price")
    ]
    assert 'class="col-price" aria-sort="ascending"' in page
    assert "sort=-price_per_hour" in page
    viewer.list_display.delete()
    assert "col-price" not in watcher.get(LIST, {"sort": UP}).text


@pytest.mark.usefixtures("priced")
def test_a_poll_brings_the_order_of_new_prices(watcher: Client) -> None:
    url = draw(watcher, sort=UP)
    first = Instance.objects.get(name="small")
    change(first, flavor="npu")
    text = watcher.get(url).text
    by_name = dict(Instance.objects.values_list("name", "pk"))
    order = ["large", "gpu a", "gpu b", "lab", "small", "unknown"]
    assert rows_of(text) == [str(by_name[name]) for name in order]
    # A price alone changes no row, so all rows are sent.
    url = next_poll(text)
    make_price("9.00", flavor="cpu*", cloud="lab")
    current_prices.forget()
    FleetVersion.stamp()
    text = watcher.get(url).text
    order = ["gpu a", "gpu b", "lab", "large", "small", "unknown"]
    assert rows_of(text) == [str(by_name[name]) for name in order]
    assert "9.00 EUR" in text


@pytest.mark.usefixtures("priced")
def test_rows_under_the_pointer_keep_their_order(watcher: Client) -> None:
    url = draw(watcher, sort=DOWN)
    by_name = dict(Instance.objects.values_list("name", "pk"))
    shown = [str(by_name[name]) for name in names(f"sort={DOWN}")]
    change(Instance.objects.get(name="lab"), flavor="cpu.2")
    pinned = {"Curfew-Pinned-Rows": ",".join(shown)}
    text = watcher.get(url, headers=pinned).text
    assert rows_of(text) == [str(by_name["lab"])]
    assert "0.40 EUR" in text
    assert "1 row moved: refresh order" in text


@pytest.mark.usefixtures("priced")
def test_a_cached_row_shows_a_new_price(watcher: Client) -> None:
    assert "2.10 EUR" in watcher.get(LIST).text
    make_price("2.70", flavor="gpu", cloud="demo")
    current_prices.forget()
    page = watcher.get(LIST).text
    assert "2.70 EUR" in page
    assert "2.10 EUR" not in page


@pytest.mark.parametrize("number", [3, 30])
def test_queries_do_not_grow(
    watcher: Client, number: int, django_assert_num_queries: Any
) -> None:
    for index in range(number):
        make_price(flavor=f"f{index}")
        make_instance(flavor=f"f{index}")
    url = draw(watcher, sort=UP, per_page=50)
    # A poll without news, as ever.
    with django_assert_num_queries(4):
        assert watcher.get(url).status_code == 204
    process_cache.clear_all()
    # Two more than with another order: the prices, and the flavors of the fleet.
    with django_assert_num_queries(QUERIES + 2):
        watcher.get(LIST, {"sort": UP, "per_page": 50})
    process_cache.clear_all()
    with django_assert_num_queries(QUERIES + 1):
        watcher.get(LIST, {"sort": "name", "per_page": 50})
