"""Rows that are rendered once and cached."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.instances import filter_widgets, listing, row_cache, selectors
from dashboard.instances.display import DEFAULT
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Cloud, FleetVersion, Instance
from tests.factories import make_instance

from .pages import add_edit

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the templates that were rendered."""
    names: list[str] = []

    def render(name: str, context: dict[str, Any]) -> str:
        names.append(name)
        return render_to_string(name, context)

    monkeypatch.setattr("dashboard.instances.row_cache.render_to_string", render)
    return names


SHOWN = filter_widgets.shown_parts(DEFAULT, clouds=1, generations=1)


def html(user: User, now: datetime = NOW, **options: Any) -> str:
    instances = selectors.with_news(Instance.objects.all(), now)
    rows = selectors.rows(instances, user=user, now=now)
    return row_cache.rows_html(rows, **{"shown": SHOWN, **options}).decode()


def test_the_time_left_is_that_of_now(
    viewer: User, cloud_row: Cloud, rendered: list[str]
) -> None:
    make_instance(stops_at=NOW + timedelta(hours=2))
    assert "2 h 0 min" in html(viewer)
    assert "1 h 1 min" in html(viewer, NOW + timedelta(minutes=59))
    assert len(rendered) == 1
    later = html(viewer, NOW + timedelta(minutes=118))
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
def test_an_instance_that_changed_is_another_row(
    viewer: User, cloud_row: Cloud, change: dict[str, Any]
) -> None:
    make_instance(stops_at=NOW + timedelta(hours=1))
    before = html(viewer)
    Instance.objects.update(**change)
    FleetVersion.stamp(Instance.objects.all())
    after = html(viewer)
    row_cache._rows.clear()
    assert before != after == html(viewer)


def test_a_cloud_with_another_name_makes_other_rows(
    viewer: User, instance: Instance, cloud_row: Cloud
) -> None:
    before = html(viewer)
    Cloud.objects.update(name="other")
    assert "/other/" not in before
    assert "/other/" in html(viewer)


def test_an_edit_a_right_a_zone_and_the_way_it_comes_make_another_row(
    viewer: User, operator: User, instance: Instance, rendered: list[str]
) -> None:
    pages = {html(viewer), html(operator), html(viewer, shown=(*SHOWN, "cloud"))}
    pages.add(html(viewer, out_of_band=True))
    with timezone.override("Asia/Tokyo"):
        pages.add(html(viewer))
    edit = add_edit(instance, operator)
    pages.add(html(viewer))
    edit.state = "sending"
    edit.save()
    pages.add(html(viewer))
    assert len(pages) == len(rendered) == 7


def test_a_stop_is_shown_without_its_date_on_its_day_only(
    viewer: User, cloud_row: Cloud
) -> None:
    make_instance(stops_at=NOW + timedelta(hours=20))
    with time_machine.travel(NOW):
        assert "Tue 5 May, 08:00" in html(viewer)
    with time_machine.travel(NOW + timedelta(hours=13)):
        assert "Tue 08:00" in html(viewer)


def test_nobody_reads_the_language_of_another(
    viewer: User, cloud_row: Cloud, rendered: list[str], rf: RequestFactory
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
    around = [
        f"list.html#{part}"
        for part in ("number", "counters", "chips", "found", "foot", "matching")
    ]
    templates = ["_row.html", "_filters.html", *around] * 2
    assert rendered == [f"instances/{template}" for template in templates]
