"""Stopping soon: the page."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance
from tests.factories import make_cloud, make_instance
from tests.instances.pages import add_edit

URL = reverse("handover:due")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

LANES = ("overdue", "quarter", "hour", "today", "later", "no_auto_stop")


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """Somebody who looks at the page."""
    client.force_login(viewer)
    return client


def bucket_of(page: str, instance: Instance) -> str:
    """The bucket in whose section its card stands; empty when it has none."""
    sections = re.split(r'<section class="bucket" id="bucket-(\w+)"', page)[1:]
    for bucket, section in zip(sections[::2], sections[1::2], strict=True):
        if f'id="instance-{instance.pk}"' in section:
            return bucket
    return ""


def numbers(page: str) -> list[int]:
    return [
        int(number)
        for number in re.findall(r'<a href="#bucket-.*?data-number="(\d+)"', page)
    ]


def test_anonymous_is_sent_to_sign_in(client: Client, db: None) -> None:
    response = client.get(URL)
    assert response.status_code == 302
    assert response.headers["Location"] == f"{reverse('account_login')}?next={URL}"


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_refused(watcher: Client, method: str) -> None:
    assert getattr(watcher, method)(URL).status_code == 405


@pytest.mark.parametrize(
    ("stops_in", "bucket"),
    [
        (-600, "overdue"),
        (-300, "overdue"),
        # A stop takes some seconds.
        (-299, "quarter"),
        (0, "quarter"),
        (15 * 60, "quarter"),
        (15 * 60 + 1, "hour"),
        (3_600, "hour"),
        (3_601, "today"),
        (12 * 3_600 - 1, "today"),
        (12 * 3_600, "later"),
        (40 * 3_600, "later"),
    ],
)
@time_machine.travel(NOON, tick=False)
def test_each_run_stands_in_its_lane(
    watcher: Client, viewer: User, stops_in: int, bucket: str
) -> None:
    watcher.force_login(viewer)
    instance = make_instance(stops_in=stops_in)
    assert bucket_of(watcher.get(URL).text, instance) == bucket


@time_machine.travel(NOON, tick=False)
def test_today_ends_at_the_viewer_s_midnight(watcher: Client, viewer: User) -> None:
    watcher.force_login(viewer)
    instance = make_instance(stops_in=5 * 3_600)
    assert bucket_of(watcher.get(URL).text, instance) == "today"
    # There it is ten in the evening.
    watcher.cookies["curfew_tz"] = "Australia/Brisbane"
    assert bucket_of(watcher.get(URL).text, instance) == "later"


@pytest.mark.parametrize(
    ("fields", "bucket"),
    [
        ({"stops_in": None, "auto_stop_enable": False}, "no_auto_stop"),
        ({"stops_in": None, "auto_stop_enable": None}, "no_auto_stop"),
        # Switched off, but this run still has its end.
        ({"stops_in": 600, "auto_stop_enable": False}, "quarter"),
        ({"status": "STOPPED", "auto_stop_enable": False}, ""),
        ({"status": "STOPPING", "stops_in": 600}, ""),
        ({"missing_since": NOON, "stops_in": 600}, ""),
    ],
)
def test_only_what_runs_is_shown(
    watcher: Client, fields: dict[str, Any], bucket: str
) -> None:
    instance = make_instance(**fields)
    assert bucket_of(watcher.get(URL).text, instance) == bucket


def test_numbers_of_all_lanes(watcher: Client) -> None:
    for stops_in in (-500, -900, -9, 60, 1_800, 40 * 3_600):
        make_instance(stops_in=stops_in)
    make_instance(stops_in=None, auto_stop_enable=False)
    found = numbers(watcher.get(URL).text)
    assert [found[0], found[1], found[2]] == [2, 2, 1]
    assert found[4:] == [1, 1]
    assert sum(found) == 7


def test_a_card_shows_both_clocks_as_the_contract_says(watcher: Client) -> None:
    instance = make_instance(stops_in=600)
    page = watcher.get(URL).text
    card = f'<li id="instance-{instance.pk}" data-instance="{instance.instance_id}"'
    assert card in page
    assert f'data-stops-at="{instance.stops_at_ms}"' in page
    assert "9 min" in page or "10 min" in page
    assert '<span class="soft">Auto-stop after</span> 8 h' in page
    assert "anna.schmidt" in page
    assert instance.get_absolute_url() in page


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", False),
        ("stranger", False),
        ("scientist", True),
        ("operator", True),
        ("admin", True),
    ],
)
def test_edit_and_stop_are_offered_to_those_who_may(
    client: Client, request: pytest.FixtureRequest, role: str, may: bool
) -> None:
    client.force_login(request.getfixturevalue(role))
    instance = make_instance(stops_in=600)
    page = client.get(URL).text
    for name in ("edits:edit", "edits:stop"):
        url = reverse(name, args=[instance.cloud.name, instance.instance_id])
        assert (f'href="{url}"' in page) is may


def test_an_open_edit_has_its_chip(watcher: Client, operator: User) -> None:
    edit = add_edit(make_instance(stops_in=600), operator, state=Edit.State.QUEUED)
    page = watcher.get(URL).text
    assert f'data-edit="{edit.pk}" data-state="queued"' in page
    assert 'data-interval="1"' in page


@pytest.mark.parametrize("number", [10, 300])
def test_queries_do_not_grow_with_the_fleet(
    client: Client, scientist: User, number: int, django_assert_num_queries: Any
) -> None:
    for count in range(number):
        make_instance(stops_in=60 * count - 300)
    client.force_login(scientist)
    # Session, person, upstream users, version, runs, cards, edits, clouds, 4 facets,
    # the bell.
    with django_assert_num_queries(13):
        client.get(URL)


def test_a_long_bucket_leads_to_the_list(watcher: Client) -> None:
    for _ in range(25):
        make_instance(stops_in=600)
    page = watcher.get(URL, {"owner": "anna.schmidt"}).text
    assert page.count('class="due-card"') == 20
    assert "View 5 more" in page
    assert "/instances/?owner=anna.schmidt&amp;status=RUNNING&amp;sort=stops_in" in page
    assert numbers(page)[1] == 25


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"stops_in": -600}, "autostop=overdue"),
        ({"stops_in": None}, "autostop=never"),
    ],
)
def test_what_is_overdue_or_has_no_end_is_listed_alone(
    watcher: Client, fields: dict[str, Any], wanted: str
) -> None:
    for _ in range(21):
        make_instance(**fields)
    (link,) = re.findall(r'<a href="([^"]+)">View 1 more', watcher.get(URL).text)
    assert link == f"/instances/?{wanted}&amp;sort=stops_in&amp;per_page=100"
    assert "21 of 21" in watcher.get(link.replace("&amp;", "&")).text


@pytest.mark.parametrize(
    ("language", "words"), [("en", "no auto-stop"), ("de", "ohne Auto-Stopp")]
)
def test_a_bar_s_name_begins_with_the_words_that_are_seen(
    watcher: Client, language: str, words: str
) -> None:
    make_instance(name="speech-prep", stops_in=None)
    make_instance(name="class", stops_in=600)
    watcher.cookies["curfew_language"] = language
    page = watcher.get(URL).text
    bars = re.findall(
        r'<a class="day-bar".*?aria-label="(.*?)".*?<text[^>]*>(.*?)</text>', page, re.S
    )
    assert {seen for _, seen in bars} == {"class", f"speech-prep · {words}"}
    assert all(name.startswith(seen) for name, seen in bars)


@pytest.mark.parametrize("group", ["owner", "flavor"])
@time_machine.travel(NOON, tick=False)
def test_a_column_leads_to_what_it_counts(
    watcher: Client, viewer: User, group: str
) -> None:
    watcher.force_login(viewer)
    for minutes in range(-20, 100):
        make_instance(
            stops_in=60 * minutes,
            owner_name=("anna", "ünal & co")[minutes % 2],
            flavor=("vm.gpu", "vm.cpu + 2")[minutes % 2],
        )
    make_instance(stops_in=60, owner_name="", flavor="")
    page = watcher.get(URL, {"group": group, "cloud": "demo"}).text
    columns = re.findall(
        r'<a href="([^"]+)"\s+class="day-column".*?<text[^>]*>(\d+)</text>', page, re.S
    )
    assert len(columns) == 8
    for link, number in columns:
        listed = watcher.get(unescape(link)).text
        assert f"of {number}</p>" in listed
        assert "cloud=demo" in link
    assert sum(int(number) for _, number in columns) == 120
    # The list cannot ask for those whose owner nobody knows.
    assert page.count('role="img"') == 1


def test_filters_by_owner_and_cloud(watcher: Client) -> None:
    anna = make_instance(stops_in=600)
    tom = make_instance(stops_in=600, owner_name="tom.becker", owner_id="t")
    lab = make_instance(stops_in=600, cloud=make_cloud("lab"))
    page = watcher.get(URL, {"owner": "tom.becker"}).text
    assert bucket_of(page, tom) == "quarter"
    assert not bucket_of(page, anna)
    assert '<option value="tom.becker" selected>' in page
    assert "owner=tom.becker" in page.split('id="poller"')[1]
    page = watcher.get(URL, {"cloud": "lab"}).text
    assert bucket_of(page, lab) == "quarter"
    assert not bucket_of(page, anna)
    assert '<option value="lab" selected>' in page


def test_a_chosen_owner_who_is_gone_stays_chosen(watcher: Client) -> None:
    page = watcher.get(URL, {"owner": "left.long.ago"}).text
    assert '<option value="left.long.ago" selected>' in page
    assert "No matching running instances" in page


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"group": "colour"}, "group=colour"),
        ({"owner": "x" * 300}, "owner=xxx"),
        ({"cloud": "a\0b"}, "cloud=a"),
    ],
)
def test_garbage_in_the_address_is_told(
    watcher: Client, query: dict[str, str], told: str
) -> None:
    instance = make_instance(stops_in=600)
    response = watcher.get(URL, query)
    assert response.status_code == 200
    assert "Ignored unsupported filters" in response.text
    assert told in response.text
    assert bucket_of(response.text, instance) == "quarter"


def test_names_are_text_and_never_markup(watcher: Client) -> None:
    hostile = '"><script>alert(1)</script>{{ 7 }}<b hx-get=/x>'
    make_instance(name=hostile, owner_name=hostile, flavor=hostile, stops_in=600)
    for group in ("owner", "flavor"):
        page = watcher.get(URL, {"group": group}).text
        assert "<script>alert" not in page
        assert "<b hx-get" not in page
        assert hostile in unescape(page)
    for frame in ("buckets", "day-chart"):
        assert f'<div class="{frame}" hx-disable>' in page


def test_no_style_stands_in_the_page(watcher: Client) -> None:
    """The content policy would drop it."""
    make_instance(stops_in=600)
    assert " style=" not in watcher.get(URL).text


def test_first_run_says_what_to_do(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get(URL).text
    assert "No cloud connected" in page
    assert "layout=nothing" in page


def test_an_empty_fleet_is_calm(watcher: Client) -> None:
    page = watcher.get(URL).text
    assert numbers(page) == [0] * len(LANES)
    assert "No overdue instances." in page
    assert "No running instances" in page


def test_a_run_without_end_tells_since_when(watcher: Client) -> None:
    started = datetime.now(UTC) - timedelta(days=3)
    make_instance(stops_in=None, auto_stop_enable=False, run_started_at=started)
    page = watcher.get(URL).text
    assert "No auto-stop" in page
    assert f'<time datetime="{started.isoformat()}"' in page


def test_the_way_there_is_in_the_bar(watcher: Client) -> None:
    assert f'<a href="{URL}" aria-current="true">' in watcher.get(URL).text
