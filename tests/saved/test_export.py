"""The list as a file."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import Cloud, Instance
from dashboard.paths import ROOT
from dashboard.saved.columns import COLUMNS
from dashboard.saved.views import export
from tests.factories import make_cloud, make_instance, make_notebook, make_price

from .test_services import make_view

# Downloads are counted in the cache, by person.
pytestmark = pytest.mark.usefixtures("_empty_cache")

CSV, JSON = reverse("saved:csv"), reverse("saved:json")
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)


@pytest.fixture
def reader(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """Somebody who may see the list."""
    client.force_login(viewer)
    return client


def body(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


def csv_rows(response: Any) -> list[dict[str, str]]:
    text = body(response)
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("url", [CSV, JSON])
def test_anonymous_is_sent_to_sign_in(client: Client, db: None, url: str) -> None:
    response = client.get(url)
    assert response.headers["Location"] == f"{reverse('account_login')}?next={url}"


@pytest.mark.parametrize("url", [CSV, JSON])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_only_get(reader: Client, url: str, method: str) -> None:
    assert getattr(reader, method)(url).status_code == 405


@pytest.mark.parametrize("role", ["viewer", "scientist", "operator", "admin"])
def test_everybody_exports_what_the_list_shows(
    client: Client, request: pytest.FixtureRequest, role: str
) -> None:
    client.force_login(request.getfixturevalue(role))
    instance = make_instance(
        name="Größe",
        auto_stop_duration=5_000,
        status_since=NOW,
        cloud=make_cloud("lab"),
    )
    (row,) = csv_rows(client.get(CSV))
    assert list(row) == list(COLUMNS)
    assert row["name"] == "Größe"
    assert row["cloud"] == "lab"
    assert row["auto_stop"] == "on"
    assert row["next_run_hours"] == "1.3889"
    assert row["status_since"] == "2026-11-23T14:05:00+00:00"
    assert row["missing_since"] == ""
    document = json.loads(body(client.get(JSON)))
    (exported,) = document["instances"]
    assert list(exported) == list(COLUMNS)
    assert exported["name"] == "Größe"
    assert exported["auto_stop"] is True
    assert exported["missing_since"] is None
    assert exported["instance_id"] == instance.instance_id
    assert document["count"] == 1
    assert document["view"] is None


def test_a_notebook_is_exported_with_its_lease_and_tags(reader: Client) -> None:
    tags = {"team": "vision", "cost": "=1+1"}
    make_notebook(idle_seconds=5_400, idle_stop_at=NOW, tags=tags)
    (row,) = csv_rows(reader.get(CSV))
    assert (row["generation"], row["lease_type"]) == ("notebooks", "idle")
    assert (row["idle_hours"], row["stops_at"]) == ("1.5", "")
    assert row["idle_stop_at"] == "2026-11-23T14:05:00+00:00"
    assert row["tags"] == "cost==1+1, team=vision"
    (exported,) = json.loads(body(reader.get(JSON)))["instances"]
    assert exported["tags"] == tags


def test_an_empty_list_is_an_empty_file(reader: Client) -> None:
    assert csv_rows(reader.get(CSV)) == []
    assert json.loads(body(reader.get(JSON)))["instances"] == []


def test_the_filter_and_the_order_are_the_list_s(reader: Client) -> None:
    for name in ("b", "a", "c"):
        make_instance(name=name)
    make_instance(name="d", status="STOPPED")
    query = {"status": "RUNNING", "sort": "-name", "page": "2", "per_page": "25"}
    assert [row["name"] for row in csv_rows(reader.get(CSV, query))] == ["c", "b", "a"]
    document = json.loads(body(reader.get(JSON, query)))
    assert [row["name"] for row in document["instances"]] == ["c", "b", "a"]
    assert document["query"] == "status=RUNNING&sort=-name"


@pytest.mark.parametrize("query", ["sort=upwards", "flavor_type=TPU", "q=a%00b"])
def test_a_file_holds_nothing_that_was_not_asked_for(
    reader: Client, query: str
) -> None:
    make_instance()
    assert reader.get(f"{CSV}?{query}").status_code == 400
    assert reader.get(f"{JSON}?{query}").status_code == 400
    assert not AuditEvent.objects.filter(action="list.exported").exists()


@pytest.mark.parametrize(
    "payload",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "  =1",
        "\uff1d1",
        '=HYPERLINK("http://evil.example","x")',
        'quote " comma , line\nbreak',
        "-5 degrees",
    ],
)
def test_nothing_in_a_spreadsheet_is_a_formula(reader: Client, payload: str) -> None:
    make_instance(name=payload, description=payload, owner_name=payload, flavor=payload)
    (row,) = csv_rows(reader.get(CSV))
    for column in ("name", "description", "owner_name", "flavor"):
        assert row[column].removeprefix("'") == payload
        assert not row[column].lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
    # Programs get it as it is.
    (exported,) = json.loads(body(reader.get(JSON)))["instances"]
    assert exported["name"] == payload


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Running GPUs", "running-gpus"),
        ("Größe", "grosse"),
        ("需求", "view"),
        ('../../etc"; x=y\r\nSet-Cookie: a', "etc-xy-set-cookie-a"),
        ("x" * 80, "x" * 60),
    ],
)
def test_the_file_s_name_is_safe(operator: User, name: str, file: str) -> None:
    view = make_view(operator, name)
    assert export.file_name(view, NOW, "csv") in {
        f"curfew-{file}-20261123T140500Z.csv",
        f"curfew-{file.replace('grosse', 'groe')}-20261123T140500Z.csv",
    }


def test_the_headers(client: Client, operator: User, cloud_row: Cloud) -> None:
    make_view(operator, "GPUs", query="flavor_type=GPU")
    client.force_login(operator)
    for url, kind in ((CSV, "csv"), (JSON, "json")):
        response = client.get(url, {"flavor_type": "gpu"})
        disposition = response.headers["Content-Disposition"]
        assert re.fullmatch(
            rf'attachment; filename="curfew-gpus-\d{{8}}T\d{{6}}Z\.{kind}"', disposition
        )
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in response.headers["Cache-Control"]
        assert response.headers["Content-Type"].startswith(
            ("text/csv", "application/js")
        )


def test_an_export_is_recorded(
    client: Client, operator: User, cloud_row: Cloud
) -> None:
    view = make_view(operator, "GPUs", query="flavor_type=GPU")
    make_instance()
    client.force_login(operator)
    client.get(CSV, {"flavor_type": "GPU"})
    client.get(JSON, {"q": "x"})
    named, plain = AuditEvent.objects.filter(action="list.exported").order_by("pk")
    assert named.actor_id == operator.pk
    assert (named.target_id, named.target_label) == (str(view.pk), "GPUs")
    assert named.after == {"format": "csv", "query": "flavor_type=GPU", "instances": 1}
    assert (plain.target_id, plain.target_label) == ("", "the list of instances")
    assert plain.after["query"] == "q=x"


@pytest.mark.parametrize("url", [CSV, JSON])
def test_rows_are_read_in_chunks_as_they_are_sent(
    reader: Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK", 10)
    for number in range(35):
        make_instance(name=f"{number:02}")

    def queries(step: Any) -> int:
        with CaptureQueriesContext(connection) as captured:
            step()
        return sum("instances_instance" in query["sql"] for query in captured)

    chunks: list[Iterator[bytes]] = []
    # Only the keys are read before the first byte is asked for.
    assert queries(lambda: chunks.append(reader.get(url).streaming_content)) == 1
    (stream,) = chunks
    assert queries(lambda: next(stream)) == 1
    assert queries(lambda: list(stream)) == 3


def test_what_vanishes_during_a_download_is_left_out(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK", 2)
    made = [make_instance(stops_in=60 * number) for number in range(1, 6)]
    response = reader.get(CSV)
    stream = response.streaming_content
    first = next(stream)
    Instance.objects.filter(pk=made[-1].pk).delete()
    text = (first + b"".join(stream)).decode()
    assert made[-1].instance_id not in text
    assert made[-2].instance_id in text


@pytest.mark.parametrize("number", [10, 300])
def test_queries_do_not_grow_with_the_fleet(
    reader: Client, number: int, django_assert_num_queries: Any
) -> None:
    for _ in range(number):
        make_instance()
    # Session, person, views, keys, the audit event, clouds, one chunk of rows, and the
    # prices.
    with django_assert_num_queries(8):
        assert len(csv_rows(reader.get(CSV))) == number


def test_prices_are_numbers_and_unknown_ones_empty(reader: Client) -> None:
    make_price("2.10")
    make_instance(name="a")
    make_instance(name="b", flavor="new")
    rows = csv_rows(reader.get(CSV, {"sort": "price_per_hour"}))
    values = [(row["name"], row["price_per_hour"], row["currency"]) for row in rows]
    assert values == [("a", "2.10", "EUR"), ("b", "", "")]
    known, unknown = json.loads(body(reader.get(JSON, {"sort": "name"})))["instances"]
    assert (known["price_per_hour"], known["currency"]) == ("2.10", "EUR")
    assert (unknown["price_per_hour"], unknown["currency"]) == (None, None)


def test_the_list_links_to_what_it_shows(reader: Client) -> None:
    page = reader.get(reverse("instances:list"), {"q": "a b", "page": "3"}).text
    assert f'href="{CSV}?q=a+b"' in page
    assert f'href="{JSON}?q=a+b"' in page
    assert f'href="{CSV}"' in reader.get(reverse("instances:list")).text


def test_a_german_spreadsheet_opens_it_in_columns(reader: Client) -> None:
    make_instance(name="a;b", description="see wiki;=1+2")
    answer = reader.get(CSV, {"separator": "semicolon"})
    text = body(answer).removeprefix("\ufeff")
    (row,) = csv.DictReader(io.StringIO(text, newline=""), delimiter=";")
    assert row == csv_rows(reader.get(CSV))[0]
    assert (row["name"], row["description"]) == ("a;b", "see wiki;'=1+2")
    assert reader.get(CSV, {"separator": "pipe"}).status_code == 400
    page = reader.get(reverse("instances:list"), {"q": "a"}).text
    assert f'href="{CSV}?q=a&amp;separator=semicolon"' in page


def test_every_column_is_documented() -> None:
    paper = (ROOT / "docs" / "export.md").read_text()
    fleet, _, _ = paper.partition("\n## Costs and runs\n")
    assert re.findall(r"^\| `(\w+)` \|", fleet, re.MULTILINE) == list(COLUMNS)


def test_moments_are_utc(reader: Client) -> None:
    reader.cookies["curfew_tz"] = "Asia/Tokyo"
    instance = make_instance(stops_in=3_600)
    assert instance.stops_at is not None
    (row,) = csv_rows(reader.get(CSV))
    stops_at = datetime.fromisoformat(row["stops_at"])
    assert stops_at.utcoffset() == timedelta(0)
    assert abs(stops_at - instance.stops_at) < timedelta(seconds=1)
