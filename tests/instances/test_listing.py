"""What one process remembers of the list, and for whom."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances import listing
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Cloud, FleetVersion, Instance
from tests.factories import make_instance

from .pages import add_edit, rows_of

URL = reverse("instances:list")


def page_of(client: Client, person: User, **query: Any) -> str:
    client.force_login(person)
    return client.get(URL, query).text


def test_nobody_gets_the_buttons_of_another(
    client: Client, operator: User, scientist: User, viewer: User, instance: Instance
) -> None:
    foreign = make_instance(owner_name="tom.becker", owner_id="tom")
    edit = {
        each.pk: reverse("edits:edit", args=[each.cloud.name, each.instance_id])
        for each in (instance, foreign)
    }
    # The first has both rows read and drawn; the others are shown what was kept.
    for person, may in [
        (operator, {instance.pk, foreign.pk}),
        (scientist, {instance.pk}),
        (viewer, set()),
        (operator, {instance.pk, foreign.pk}),
    ]:
        page = page_of(client, person)
        assert set(rows_of(page)) == {str(instance.pk), str(foreign.pk)}
        assert {pk for pk, address in edit.items() if address in page} == may


def test_the_numbers_within_a_tag_are_counted_in_one_pass(
    viewer: User, django_assert_num_queries: Any
) -> None:
    tags = {"team": "vision"}
    make_instance(tags=tags)
    make_instance(tags=tags, stops_in=7_200 + 3_600)
    make_instance(tags=tags, stops_in=None, auto_stop_enable=False)
    make_instance(tags=tags, stops_in=600)
    make_instance(tags=tags, status="STOPPED")
    make_instance(tags={"team": "speech"}, stops_in=600)
    query = ListQuery.of(QueryDict("tag=team%3Dvision"))
    with django_assert_num_queries(1) as queries:
        numbers = listing.counters(viewer, version=1, within=query)
    assert numbers == listing.Counters(total=5, running=4, due=1, without_end=1)
    assert queries[0]["sql"].count("FROM") == 1


def test_a_person_who_sees_nothing_sees_no_number_either(
    viewer: User, instance: Instance
) -> None:
    now = timezone.now()
    query = ListQuery.of(Client().get("/").wsgi_request.GET)
    page = listing.fleet_page(query, user=viewer, version=0, now=now)
    assert (len(page.row_refs), page.page.paginator.count) == (1, 1)
    assert listing.counters(viewer, version=0).total == 1
    assert listing.facets(viewer, version=0).owners == ("anna.schmidt",)
    viewer.is_active = False
    page = listing.fleet_page(query, user=viewer, version=0, now=now)
    assert (len(page.row_refs), page.page.paginator.count) == (0, 0)
    assert listing.counters(viewer, version=0).total == 0
    assert listing.facets(viewer, version=0).owners == ()


def test_what_counts_as_a_change_is_read_again(
    client: Client, viewer: User, instance: Instance
) -> None:
    assert "Running" in page_of(client, viewer)
    Instance.objects.update(status="STOPPED", stops_at=None, name="renamed")
    FleetVersion.stamp(Instance.objects.all())
    page = page_of(client, viewer)
    assert "renamed" in page
    assert "data-stops-at" not in page


def test_new_and_vanished_rows_are_counted_at_once(
    client: Client, viewer: User, instance: Instance
) -> None:
    assert 'data-number="1"' in page_of(client, viewer)
    more = make_instance(owner_name="somebody.new")
    FleetVersion.stamp(Instance.objects.filter(pk=more.pk))
    page = page_of(client, viewer)
    assert 'data-number="2"' in page
    assert 'name="owner" value="somebody.new"' in page


def test_a_chip_leaves_by_time_alone(
    client: Client, operator: User, instance: Instance
) -> None:
    now = timezone.now()
    add_edit(instance, operator, state=Edit.State.APPLIED, finished_at=now)
    query = ListQuery.of(Client().get("/").wsgi_request.GET)
    (place,) = listing.fleet_page(query, user=operator, version=0, now=now).row_refs
    (row,) = listing.rows_at([place], user=operator, now=now)
    assert row.edit
    later = now + timedelta(minutes=11)
    (row,) = listing.rows_at([place], user=operator, now=later)
    assert row.edit is None


@pytest.mark.parametrize(
    ("status", "stops_in", "edit", "seconds"),
    [
        ("RUNNING", 3_600, None, 5),
        ("RUNNING", -5, None, 2),
        ("STOPPING", None, None, 2),
        ("STOPPED", None, None, 5),
        ("RUNNING", 3_600, "queued", 1),
        ("RUNNING", 3_600, "applied", 5),
    ],
)
def test_a_page_polls_sooner_when_a_change_is_expected(
    operator: User,
    cloud_row: Cloud,
    status: str,
    stops_in: int | None,
    edit: str | None,
    seconds: int,
) -> None:
    instance = make_instance(status=status, stops_in=stops_in)
    now = timezone.now()
    if edit:
        add_edit(
            instance,
            operator,
            state=edit,
            finished_at=None if edit == "queued" else now,
        )
    query = ListQuery.of(Client().get("/").wsgi_request.GET)
    page = listing.fleet_page(query, user=operator, version=0, now=now)
    assert page.interval_seconds == seconds


def test_a_poll_reads_only_what_changed(
    client: Client, viewer: User, cloud_row: Cloud, django_assert_num_queries: Any
) -> None:
    fleet = [make_instance() for _ in range(30)]
    page = page_of(client, viewer, per_page=100)
    url = page.split('hx-get="/instances/changes')[1].split('"')[0]
    FleetVersion.stamp(
        Instance.objects.filter(pk__in=[instance.pk for instance in fleet[:5]])
    )
    url = "/instances/changes" + url.replace("&amp;", "&")
    # Session, person, version, display, clouds; row references, counters, generations;
    # the five that changed and their edits.
    with django_assert_num_queries(11) as queries:
        html = client.get(url).text
    assert len(rows_of(html)) == 5
    (read,) = [
        q["sql"] for q in queries if '"instances_instance"."flavor_type"' in q["sql"]
    ]
    assert all(f"{instance.pk}" in read.split(" IN ")[1] for instance in fleet[:5])
    # The next request for the same finds it read.
    with django_assert_num_queries(4):
        assert rows_of(client.get(url).text) == rows_of(html)
