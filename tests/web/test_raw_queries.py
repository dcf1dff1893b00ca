"""Queries that are compiled once: what they return is what the ORM returns."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import BigAutoField, CharField, DateTimeField, Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.instances.models import Cloud, Instance
from dashboard.web.raw_queries import (
    Prepared,
    all_rows,
    count_each,
    few_values,
    get_by_pk,
    least_and_most,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def named() -> Prepared[Instance]:
    return Prepared(
        lambda name, before: (
            Instance.objects.filter(name=name, first_seen_at__lt=before)
            .select_related("cloud")
            .prefetch_related("events")
            .annotate(word=Value("annotated"))
            .order_by("pk")
        ),
        name=CharField(),
        before=DateTimeField(),
    )


def an_instance(cloud: Cloud, name: str) -> Instance:
    return Instance.objects.create(
        cloud=cloud,
        instance_id=name,
        name=name,
        status="RUNNING",
        tags={"team": name},
        first_seen_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


def test_rows_are_models_with_what_was_fetched_beside_them(
    named: Prepared[Instance], cloud_row: Cloud
) -> None:
    for name in ("a", "b"):
        an_instance(cloud_row, name)
    for name in ("a", "b", "a"):
        with CaptureQueriesContext(connection) as queries:
            (found,) = named.rows(name=name, before=timezone.now())
            assert found.cloud.name == cloud_row.name
            assert list(found.events.all()) == []
        assert len(queries) == 2
        expected = Instance.objects.get(name=name)
        assert {**vars(expected)}.keys() <= {*vars(found)}
        for field in Instance._meta.concrete_fields:
            assert getattr(found, field.attname) == getattr(expected, field.attname)
        assert found.word == "annotated"  # type: ignore[attr-defined]


def test_each_use_has_its_own_values(
    named: Prepared[Instance], cloud_row: Cloud
) -> None:
    seen_at = an_instance(cloud_row, "a").first_seen_at
    assert named.rows(name="a", before=seen_at + timedelta(seconds=1))
    assert not named.rows(name="a", before=seen_at)
    assert not named.rows(name="' OR 1=1 --", before=timezone.now())


def test_rows_count_as_many(cloud_row: Cloud) -> None:
    an_instance(cloud_row, "a")
    of_cloud = Prepared(
        lambda cloud: Instance.objects.filter(cloud=cloud), cloud=BigAutoField()
    )
    assert (
        of_cloud.count(cloud=cloud_row.pk)
        == len(of_cloud.rows(cloud=cloud_row.pk))
        == 1
    )
    assert of_cloud.count(cloud=cloud_row.pk + 1) == 0


def test_a_row_by_its_key(cloud_row: Cloud) -> None:
    assert get_by_pk(Cloud, cloud_row.pk) == cloud_row
    assert get_by_pk(Cloud, cloud_row.pk + 1) is None
    assert all_rows(Cloud, order_by="name") == list(Cloud.objects.order_by("name"))


def test_few_values_are_distinct_and_in_order(cloud_row: Cloud) -> None:
    assert few_values(Instance, "name") == []
    for number, name in enumerate("baca"):
        an_instance(cloud_row, f"{number}")
        Instance.objects.filter(name=f"{number}").update(name=name)
    assert few_values(Instance, "name") == ["a", "b", "c"]


@pytest.mark.django_db(transaction=True)
def test_threads_use_their_own_connections(cloud_row: Cloud) -> None:
    of_name: Prepared[Any] = Prepared(
        lambda name: Cloud.objects.filter(name=name), name=CharField()
    )

    def read(_number: int) -> list[str]:
        try:
            return [found.name for found in of_name.rows(name=cloud_row.name)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(read, range(8))] == [[cloud_row.name]] * 8


def test_several_are_counted_by_one_statement(
    cloud_row: Cloud, django_assert_num_queries: Any
) -> None:
    for name in ("anna", "anna", "berta"):
        Instance.objects.create(
            cloud=cloud_row,
            instance_id=f"{name} {Instance.objects.count()}",
            name=name,
            first_seen_at=timezone.now(),
        )
    named = Prepared(
        lambda name: Instance.objects.filter(name=name).values("pk"), name=CharField()
    )
    queries = [
        Prepared(lambda: Instance.objects.values("pk")),
        named,
        Prepared(lambda: Instance.objects.filter(name="100 % me").values("pk")),
        Prepared(lambda: Instance.objects.none()),
        Prepared(lambda: Instance.objects.filter(name__in=[]).values("pk")),
    ]
    for name, number in (("anna", 2), ("berta", 1)):
        with django_assert_num_queries(1):
            assert count_each(queries, name=name) == [3, number, 0, 0, 0]
    assert queries[3].rows() == queries[4].rows() == []


def test_values_are_read_as_the_orm_does(cloud_row: Cloud) -> None:
    an_instance(cloud_row, "anna")
    values = Instance.objects.values_list("name", "tags", "first_seen_at", Value("x"))
    assert Prepared(lambda: values.all()).rows() == [*values]


def test_the_ends_of_a_column(cloud_row: Cloud) -> None:
    assert least_and_most(Instance, "name") == (None, None)
    for name in ("m", "z", "a"):
        an_instance(cloud_row, name)
    assert least_and_most(Instance, "name") == ("a", "z")
