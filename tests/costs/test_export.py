"""Costs and runs as files: the same numbers as on the page."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.costs.models import Run
from dashboard.paths import ROOT

from .pages import LAST_WEEK, number, tables

# Downloads are counted in the cache, by person.
pytestmark = pytest.mark.usefixtures("_empty_cache", "_week")

PAGE, CSV, JSON = (
    reverse(f"costs:{name}") for name in ("report", "report_csv", "report_json")
)
RUNS, RUNS_CSV, RUNS_JSON = (
    reverse(f"costs:{name}") for name in ("runs", "runs_csv", "runs_json")
)


@pytest.fixture
def reader(client: Client, viewer: User) -> Client:
    client.force_login(viewer)
    return client


def body(response: Any) -> str:
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


def rows_of(response: Any, separator: str = ",") -> list[dict[str, str]]:
    text = body(response).removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text), delimiter=separator))


def test_page_csv_and_json_have_the_same_numbers(reader: Client) -> None:
    *shown, total = tables(reader.get(f"{PAGE}?{LAST_WEEK}")).table("Hours, cost")[2:]
    rows = rows_of(reader.get(f"{CSV}?{LAST_WEEK}"))
    document = json.loads(body(reader.get(f"{JSON}?{LAST_WEEK}")))
    assert [row["row"] for row in rows] == ["line"] * len(shown) + ["total"]
    in_json = [*document["lines"], document["total"]]
    for cells, row, values in zip([*shown, total], rows, in_json, strict=True):
        hours, unknown, cny, eur, unpriced = (number(c.text) for c in cells[1:6])
        assert hours == pytest.approx(values["running_hours"], abs=0.05)
        assert unknown == pytest.approx(values["unknown_hours"], abs=0.05)
        assert cny == pytest.approx(values["cost"]["CNY"], abs=0.005)
        assert eur == pytest.approx(values["cost"]["EUR"], abs=0.005)
        assert unpriced == pytest.approx(values["unpriced_hours"], abs=0.05)
        assert row["running_hours"] == str(values["running_hours"])
        assert row["cost_EUR"] == str(values["cost"]["EUR"])
        for kind, ended in values["ended"].items():
            assert row[f"ended_{kind}"] == str(ended)
    assert rows[-1]["average_run_hours"] == str(document["total"]["average_run_hours"])


@pytest.mark.parametrize("by", ["owner", "flavor", "cloud", "tag&tag_key=team"])
def test_lines_and_trend_of_a_file_add_up(reader: Client, by: str) -> None:
    document = json.loads(body(reader.get(f"{JSON}?{LAST_WEEK}&by={by}")))
    total = document["total"]
    for parts in (document["lines"], document["trend"]):
        for name in ("running_hours", "stopped_hours", "unknown_hours"):
            assert sum(part[name] for part in parts) == pytest.approx(
                total[name], abs=1e-3
            )
        for currency in ("EUR", "CNY"):
            amounts = [part["cost"][currency] for part in parts]
            assert sum(amounts) == pytest.approx(total["cost"][currency], abs=1e-5)
        ended = sum(sum(part["ended"].values()) for part in parts)
        assert ended == sum(total["ended"].values()) == 16
    assert total["unknown_hours"] == 12
    (gap,) = document["gaps"]
    assert gap == {
        "cloud": "demo",
        "since": "2026-11-12T08:00:00+00:00",
        "until": "2026-11-12T11:00:00+00:00",
    }


def test_the_runs_of_a_file_cost_what_the_report_says(reader: Client) -> None:
    total = json.loads(body(reader.get(f"{JSON}?{LAST_WEEK}")))["total"]
    document = json.loads(body(reader.get(f"{RUNS_JSON}?{LAST_WEEK}")))
    rows = rows_of(reader.get(f"{RUNS_CSV}?{LAST_WEEK}"))
    runs = document["runs"]
    assert document["count"] == len(runs) == len(rows) == Run.objects.count()
    for name in ("running_hours", "unpriced_hours"):
        assert sum(run[name] for run in runs) == pytest.approx(total[name], abs=1e-3)
    for currency in ("EUR", "CNY"):
        running = total["cost"][currency] - total["stopped_cost"][currency]
        amounts = [run["cost"][currency] for run in runs]
        assert sum(amounts) == pytest.approx(running, abs=1e-4)
    for run, row in zip(runs, rows, strict=True):
        assert row["running_hours"] == str(run["running_hours"])
        assert row["cost_EUR"] == str(run["cost"]["EUR"])
        assert row["started_at"] == run["started_at"]
        assert row["had_auto_stop"] == ("yes" if run["had_auto_stop"] else "no")


def test_no_cell_is_a_formula(reader: Client) -> None:
    Run.objects.update(ended_by_name="=1+1")
    rows = rows_of(reader.get(f"{RUNS_CSV}?{LAST_WEEK}"))
    assert {row["ended_by_name"] for row in rows} == {"'=1+1"}
    rows = rows_of(reader.get(f"{CSV}?{LAST_WEEK}&by=tag&tag_key=team"))
    assert {row["label"] for row in rows} >= {"'=text", "vision"}


def test_semicolons_are_for_german_spreadsheets(reader: Client) -> None:
    response = reader.get(f"{CSV}?{LAST_WEEK}&separator=semicolon")
    assert rows_of(response, ";")[0]["row"] == "line"
    assert (
        'filename="curfew-costs-20261109-20261115.csv"'
        in (response.headers["Content-Disposition"])
    )


@pytest.mark.parametrize("url", [CSV, JSON, RUNS_CSV, RUNS_JSON])
@pytest.mark.parametrize(
    "query", ["period=custom&since=x", "by=color", "team=nobody", "separator=tab"]
)
def test_an_invalid_query_gets_no_file(reader: Client, url: str, query: str) -> None:
    if "separator" in query and url.endswith("json"):
        pytest.skip("JSON has no separator.")
    assert reader.get(f"{url}?{query}").status_code == 400
    assert not AuditEvent.objects.filter(action="costs.exported").exists()


@pytest.mark.parametrize("url", [RUNS_CSV, RUNS_JSON])
def test_scientists_export_their_own_runs(
    client: Client, scientist: User, url: str
) -> None:
    client.force_login(scientist)
    text = body(client.get(f"{url}?{LAST_WEEK}"))
    assert "anna.schmidt" in text
    assert "tom.becker" not in text
    assert "li.wei" not in text


def test_scientists_export_the_report_of_their_own(
    client: Client, scientist: User
) -> None:
    client.force_login(scientist)
    document = json.loads(body(client.get(f"{JSON}?{LAST_WEEK}&by=owner")))
    assert [line["label"] for line in document["lines"]] == ["anna.schmidt"]


def test_an_export_is_audited(reader: Client, viewer: User) -> None:
    body(reader.get(f"{RUNS_CSV}?{LAST_WEEK}&owner=tom.becker"))
    event = AuditEvent.objects.get(action="costs.exported")
    assert event.actor == viewer
    assert event.after["content"] == "runs"
    assert event.after["rows"] == 4
    assert "owner=tom.becker" in event.after["query"]


@pytest.mark.parametrize(
    ("address", "table", "parts"),
    [(CSV, 0, r"_[A-Z]{3}$|(?<=^ended)_\w+$"), (RUNS_CSV, 1, r"_[A-Z]{3}$")],
)
def test_every_column_is_documented(
    reader: Client, address: str, table: int, parts: str
) -> None:
    paper = (ROOT / "docs" / "export.md").read_text()
    _, _, costs = paper.partition("\n## Costs and runs\n")
    heads = re.findall(r"^\| (`[^|]+) \|", costs.split("| column |")[table + 1], re.M)
    documented = {name for head in heads for name in re.findall(r"`(\S+)`", head)}
    columns = rows_of(reader.get(f"{address}?{LAST_WEEK}"))[0]
    assert {re.sub(parts, "_…", name) for name in columns} - {"row"} == documented
