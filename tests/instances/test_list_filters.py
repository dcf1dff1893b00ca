"""The filters, counters and order of the list, as its page shows them."""

import re
from html import escape, unescape
from urllib.parse import urlencode

from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import CloudUser, User
from dashboard.instances.filter_fields import ValuesField
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.saved.models import ListDisplay
from tests.factories import make_instance, make_notebook

from .pages import one_line, rows_of

URL = reverse("instances:list")


def quick_filters(page: str) -> list[tuple[str, str, str]]:
    """Return address and number of each, and a mark of the current one."""
    return re.findall(
        r'href="([^"]+)" data-tone="\w+" data-number="(\d+)"( aria-current)?',
        one_line(page),
    )


def test_nothing_matches_leads_back_to_everything(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    page = client.get(URL, {"q": "zzz"}).text
    assert "No matching instances" in page
    assert f'<a class="button" href="{URL}">Clear filters</a>' in page


def test_garbage_in_the_url_is_shown(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    response = client.get(URL, {"sort": "<upwards>", "page": "abc"})
    assert response.status_code == 200
    assert "sort=&lt;upwards&gt;" in response.text
    assert "page=abc" in response.text
    assert rows_of(response.text) == [str(instance.pk)]


def test_counters_are_quick_filters(
    client: Client, viewer: User, cloud_row: Cloud
) -> None:
    make_instance(stops_in=60)
    make_instance(stops_in=9_000)
    make_instance(stops_in=None, auto_stop_enable=False)
    make_instance(status="STOPPED", auto_stop_enable=False)
    client.force_login(viewer)
    page = client.get(URL, {"autostop": "never"}).text
    assert quick_filters(page) == [
        ("/instances/", "4", ""),
        ("/instances/?status=RUNNING", "3", ""),
        ("/instances/?autostop=due", "1", ""),
        ("/instances/?autostop=never", "1", " aria-current"),
    ]


def test_quick_filters_keep_a_search_and_count_within_it(
    client: Client, viewer: User, cloud_row: Cloud
) -> None:
    make_instance(name="lab one", stops_in=9_000)
    make_instance(name="lab two", status="STOPPED")
    make_instance(name="other", stops_in=60)
    client.force_login(viewer)
    query = {"q": "lab", "status": "RUNNING", "page": 1}
    page = client.get(URL, query).text
    assert quick_filters(page) == [
        ("/instances/?q=lab", "2", ""),
        ("/instances/?q=lab&amp;status=RUNNING", "1", " aria-current"),
        ("/instances/?q=lab&amp;autostop=due", "0", ""),
        ("/instances/?q=lab&amp;autostop=never", "0", ""),
    ]


def test_all_that_match_cannot_be_changed_when_nothing_matches(
    client: Client, operator: User, instance: Instance
) -> None:
    client.force_login(operator)
    button = 'id="bulk-matching" name="scope" value="matching" type="submit"'
    assert f"{button}>" in one_line(client.get(URL).text)
    assert f"{button} disabled>" in one_line(client.get(URL, {"q": "nowhere"}).text)


def test_filters_of_a_link_are_shown_kept_and_can_be_removed(
    client: Client, viewer: User, cloud_row: Cloud
) -> None:
    client.force_login(viewer)
    window = {
        "stops_from": "2026-11-29T04:30:00Z",
        "stops_before": "2026-11-29T05:00:00Z",
    }
    page = client.get(URL, {"owner": "anna.schmidt", "flavor": "v100", **window}).text
    assert "<bdi>29 Nov 2026, 05:00 UTC</bdi>" in page
    assert "<bdi>v100</bdi>" in page
    for name, value in {"flavor": "v100", **window}.items():
        assert f'<input type="hidden" name="{name}" value="{value}">' in page
    removed = f"owner=anna.schmidt&{urlencode(window)}"
    assert f'href="/instances/?{escape(removed)}"' in page


def test_a_filter_is_turned_around_and_removed_by_its_chip(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    page = one_line(client.get(f"{URL}?status=RUNNING&status=STOPPED&owner=!tom").text)
    chips = page.split('id="chips"')[1].split("</div>")[0]
    links = [unescape(link) for link in re.findall(r'href="[^"?]*\?([^"]*)"', chips)]
    assert links == [
        *(
            "status=STOPPED&status=%21RUNNING&owner=%21tom",
            "status=STOPPED&owner=%21tom",
        ),
        *(
            "status=RUNNING&status=%21STOPPED&owner=%21tom",
            "status=RUNNING&owner=%21tom",
        ),
        *("status=RUNNING&status=STOPPED&owner=tom", "status=RUNNING&status=STOPPED"),
    ]
    assert '<input type="hidden" name="owner" value="!tom">' in page
    assert 'name="status" value="STOPPED" checked' in page
    assert '<span id="number" class="title-number">1</span>' in page


def test_the_generation_has_a_column_and_a_filter_only_where_both_occur(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    ListDisplay.objects.create(user=viewer)  # hides nothing
    head, cell = (
        '<th scope="col" class="col-generation"> API </th>',
        '<td class="col-generation" data-label="API">',
    )
    page = one_line(client.get(URL).text)
    assert not [part for part in (head, cell, 'name="generation"') if part in page]
    make_notebook()
    FleetVersion.stamp()
    page = one_line(client.get(URL).text)
    assert head in page
    assert f"{cell}Old API</td>" in page
    assert f"{cell}New API</td>" in page
    assert 'name="generation" value="notebooks"' in page


def test_the_sorted_column_says_so_and_links_to_its_reverse(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    page = one_line(client.get(URL, {"sort": "-name", "q": "note"}).text)
    assert 'aria-sort="descending"> <a href="/instances/?q=note&amp;sort=name">' in page
    assert page.count("aria-sort") == 1


def test_a_chosen_value_that_is_gone_stays_chosen(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    page = client.get(URL, {"owner": "left.long.ago"}).text
    assert 'name="owner" value="left.long.ago" checked' in page


def test_nobody_sees_the_instances_of_others_as_their_own(
    client: Client, operator: User, instance: Instance
) -> None:
    """More ModelArts users are mapped to them than a filter may name."""
    CloudUser.objects.bulk_create(
        CloudUser(account=operator, identifier=f"user-{number}")
        for number in range(ValuesField.MAX_VALUES + 1)
    )
    client.force_login(operator)
    for owner in ("@me", "!@me"):
        page = client.get(URL, {"owner": owner}).text
        assert rows_of(page) == []
        assert rows_of(client.get(URL).text) == [str(instance.pk)]
