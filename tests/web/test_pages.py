"""What every page has in common."""

import json
import re
import zoneinfo
from datetime import UTC, datetime
from html import unescape

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import number_format

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.web.templatetags import pages


@pytest.fixture
def drawn(client: Client, viewer: User, instance: Instance) -> str:
    client.force_login(viewer)
    return client.get(reverse("instances:list")).text


def test_nothing_inline_that_the_policy_would_block(drawn: str) -> None:
    assert not re.findall(r"<script(?![^>]* src=)", drawn)
    assert "<style" not in drawn
    assert not re.findall(r"<[^>]+ (?:style|on\w+|hx-on[^=]*)=", drawn)


def test_the_policy_is_strict(client: Client, db: None) -> None:
    policy = client.get(reverse("account_login")).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_page_is_for_one_person_only(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    response = client.get(reverse("instances:list"))
    assert "no-store" in response.headers["Cache-Control"]
    assert "private" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("Europe/Berlin", "Mon 14:05 CET"),
        ("", "Mon 13:05 UTC"),
        ("../../etc/passwd", "Mon 13:05 UTC"),
        ("No/Where", "Mon 13:05 UTC"),
    ],
)
@time_machine.travel(datetime(2026, 11, 23, 9, tzinfo=UTC))
def test_moments_stand_in_the_viewer_s_zone(
    client: Client, viewer: User, instance: Instance, cookie: str, expected: str
) -> None:
    Instance.objects.update(stops_at=datetime(2026, 11, 23, 13, 5, tzinfo=UTC))
    client.force_login(viewer)
    client.cookies["curfew_tz"] = cookie
    assert expected in client.get(reverse("instances:list")).text


@time_machine.travel(datetime(2026, 11, 23, 9, tzinfo=UTC))
def test_over_https_the_cookie_has_its_prefix(
    client: Client, viewer: User, instance: Instance
) -> None:
    Instance.objects.update(stops_at=datetime(2026, 11, 23, 13, 5, tzinfo=UTC))
    client.force_login(viewer)
    client.cookies["curfew_tz"] = "Asia/Tokyo"  # as a neighbour might have set it
    client.cookies["__Host-curfew_tz"] = "Europe/Berlin"
    page = client.get(reverse("instances:list"), secure=True).text
    assert "Mon 14:05 CET" in page


@pytest.mark.parametrize(
    ("cookies", "secure", "expected"),
    [
        ({"curfew_theme": "dark"}, False, "dark"),
        ({"curfew_theme": 'dark" onload="'}, False, ""),
        ({"__Host-curfew_theme": "light"}, True, "light"),
        ({"curfew_theme": "dark"}, True, ""),  # as a neighbour might have set it
    ],
)
def test_the_server_draws_the_chosen_theme(
    client: Client, db: None, cookies: dict[str, str], secure: bool, expected: str
) -> None:
    for name, value in cookies.items():
        client.cookies[name] = value
    page = client.get(reverse("account_login"), secure=secure).text
    root = page[page.index("<html") : page.index("<head")]
    assert re.findall(r'data-theme="([^"]*)"', root) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("zone", "language", "names"),
    [
        ("Europe/Berlin", "en", {"GMT+01:00": "CET", "GMT+02:00": "CEST"}),
        ("Europe/Berlin", "de", {"GMT+01:00": "MEZ", "GMT+02:00": "MESZ"}),
        ("America/New_York", "en", {"GMT-05:00": "EST", "GMT-04:00": "EDT"}),
        ("Asia/Kolkata", "en", {"GMT+05:30": "IST"}),
        ("Asia/Kathmandu", "en", {"GMT+05:45": "UTC+5:45"}),
        ("America/Sao_Paulo", "en", {"GMT-03:00": "UTC-3"}),
        ("Europe/London", "en", {"GMT": "GMT", "GMT+01:00": "BST"}),
        ("UTC", "en", {"GMT": "UTC"}),
    ],
)
def test_browsers_get_the_names_of_the_zone(
    client: Client, viewer: User, zone: str, language: str, names: dict[str, str]
) -> None:
    client.force_login(viewer)
    client.cookies["curfew_tz"] = zone
    client.cookies["curfew_language"] = language
    page = client.get(reverse("instances:list")).text
    match = re.search(r'data-zone="([^"]+)"\s+data-zone-names="([^"]+)"', page)
    assert match
    assert match[1] == zone
    assert json.loads(unescape(match[2])) == names


def test_a_moment_that_is_not_known_is_a_dash() -> None:
    assert pages.moment(None) == "\N{EN DASH}"


def test_icons_are_silent() -> None:
    svg = pages.icon("moon")
    assert svg.startswith("<svg")
    assert 'aria-hidden="true"' in svg


@pytest.mark.parametrize(
    ("language", "number", "text"),
    [
        ("en", "1,234,567", "30 Nov 2026, 14:05 CET"),
        ("de", "1.234.567", "30.11.2026, 14:05 MEZ"),
        ("zh-hans", "1,234,567", "2026年11月30日 14:05 CET"),
    ],
)
def test_numbers_and_moments_in_each_language(
    language: str, number: str, text: str
) -> None:
    moment = datetime(2026, 11, 30, 13, 5, tzinfo=UTC)
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    with translation.override(language), timezone.override(berlin):
        assert number_format(1_234_567, force_grouping=True) == number
        assert pages.moment_text(moment, "moment") == text
