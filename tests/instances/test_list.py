"""The list of instances: who sees it, and its rows."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.countdown import unix_ms
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.saved.models import ListDisplay
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
    # the counters, four facets, the display, saved views, the unread count, and once a
    # minute the size of the fleet.
    with django_assert_num_queries(20):  # type: ignore[operator]
        page = client.get(URL, {"per_page": 50}).text
    # What a version has made known once: no more instances, counters and facets.
    with django_assert_num_queries(7):  # type: ignore[operator]
        assert rows_of(client.get(URL, {"per_page": 50}).text) == rows_of(page)
    assert len(rows_of(page)) == number
    assert page.count("data-edit=") == number


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


def test_what_scripts_need_is_there_from_the_first_paint(
    client: Client, operator: User, instance: Instance
) -> None:
    """What a script revealed would push the rows down on narrow screens."""
    client.force_login(operator)
    page = one_line(client.get(URL).text)
    scripted = re.findall(r"<(?:label|button)[^>]* data-scripted[^>]*>", page)
    assert len(scripted) == 4
    assert not [tag for tag in scripted if " hidden" in tag]
