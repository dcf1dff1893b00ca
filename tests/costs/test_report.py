"""The page of costs."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import CloudUser, Team, User
from dashboard.accounts.teams import save_team
from dashboard.costs.models import Price, Run
from dashboard.instances.models import Cloud
from tests.factories import make_run

from .pages import LAST_WEEK, NOW, Cell, number, tables

pytestmark = pytest.mark.usefixtures("_now")

PAGE, RUNS = reverse("costs:report"), reverse("costs:runs")
LINES = "Hours, cost and ended runs"


@pytest.fixture
def reader(client: Client, viewer: User) -> Client:
    client.force_login(viewer)
    return client


def lines(client: Client, query: str = "") -> list[list[Cell]]:
    """The rows below the two rows of heads; the last one is the total."""
    response = client.get(f"{PAGE}?{LAST_WEEK}&{query}")
    return tables(response).table(LINES)[2:]


@pytest.mark.usefixtures("_week")
@pytest.mark.parametrize(
    "by", ["owner", "flavor", "workspace", "cloud", "tag&tag_key=team"]
)
def test_the_lines_add_up_to_the_total(reader: Client, by: str) -> None:
    *rows, total = lines(reader, f"by={by}")
    assert total[0].text == "Total"
    for index in range(1, len(total)):
        if total[index].label == "Average run":
            continue
        parts = [number(row[index].text) for row in rows]
        # Each number is rounded.
        most = len(parts) * 0.05 if total[index].label != "Share" else 2
        assert sum(parts) == pytest.approx(number(total[index].text), abs=most)


@pytest.mark.usefixtures("_week")
def test_currencies_stand_side_by_side(reader: Client) -> None:
    response = reader.get(f"{PAGE}?{LAST_WEEK}")
    heads = [cell.text for cell in tables(response).table(LINES)[0]]
    assert [head for head in heads if head.startswith("Cost")] == [
        "Cost (CNY)",
        "Cost (EUR)",
    ]
    html = response.content.decode()
    assert "Cost in CNY" in html
    assert "Cost in EUR" in html


@pytest.mark.usefixtures("_week")
def test_hours_without_a_price_are_no_cost(reader: Client) -> None:
    rows = {row[0].text: row for row in lines(reader)}
    li = {cell.label: cell.text for cell in rows["li.wei"]}
    assert li["Hours without a price"] == li["Hours"] != "0.0"
    assert li["Cost"].startswith("\N{EN DASH}")


@pytest.mark.usefixtures("_week")
@pytest.mark.parametrize("by", ["owner", "flavor", "tag&tag_key=team"])
def test_each_line_leads_to_its_runs(reader: Client, by: str) -> None:
    *rows, _ = lines(reader, f"by={by}")
    for row in rows:
        shown = tables(reader.get(row[0].href)).table("Runs")[1:]
        hours = sum(number(run[5].text) for run in shown)
        assert hours == pytest.approx(number(row[1].text), abs=len(shown) * 0.05)


@pytest.mark.usefixtures("_week")
def test_the_numbers_of_ended_runs_lead_to_them(reader: Client) -> None:
    *_, total = lines(reader)
    kinds = {cell.label: cell for cell in total if cell.label.startswith("Ended by")}
    assert len(kinds) == len(Run.EndedBy)
    for cell in kinds.values():
        shown = tables(reader.get(cell.href)).table("Runs")[1:]
        assert len(shown) == number(cell.text)


@pytest.mark.usefixtures("_week")
def test_a_filter_keeps_the_others_out(reader: Client) -> None:
    names = [row[0].text for row in lines(reader, "flavor=modelarts.vm.cpu.8u")]
    assert names == ["tom.becker", "Total"]
    names = [row[0].text for row in lines(reader, "tag=team")]
    assert names == ["anna.schmidt", "li.wei", "Total"]
    names = [row[0].text for row in lines(reader, "owner=@none")]
    assert names == ["Unknown", "Total"]


@pytest.mark.usefixtures("_week")
def test_a_team_is_a_filter(reader: Client) -> None:
    save_team(name="Blue", owners=["tom.becker"], actor=None)
    assert Team.objects.count() == 1
    names = [row[0].text for row in lines(reader, "team=Blue")]
    assert names == ["tom.becker", "Total"]


@pytest.mark.usefixtures("_week")
def test_scientists_see_their_own_costs_only(client: Client, scientist: User) -> None:
    client.force_login(scientist)
    names = [row[0].text for row in lines(client, "by=owner")]
    assert names == ["anna.schmidt", "Total"]
    for url in (f"{PAGE}?{LAST_WEEK}&owner=tom.becker", f"{RUNS}?{LAST_WEEK}"):
        assert (
            "tom.becker"
            not in client.get(url).content.decode().partition("costs-period")[2]
        )
    options = client.get(PAGE).content.decode()
    assert "modelarts.vm.gpu.v100" in options
    assert "modelarts.vm.cpu.8u" not in options


@pytest.mark.usefixtures("_week")
def test_a_scientist_without_a_modelarts_user_sees_nothing(
    client: Client, scientist: User
) -> None:
    CloudUser.objects.all().delete()
    client.force_login(scientist)
    html = client.get(f"{PAGE}?{LAST_WEEK}").content.decode()
    assert "No ModelArts user mapped" in html
    assert "anna.schmidt" not in html


@pytest.mark.usefixtures("_week")
@pytest.mark.parametrize("step", ["day", "week"])
def test_the_trend_has_a_text_for_each_bar_and_a_table(
    reader: Client, step: str
) -> None:
    response = reader.get(f"{PAGE}?{LAST_WEEK}&step={step}&measure=hours")
    html = response.content.decode()
    bars = re.findall(r'data-walk\s+href="([^"]+)"\s+aria-label="([^"]+)"', html)
    rows = tables(response).table("Hours and cost by")[1:-1]
    assert len(bars) == len(rows) == {"day": 7, "week": 1}[step]
    for (_, text), row in zip(bars, rows, strict=True):
        assert f"{row[1].text} h" in text
    # One of them is a tab stop, and the arrow keys lead to the others.
    assert html.count('tabindex="-1"') >= len(bars) - 1


@pytest.mark.usefixtures("_week")
def test_the_trend_adds_up_to_the_total_of_the_lines(reader: Client) -> None:
    response = reader.get(f"{PAGE}?{LAST_WEEK}")
    trend = tables(response).table("Hours and cost by")[-1]
    total = tables(response).table(LINES)[-1]
    assert [cell.text for cell in trend] == [cell.text for cell in total[: len(trend)]]


@pytest.mark.usefixtures("_week")
def test_gaps_are_told_in_words(reader: Client) -> None:
    html = reader.get(f"{PAGE}?{LAST_WEEK}").content.decode()
    words = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    times = "12 Nov 2026, 08:00 UTC to 12 Nov 2026, 11:00 UTC"
    assert f"demo was not read from {times}" in words


@pytest.mark.usefixtures("_week")
def test_the_longest_runs_without_auto_stop(reader: Client) -> None:
    rows = tables(reader.get(f"{PAGE}?{LAST_WEEK}")).table("The ten longest")[1:]
    hours = [number(row[5].text) for row in rows]
    # Of anna and li.
    assert len(rows) == 8
    assert {row[1].text for row in rows} == {"anna.schmidt", "li.wei"}
    assert hours[0] > hours[-1]


def test_errors_stay_beside_their_fields_and_there_is_no_report(
    reader: Client, cloud_row: Cloud
) -> None:
    make_run(started_at=NOW.replace(hour=1))
    query = "period=custom&since=2026-11-20&until=2026-11-01&flavor=typed"
    html = reader.get(f"{PAGE}?{query}").content.decode()
    assert "Must not be before the first day." in html
    assert 'value="2026-11-20"' in html
    assert 'value="typed" selected' in html
    assert "No report: fix the fields above." in html
    assert 'id="trend"' not in html


def test_before_the_first_run(reader: Client, cloud_row: Cloud) -> None:
    html = reader.get(PAGE).content.decode()
    assert "No runs yet" in html
    make_run(started_at=NOW.replace(hour=1))
    html = reader.get(PAGE).content.decode()
    assert "No runs yet" not in html
    assert "No prices yet." in html
    assert "Admins can enter prices." in html
    html = reader.get(f"{PAGE}?period=last_month").content.decode()
    assert "No runs in this period" in html
    assert not Price.objects.exists()


@pytest.mark.usefixtures("_week")
def test_the_number_of_queries_does_not_grow(
    reader: Client, django_assert_max_num_queries: Any
) -> None:
    for index in range(30):
        make_run(started_at=NOW.replace(hour=1), owner_name=f"person {index}")
    with django_assert_max_num_queries(40):
        reader.get(PAGE)
