"""Rows that are rendered once and cached."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import RequestFactory
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.instances import listing, row_cache, selectors
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Cloud, FleetVersion, Instance
from tests.factories import make_instance

from .pages import add_edit

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each row that is drawn by its template."""
    found: list[str] = []
    original = row_cache.get_template

    def get_template(name: str) -> Any:
        found.append(name)
        return original(name)

    monkeypatch.setattr(row_cache, "get_template", get_template)
    return found


def html(user: User, now: datetime = NOW, **how: bool) -> str:
    found = selectors.with_news(Instance.objects.all(), now)
    rows = selectors.rows(found, user=user, now=now)
    return row_cache.rows_html(rows, **{"shows_cloud": False, **how})


def test_the_time_left_is_that_of_now(
    viewer: User, cloud_row: Cloud, drawn: list[str]
) -> None:
    make_instance(stops_at=NOW + timedelta(hours=2))
    first = html(viewer)
    later = html(viewer, NOW + timedelta(minutes=118))
    assert len(drawn) == 2
    assert html(viewer, NOW + timedelta(seconds=59)) == html(
        viewer, NOW + timedelta(seconds=1)
    )
    assert len(drawn) == 3
    assert "2 h 0 min" in first
    assert 'data-urgency="none"' in first
    assert "2 min 0 s" in later
    assert 'data-urgency="now"' in later
    assert "stopping…" in html(viewer, NOW + timedelta(hours=2))
    late = html(viewer, NOW + timedelta(hours=2, minutes=5))
    assert ">overdue<" in late


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"description": "other"},
        {"status": "STOPPING"},
        {"owner_name": "other"},
        {"flavor": "other"},
        {"flavor_type": "CPU"},
        {"problems": ["spec"]},
        {"missing_since": NOW},
        {"auto_stop_duration": 60},
        {"stops_at": NOW + timedelta(hours=2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_shown_makes_another_row(
    viewer: User, cloud_row: Cloud, drawn: list[str], change: dict[str, Any]
) -> None:
    make_instance(stops_at=NOW + timedelta(hours=1))
    before = html(viewer)
    Instance.objects.update(**change)
    after = html(viewer)
    row_cache._rows.clear()
    assert before != after == html(viewer)


def test_an_edit_a_right_a_zone_and_the_way_it_comes_make_another_row(
    viewer: User, operator: User, instance: Instance, drawn: list[str]
) -> None:
    seen = {html(viewer), html(operator), html(viewer, shows_cloud=True)}
    seen.add(html(viewer, out_of_band=True))
    with timezone.override("Asia/Tokyo"):
        seen.add(html(viewer))
    edit = add_edit(instance, operator)
    seen.add(html(viewer))
    edit.state = "sending"
    edit.save()
    seen.add(html(viewer))
    assert len(seen) == len(drawn) == 7


def test_a_stop_is_shown_without_its_date_on_its_day_only(
    viewer: User, cloud_row: Cloud
) -> None:
    make_instance(stops_at=NOW + timedelta(hours=20))
    with time_machine.travel(NOW):
        assert "Tue 5 May, 08:00" in html(viewer)
    with time_machine.travel(NOW + timedelta(hours=13)):
        assert "Tue 08:00" in html(viewer)


def test_nobody_reads_the_language_of_another(
    viewer: User, cloud_row: Cloud, drawn: list[str], rf: RequestFactory
) -> None:
    make_instance()
    version, query = FleetVersion.current(), ListQuery.of(rf.get("/").GET)
    numbers = listing.counters(viewer, version=version)
    page = listing.fleet_page(query, user=viewer, version=version, now=NOW)
    for language in ("en", "de", "en", "de"):
        with translation.override(language):
            html(viewer)
            facets = listing.facets(viewer, version=version)
            row_cache.filters_html(facets, query)
            row_cache.around_html(numbers, query, page, may_bulk=True)
    parts = ["row", "filters", "around"] * 2
    assert drawn == [f"instances/list.html#{part}" for part in parts]
