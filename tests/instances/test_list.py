"""The list of instances."""

import re
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.paginator import Paginator
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import translation

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances import listing
from dashboard.instances.countdown import unix_ms
from dashboard.instances.display import GROUP_VALUES
from dashboard.instances.filters import ListForm, ListQuery
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.saved.models import ListDisplay
from dashboard.web.stored_messages import verbatim
from dashboard.web.templatetags.pages import grouped
from tests.factories import make_cloud, make_instance, make_notebook

from .pages import add_edit, one_line, poll_of, rows_of

URL = reverse("instances:list")


def test_anonymous_is_sent_to_sign_in(client: Client, db: None) -> None:
    response = client.get(URL)
    assert response.status_code == 302
    assert response.headers["Location"] == f"{reverse('account_login')}?next={URL}"


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_refused(client: Client, viewer: User, method: str) -> None:
    client.force_login(viewer)
    assert getattr(client, method)(URL).status_code == 405


def test_a_row_shows_both_clocks_as_the_contract_says(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    page = one_line(client.get(URL).text)
    assert (
        f'<tr id="instance-{instance.pk}" data-instance="{instance.instance_id}"'
        in page
    )
    assert f'data-stops-at="{unix_ms(instance.stops_at)}"' in page
    assert instance.stops_at is not None
    assert f'<time datetime="{instance.stops_at.isoformat()}"' in page
    assert "1 h 59 min" in page or "2 h 0 min" in page
    assert '<span class="clock-setting">8 h</span>' in page
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
def test_edit_is_offered_to_those_who_may(
    client: Client,
    request: pytest.FixtureRequest,
    instance: Instance,
    role: str,
    may: bool,
) -> None:
    client.force_login(request.getfixturevalue(role))
    edit = reverse("edits:edit", args=[instance.cloud.name, instance.instance_id])
    assert (edit in client.get(URL).text) is may


def test_a_vanished_instance_stays_and_cannot_be_edited(
    client: Client, operator: User, instance: Instance
) -> None:
    Instance.objects.update(missing_since=datetime.now(UTC))
    client.force_login(operator)
    page = client.get(URL).text
    assert rows_of(page) == [str(instance.pk)]
    assert "Missing" in page
    assert "data-stops-at" not in page
    assert f'id="auto-stop-{instance.pk}"' not in page


@pytest.mark.parametrize("number", [3, 30])
def test_queries_do_not_grow_with_the_fleet(
    client: Client,
    scientist: User,
    number: int,
    django_assert_num_queries: object,
) -> None:
    for _ in range(number):
        add_edit(make_instance(), scientist, key=str(_), state=Edit.State.QUEUED)
    client.force_login(scientist)
    # Session, person, version, row references, instances, edits, ModelArts
    # users, clouds twice (names for the filter, notices),
    # the counters, four facets, the display, saved views, the unread count.
    with django_assert_num_queries(19):  # type: ignore[operator]
        page = client.get(URL, {"per_page": 50}).text
    # What a version has made known once: no more instances, counters and facets.
    with django_assert_num_queries(7):  # type: ignore[operator]
        assert rows_of(client.get(URL, {"per_page": 50}).text) == rows_of(page)
    assert len(rows_of(page)) == number
    assert page.count("data-edit=") == number


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


@pytest.mark.parametrize(
    ("state", "finished_ago", "is_shown"),
    [
        ("queued", None, True),
        ("applied", timedelta(minutes=1), True),
        ("applied", timedelta(minutes=11), False),
        ("failed", timedelta(hours=23), True),
        ("failed", timedelta(hours=25), False),
    ],
)
def test_an_edit_s_chip_stays_while_it_is_news(
    client: Client,
    operator: User,
    instance: Instance,
    state: str,
    finished_ago: timedelta | None,
    is_shown: bool,
) -> None:
    finished = finished_ago and datetime.now(UTC) - finished_ago
    edit = add_edit(instance, operator, state=state, finished_at=finished)
    client.force_login(operator)
    chip = f'data-edit="{edit.pk}" data-state="{state}"'
    assert (chip in client.get(URL).text) is is_shown


def test_names_are_text_and_never_markup(
    client: Client, viewer: User, cloud_row: Cloud
) -> None:
    hostile = '"><script>alert(1)</script>{{ 7 }}<b hx-get=/x>'
    make_instance(name=hostile, description=hostile, owner_name=hostile, status="<x>")
    client.force_login(viewer)
    page = client.get(URL).text
    assert "<script>alert" not in page
    assert "<b hx-get" not in page
    assert hostile in unescape(page)
    # htmx leaves alone whatever an instance brings along.
    assert '<div class="table-frame" hx-disable>' in page


def test_first_run_says_what_to_do(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get(URL).text
    assert "No cloud connected" in page
    # The scripts of the page look for it.
    assert '<dialog id="sheet"' in page
    assert "clouds.yaml" in page
    assert "layout=nothing" in page


def test_first_run_shows_why_the_first_reading_failed(
    client: Client, viewer: User
) -> None:
    make_cloud(refreshed_at=None, problem=verbatim("The password was refused."))
    client.force_login(viewer)
    page = client.get(URL).text
    assert "No cloud connected" in page
    assert "The password was refused." in page


def test_an_empty_cloud_is_not_a_first_run(
    client: Client, viewer: User, cloud_row: Cloud
) -> None:
    client.force_login(viewer)
    page = client.get(URL).text
    assert "No instances yet" in page
    assert "No matching instances" not in page


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


@pytest.mark.parametrize(
    ("seconds", "age"), [(20, "fresh"), (100, "old"), (400, "stale")]
)
def test_the_mirror_s_age_is_shown(
    client: Client, viewer: User, seconds: int, age: str
) -> None:
    make_cloud(refreshed_at=datetime.now(UTC) - timedelta(seconds=seconds))
    client.force_login(viewer)
    assert f'data-age="{age}"' in client.get(URL).text


def test_the_failing_cloud_is_named_and_the_oldest_counts(
    client: Client, viewer: User
) -> None:
    make_cloud("good")
    make_cloud(
        "lab",
        refreshed_at=datetime.now(UTC) - timedelta(hours=1),
        problem=verbatim("No answer."),
    )
    client.force_login(viewer)
    page = one_line(client.get(URL).text)
    assert "Updated 1 h ago" in page
    assert "<bdi>lab</bdi>:</strong> No answer." in page
    assert "<bdi>good</bdi>" not in page


def test_counters_are_quick_filters(
    client: Client, viewer: User, cloud_row: Cloud
) -> None:
    make_instance(stops_in=60)
    make_instance(stops_in=9_000)
    make_instance(stops_in=None, auto_stop_enable=False)
    make_instance(status="STOPPED", auto_stop_enable=False)
    client.force_login(viewer)
    page = one_line(client.get(URL, {"autostop": "never"}).text)
    matches = re.findall(
        r'href="([^"]+)" data-tone="\w+" data-number="(\d+)"( aria-current)?', page
    )
    assert matches == [
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
    page = one_line(client.get(URL, query).text)
    matches = re.findall(
        r'href="([^"]+)" data-tone="\w+" data-number="(\d+)"( aria-current)?', page
    )
    assert matches == [
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


def test_a_page_without_the_column_loads_anew_when_both_occur(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    ListDisplay.objects.create(user=viewer)
    poll = poll_of(client.get(URL).text)
    make_notebook()
    FleetVersion.stamp()
    assert client.get(poll).headers["HX-Refresh"] == "true"
    poll = poll_of(client.get(URL).text)
    Instance.objects.update(description="New")
    FleetVersion.stamp(Instance.objects.all())
    assert "HX-Refresh" not in client.get(poll).headers


def test_only_a_run_that_can_be_extended_offers_it(
    client: Client, request: pytest.FixtureRequest, instance: Instance
) -> None:
    idle = make_notebook(idle_seconds=3600, name="idle")
    offered = {
        f"/instances/{notebook.reference}/extend/"
        for notebook in (make_notebook(), idle)
    }
    make_notebook(status="STOPPED")
    make_notebook(stops_in=None, auto_stop_enable=False)
    for role, seen in {"operator": offered, "viewer": set()}.items():
        client.force_login(request.getfixturevalue(role))
        page = client.get(URL).text
        assert set(re.findall(r'href="([^"]+/extend/)"', page)) == seen
        row = one_line(page).partition(f'id="instance-{idle.pk}"')[2]
        assert "stops after 1 h idle" in row


def test_a_row_shows_its_first_tags(client: Client, viewer: User) -> None:
    make_notebook(
        cloud=make_cloud(has_tags=True),
        tags={"team": "nlp", "cost": "4711", "stage": "", "owner": "x"},
    )
    client.force_login(viewer)
    page = one_line(client.get(URL).text)
    assert 'title="cost=4711"> cost<span class="soft">=4711</span>' in page
    assert 'title="owner=x"' in page
    assert 'title="team=nlp"' not in page
    assert '<li class="soft">+2</li>' in page
    assert 'name="tag"' in page


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


def test_what_scripts_need_is_there_from_the_first_paint(
    client: Client, operator: User, instance: Instance
) -> None:
    """What a script revealed would push the rows down on narrow screens."""
    client.force_login(operator)
    page = one_line(client.get(URL).text)
    scripted = re.findall(r"<(?:label|button)[^>]* data-scripted[^>]*>", page)
    assert len(scripted) == 4
    assert not [tag for tag in scripted if " hidden" in tag]
