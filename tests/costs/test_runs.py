"""The list of runs, and the last runs on the page of an instance."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.costs.models import Gap, Run
from tests.factories import make_instance, make_run
from tests.instances.pages import add_edit

from .pages import GPU, LAST_WEEK, NOW, at, price, tables

pytestmark = pytest.mark.usefixtures("_now")

RUNS = reverse("costs:runs")


@pytest.fixture
def reader(client: Client, viewer: User) -> Client:
    client.force_login(viewer)
    return client


def test_a_run_says_all_that_is_known(reader: Client, operator: User) -> None:
    price(GPU, "2.10")
    instance = make_instance(status="STOPPED", first_seen_at=at(1))
    edit = add_edit(instance, operator, kind="stop", state="applied")
    make_run(
        instance=instance,
        started_at=at(8, 22),
        hours=5,
        started_known=Run.Known.UNKNOWN,
        ended_known=Run.Known.BETWEEN,
        ended_by=Run.EndedBy.PERSON,
        ended_by_person=operator,
        end_edit_id=edit.pk,
    )
    make_run(instance=instance, started_at=at(16, 8))
    response = reader.get(f"{RUNS}?{LAST_WEEK}")
    (row,) = tables(response).table("Runs")[1:]
    words = {cell.label: cell.text for cell in row}
    assert row[0].href == instance.get_absolute_url()
    assert words["Started"] == "8 Nov 2026, 22:00 UTC or earlier"
    assert words["Ended"] == "9 Nov 2026, 03:00 UTC or earlier, between two looks"
    # Two of its hours were in the week before.
    assert words["Hours"] == "3.0 of 5.0"
    assert words["Cost"] == "6.30 EUR"
    assert words["Ended by"].startswith("Person: operator")
    assert row[8].href == reverse("edits:detail", args=[edit.pk])
    assert words["Next start"] == "16 Nov 2026, 08:00 UTC"


def test_runs_come_in_pages_that_keep_the_filter(reader: Client) -> None:
    instance = make_instance(status="STOPPED")
    for index in range(60):
        make_run(instance=instance, started_at=at(10, index / 2), hours=0.25)
    html = reader.get(f"{RUNS}?{LAST_WEEK}&flavor={GPU}").content.decode()
    assert "1\N{EN DASH}50 of 60" in html
    assert f"flavor={GPU}&amp;page=2" in html
    rows = tables(reader.get(f"{RUNS}?{LAST_WEEK}&page=2")).table("Runs")[1:]
    assert len(rows) == 10


def test_an_unknown_instance_is_no_filter_that_is_ignored(reader: Client) -> None:
    make_run(started_at=at(10))
    html = reader.get(f"{RUNS}?{LAST_WEEK}&instance=999").content.decode()
    assert "No report: fix the fields above." in html


def test_the_page_of_an_instance_has_its_last_runs(reader: Client) -> None:
    price(GPU, "2.10")
    instance = make_instance(status="STOPPED", first_seen_at=at(1))
    for day in range(10, 17):
        make_run(instance=instance, started_at=at(day, 8), hours=2)
    make_run(started_at=at(10, 8), hours=9)
    shown = tables(reader.get(instance.get_absolute_url())).table("The last runs")[1:]
    assert [row[0].text for row in shown] == [
        f"{day} Nov 2026, 08:00 UTC" for day in range(16, 11, -1)
    ]
    assert {row[4].text for row in shown} == {"4.20 EUR"}
    html = reader.get(instance.get_absolute_url()).content.decode()
    link = html.partition('id="runs"')[2].partition('<a href="')[2].partition('"')[0]
    rows = tables(reader.get(link.replace("&amp;", "&"))).table("Runs")[1:]
    assert len(rows) == 7


def test_the_page_of_an_instance_says_what_is_unknown_of_its_runs(
    reader: Client,
) -> None:
    run = make_run(started_at=at(10, 8), hours=4)
    Gap.objects.create(cloud=run.instance.cloud, since=at(10, 9), until=at(10, 10))
    page = tables(reader.get(run.instance.get_absolute_url()))
    (row,) = page.table("The last runs")[1:]
    assert [cell.text for cell in row[2:4]] == ["3.0", "1.0"]


def test_others_see_no_costs_of_an_instance_that_is_not_theirs(
    client: Client, stranger: User, scientist: User
) -> None:
    run = make_run(started_at=NOW - timedelta(hours=5))
    page = run.instance.get_absolute_url()
    client.force_login(stranger)
    assert "Runs and costs" not in client.get(page).content.decode()
    client.force_login(scientist)
    assert "Runs and costs" in client.get(page).content.decode()
    client.force_login(stranger)
    url = f"{RUNS}?instance={run.instance.pk}"
    assert run.instance.name not in client.get(url).content.decode()


def test_the_home_page_says_what_own_instances_cost(
    client: Client, scientist: User, stranger: User
) -> None:
    price(GPU, "2.10")
    make_run(started_at=at(10, 8), hours=10, first_seen_at=at(10, 8))
    client.force_login(scientist)
    assert "10.0 h" in client.get("/?mine=1").content.decode()
    client.force_login(stranger)
    assert "own-costs" not in client.get("/?mine=1").content.decode()
