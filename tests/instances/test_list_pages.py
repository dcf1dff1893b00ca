"""The pages of the list: their rows, their order, the pager."""

import re
from typing import Any

import pytest
from django.core.paginator import Paginator
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import translation

from dashboard.accounts.models import User
from dashboard.instances import listing
from dashboard.instances.display import GROUP_VALUES
from dashboard.instances.filters import ListForm, ListQuery
from dashboard.instances.models import Cloud, Instance
from dashboard.web.templatetags.pages import grouped
from tests.factories import make_instance

from .pages import rows_of

URL = reverse("instances:list")


def test_pages_do_not_overlap(client: Client, viewer: User, cloud_row: Cloud) -> None:
    for _ in range(60):
        make_instance(name="same", stops_in=None, status="STOPPED")
    client.force_login(viewer)
    pages = [rows_of(client.get(URL, {"page": page}).text) for page in (1, 2, 3)]
    assert [len(rows) for rows in pages] == [25, 25, 10]
    assert len({pk for rows in pages for pk in rows}) == 60
    # Past the end is the end.
    assert rows_of(client.get(URL, {"page": 99}).text) == pages[2]


@pytest.mark.parametrize("group", ["", "owner"])
@pytest.mark.parametrize("sort", ListForm.SORTS)
def test_pages_are_parts_of_one_order(
    sort: str, group: str, viewer: User, cloud_row: Cloud, monkeypatch: Any
) -> None:
    for number in range(30):
        make_instance(
            name=f"instance {number % 7}",
            owner_name=f"owner {number % 3}",
            stops_in=None if number % 4 else 3_600 * number,
            status="STOPPED" if number % 5 else "RUNNING",
        )
    # Pages far from the start are read in another way, and so is the second half.
    monkeypatch.setattr(listing, "FAR", 4)
    for key in (sort, f"-{sort}"):
        query = ListQuery.of(QueryDict(f"sort={key}"))
        instances = query.apply(
            Instance.objects.all(), user=viewer, group=GROUP_VALUES.get(group)
        )
        pages = Paginator(range(30), 4)
        found = [
            row_ref.pk
            for page in pages
            for row_ref in listing.refs_of_page(query, viewer, page, group)
        ]
        assert found == [*instances.values_list("pk", flat=True)]


def test_an_address_with_a_page_alone_has_nothing_to_clear(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    clear = "Clear filters</a>"
    make_instance()
    assert clear not in client.get(URL, {"page": 3}).text
    assert clear in client.get(URL, {"owner": "anna.schmidt"}).text


def test_numbers_are_grouped_as_the_language_does() -> None:
    with translation.override("en"):
        assert grouped(5000) == "5,000"
    with translation.override("de"):
        assert grouped(5000) == "5.000"


def test_the_pager_leads_to_the_pages_before_and_after(
    client: Client, viewer: User, cloud_row: Cloud
) -> None:
    for _ in range(51):
        make_instance()
    client.force_login(viewer)
    page = client.get(URL, {"page": 2}).text
    assert '<a rel="prev" href="/instances/?page=1">Previous page</a>' in page
    assert '<a rel="next" href="/instances/?page=3">Next page</a>' in page
    assert 'rel="prev"' not in client.get(URL).text
    assert 'rel="next"' not in client.get(URL, {"page": 3}).text


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite never does")
@pytest.mark.parametrize("sort", ["name", "owner", "status", "stops_in", "updated"])
def test_rows_before_a_late_page_are_not_read(viewer: User, sort: str) -> None:
    with connection.cursor() as cursor:
        for kind in ("seqscan", "bitmapscan", "indexscan"):
            cursor.execute(f"SET LOCAL enable_{kind} = off")
    for key in (sort, f"-{sort}"):
        query = ListQuery.of(QueryDict(f"sort={key}"))
        instances = query.apply(Instance.objects.all(), user=viewer)
        plan = instances.values("pk")[listing.FAR : listing.FAR + 25].explain()
        assert re.search("Index Only Scan (Backward )?using instance_by_", plan)
        assert "Sort" not in plan
