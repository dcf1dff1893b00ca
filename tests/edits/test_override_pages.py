"""The page and the popover of overrides, and what rows show of them."""

import re
from datetime import datetime, time as clock, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import dispatch
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.schedules import overrides
from dashboard.schedules.models import Override, Schedule, WorkingTime
from dashboard.web.middleware import TIME_ZONE_COOKIE
from tests.factories import make_cloud, make_instance, make_notebook
from tests.policies.conftest import make_rule

from .conftest import HTMX
from .test_popover import POPOVER, accepted, address


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", lambda *args, **options: None)


@pytest.fixture
def as_scientist(client: Client, scientist: User) -> Client:
    client.force_login(scientist)
    return client


def later(hours: float) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def posted(client: Client, instance: Instance, headers: Any = None, **form: Any) -> Any:
    values = {"kind": "keep", "until": later(4).isoformat()} | form
    return client.post(address("override", instance), values, headers=headers)


def make_schedule() -> Schedule:
    """It stops everything at each hour that can be told apart from now."""
    schedule = Schedule.objects.create(
        name="Office", position=1, time_zone="UTC", mode="on"
    )
    stop = (timezone.now() + timedelta(hours=5)).time()
    WorkingTime.objects.create(
        schedule=schedule, weekdays=[*range(7)], stop=clock(stop.hour)
    )
    return schedule


def test_a_notebook_is_kept_from_the_page_without_javascript(
    as_scientist: Client,
) -> None:
    notebook = make_notebook(cloud=make_cloud(max_run_hours=72))
    html = as_scientist.get(address("override", notebook)).content.decode()
    assert "72 hours at a time" in html
    answer = posted(as_scientist, notebook)
    assert (answer.status_code, answer["Location"]) == (
        303,
        notebook.get_absolute_url(),
    )
    override, edit = Override.objects.get(), Edit.objects.get()
    assert (edit.kind, edit.override) == ("extend", override)
    for url in (notebook.get_absolute_url(), "/instances/", "/due/", "/?mine=1"):
        assert "Kept until" in as_scientist.get(url).content.decode(), url


def test_the_popover_says_which_edit_it_has_created_or_that_it_is_saved(
    as_scientist: Client,
) -> None:
    notebook = make_notebook(cloud=make_cloud(max_run_hours=72))
    html = as_scientist.get(address("override", notebook), headers=POPOVER)
    assert 'id="popover-title"' in html.content.decode()
    told = accepted(posted(as_scientist, notebook, POPOVER))
    assert told["edit"] == str(Edit.objects.get().pk)
    told = accepted(posted(as_scientist, notebook, POPOVER, kind="ignore"))
    assert (told["text"], told["edit"]) == ("Saved.", "")


@pytest.mark.parametrize(
    ("of_browser", "chosen", "until"),
    [
        ("Asia/Kolkata", "", "2026-12-01T12:30Z"),
        ("America/New_York", "", "2026-12-01T23:00Z"),
        ("Asia/Kolkata", "Europe/Berlin", "2026-12-01T17:00Z"),
        ("Nowhere/Else", "", "2026-12-01T18:00Z"),
    ],
)
def test_an_own_date_is_in_the_zone_of_the_person(
    as_scientist: Client,
    scientist: User,
    time_machine: Any,
    of_browser: str,
    chosen: str,
    until: str,
) -> None:
    time_machine.move_to("2026-11-30T10:00:00Z")
    as_scientist.cookies[TIME_ZONE_COOKIE] = of_browser
    User.objects.filter(pk=scientist.pk).update(time_zone=chosen)
    typed = {"until": "", "own": "2026-12-01T18:00"}
    assert posted(as_scientist, make_instance(), **typed).status_code == 303
    assert Override.objects.get().until == datetime.fromisoformat(until)


@pytest.mark.parametrize(
    "form",
    [
        {"until": "", "own": ""},
        {"until": "yesterday"},
        {"until": "2020-01-01T00:00:00Z"},
        {"kind": "other"},
        {"kind": "skip"},
    ],
)
def test_what_is_wrong_is_said(as_scientist: Client, form: dict[str, str]) -> None:
    answer = posted(as_scientist, make_instance(), HTMX, **form)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert not Override.objects.exists()


def test_beyond_the_policies_owners_learn_the_latest_moment_and_what_to_do(
    as_scientist: Client,
) -> None:
    rule = make_rule(name="Short", kind="max_hours", max_seconds=4 * 3600)
    instance = make_instance()
    html = as_scientist.get(address("override", instance)).content.decode()
    assert "Policies allow:" in html
    answer = posted(as_scientist, instance, until=later(50).isoformat())
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "“Short” allows" in html
    assert reverse("policies:ask", args=[rule.pk, instance.pk]) in html


def test_operators_are_asked_for_a_reason_and_keep_their_choice(
    as_operator: Client,
) -> None:
    make_rule(name="Short", kind="max_hours", max_seconds=4 * 3600)
    instance, until = make_instance(), later(50).isoformat()
    html = posted(as_operator, instance, POPOVER, until=until).content.decode()
    assert 'name="reason"' in html
    assert html.count('name="until"') > 4
    accepted(posted(as_operator, instance, POPOVER, until=until, reason="A demo."))
    assert Override.objects.get().exceptions.count() == 1


def pressed_by_enter(html: str) -> str:
    """Return the first button of the form, which the key presses in a field."""
    form = html.partition('name="kind"')[0].rpartition("<form")[2]
    form += html.partition('name="kind"')[2]
    button = re.search(r'<button[^>]*type="submit"[^>]*>', form)
    assert button
    return button[0]


@pytest.mark.parametrize("headers", [None, POPOVER])
def test_enter_asks_for_the_date_that_was_typed(
    headers: Any, as_operator: Client
) -> None:
    make_rule(name="Short", kind="max_hours", max_seconds=4 * 3600)
    instance, until = make_instance(), later(50).replace(second=0, microsecond=0)
    html = as_operator.get(address("override", instance), headers=headers).text
    assert "name=" not in pressed_by_enter(html)
    # Asked for a reason, Enter in its field confirms the date that was chosen.
    html = posted(as_operator, instance, headers, until=until.isoformat()).text
    assert "name=" not in pressed_by_enter(html)
    own = re.search(r'name="own"[^>]*value="([^"]+)"', html)
    assert own
    posted(as_operator, instance, headers, until="", own=own[1], reason="A demo.")
    assert Override.objects.get().until == until


def test_a_skip_is_offered_only_before_a_stop_and_names_it(
    as_scientist: Client,
) -> None:
    instance = make_instance()
    menu = reverse("instances:menu", args=[instance.cloud.name, instance.instance_id])
    assert "Skip the stop" not in as_scientist.get(menu).content.decode()
    make_schedule()
    assert "Skip the stop" in as_scientist.get(menu).content.decode()
    url = address("override", instance)
    html = as_scientist.get(f"{url}?kind=skip", headers=POPOVER).content.decode()
    until = html.partition('name="until" value="')[2].partition('"')[0]
    accepted(posted(as_scientist, instance, POPOVER, kind="skip", until=until))
    override = Override.objects.get()
    assert override.skips == datetime.fromisoformat(until)
    wrong = later(30).isoformat()
    answer = posted(as_scientist, instance, POPOVER, kind="skip", until=wrong)
    assert "next stop is now" in answer.content.decode()


def test_an_old_instance_says_what_cannot_be_kept_and_what_is_lost(
    as_scientist: Client,
) -> None:
    instance = make_instance()
    html = as_scientist.get(address("override", instance)).content.decode()
    assert "ModelArts cannot move its end" in html
    assert "Start it again" in html
    assert "data in memory is lost" in html
    posted(as_scientist, instance, starts_again="on")
    assert Override.objects.get().starts_again
    assert not Edit.objects.exists()


def test_what_cannot_be_kept_is_not_said_to_be_kept(as_scientist: Client) -> None:
    posted(as_scientist, make_instance())
    html = as_scientist.get("/instances/").content.decode()
    assert "No scheduled stop until" in html
    assert "Kept until" not in html


def test_it_is_ended_from_the_popover_and_the_row_changes(
    as_scientist: Client,
) -> None:
    instance = make_notebook()
    posted(as_scientist, instance)
    assert "Kept until" in as_scientist.get("/instances/").content.decode()
    url = address("end_override", instance)
    told = accepted(as_scientist.post(url, headers=POPOVER))
    assert "ended" in told["text"]
    assert "Kept until" not in as_scientist.get("/instances/").content.decode()
    assert as_scientist.post(url).status_code == 303, "also twice"


@pytest.mark.parametrize(("person", "status"), [("viewer", 403), ("stranger", 403)])
def test_others_may_not(
    person: str, status: int, client: Client, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    instance = make_instance()
    assert posted(client, instance).status_code == status
    assert client.post(address("end_override", instance)).status_code == status
    assert client.get(address("override", instance)).status_code == status


def test_the_page_of_all_overrides_shows_own_ones_first_and_ends_them(
    as_scientist: Client, operator: User
) -> None:
    own, other = make_instance(name="own"), make_instance(name="other", owner_name="x")
    posted(as_scientist, own)
    overrides.create_override(
        instance=other, actor=operator, kind="ignore", until=later(4), reason="Tests"
    )
    url = reverse("edits:overrides")
    html = as_scientist.get(url).content.decode()
    assert ("own" in html, "Tests" in html) == (True, False)
    html = as_scientist.get(url, {"whose": "all"}).content.decode()
    assert "Ignores schedules until" in html
    assert html.count("end/") == 1, "of another owner there is no button"
    ended = as_scientist.post(address("end_override", own), {"back": url})
    assert ended["Location"] == url
    assert "No overrides in effect" in as_scientist.get(url).content.decode()


def test_what_is_gone_cannot_be_kept(as_operator: Client) -> None:
    instance = make_instance(missing_since=timezone.now())
    assert posted(as_operator, instance).status_code == 409


def test_rows_take_one_query_more_for_any_number_of_overrides(
    as_operator: Client, operator: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        posted(as_operator, make_notebook())
    with django_assert_max_num_queries(30) as asked:
        html = as_operator.get("/instances/").content.decode()
    assert html.count("Kept until") >= 5
    assert sum('"schedules_override"' in item["sql"] for item in asked) == 1
