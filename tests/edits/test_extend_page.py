"""The page that gives the current run another end."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from dashboard.accounts.models import User
from dashboard.edits import display, extension, services
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.policies.models import Rule
from tests.factories import make_cloud, make_instance, make_notebook

from .conftest import HTMX, hidden

NOON = datetime(2026, 11, 30, 11, 0, tzinfo=UTC)
ZONE = {"curfew_tz": "Europe/Berlin"}


def page_of(instance: Instance) -> str:
    return reverse("edits:extend", args=[instance.cloud.name, instance.instance_id])


def presets(html: str) -> dict[str, datetime]:
    """The ends that the page offers, by what stands on their buttons."""
    found = re.findall(
        r'name="until"\s+value="([^"]+)"[^>]*>\s*<strong>([^<]+)</strong>', html
    )
    return {label: datetime.fromisoformat(value) for value, label in found}


def end_of(edit: Edit) -> datetime:
    return extension.moment(edit.instance.cloud, edit.patch["stop_timestamp_ms"])


@pytest.fixture
def at_noon(client: Client, operator: User) -> Iterator[Client]:
    """An operator's browser in Berlin, at 12:00 there."""
    with time_machine.travel(NOON, tick=False):
        client.force_login(operator)
        client.cookies.load(ZONE)
        yield client


@pytest.fixture
def notebook(db: None) -> Instance:
    """It stops in two hours; its cloud is 3 s ahead of us."""
    return make_notebook(cloud=make_cloud(skew_ms=3_000))


def test_each_button_says_when_the_run_would_end(at_noon: Client) -> None:
    notebook = make_notebook(stops_in=7200)
    html = at_noon.get(page_of(notebook)).text
    ends_at = NOON + timedelta(hours=2)
    offered = presets(html)
    assert offered == {
        "+1 h": ends_at + timedelta(hours=1),
        "+2 h": ends_at + timedelta(hours=2),
        "+4 h": ends_at + timedelta(hours=4),
        "until 18:00": NOON + timedelta(hours=6),
        "until tomorrow 09:00": NOON + timedelta(hours=21),
    }
    assert (
        'datetime="2026-11-30T18:00:00+01:00" data-format="stop">Mon 18:00 CET' in html
    )
    assert "at most 24 hours from now" in html
    assert 'min="2"' in html
    assert 'max="24"' in html


def test_what_is_beyond_the_limits_is_not_offered(at_noon: Client) -> None:
    cloud = make_cloud(max_run_hours=5)
    notebook = make_notebook(stops_in=3 * 3600 + 600, cloud=cloud)
    html = at_noon.get(page_of(notebook)).text
    assert list(presets(html)) == ["+1 h"]
    assert 'min="3.5"' in html
    assert 'max="5"' in html
    notebook = make_notebook(stops_in=4 * 3600 + 1800, cloud=cloud)
    html = at_noon.get(page_of(notebook)).text
    assert presets(html) == {"As long as possible": NOON + timedelta(hours=5)}
    notebook = make_notebook(stops_in=5 * 3600, cloud=cloud)
    html = at_noon.get(page_of(notebook)).text
    assert not presets(html)
    assert "already lasts as long as it can" in html


def test_a_run_that_is_about_to_stop_gets_the_least_that_the_cloud_allows(
    at_noon: Client,
) -> None:
    html = at_noon.get(page_of(make_notebook(stops_in=-30))).text
    assert presets(html)["+1 h"] == NOON + extension.SHORTEST + extension.MARGIN
    assert presets(html)["+2 h"] == NOON + timedelta(hours=2)


@pytest.mark.parametrize("fields", [{"stops_in": 30}, {"idle_seconds": 3600}])
def test_the_earliest_end_is_still_possible_after_a_while(
    client: Client, operator: User, fields: dict[str, Any]
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client.force_login(operator)
        notebook = make_notebook(**fields)
        html = client.get(page_of(notebook)).text
        earliest = min(presets(html).values())
        clock.shift(extension.PATIENCE - timedelta(seconds=1))
        posted = {"until": earliest.isoformat(), "seen": unescape(hidden(html, "seen"))}
        assert client.post(page_of(notebook), posted).status_code == 303
        now = timezone.now()
    late = end_of(Edit.objects.get()) - now
    assert abs(late - extension.SHORTEST - extension.MARGIN) < timedelta(seconds=1)


def test_the_slider_begins_with_one_hour(at_noon: Client) -> None:
    notebook = make_notebook(stops_in=600)
    html = at_noon.get(page_of(notebook)).text
    assert 'min="1"' in html
    assert 'data-least-seconds="3720"' in html
    at_noon.post(page_of(notebook), {"hours": "1"})
    least = NOON + extension.SHORTEST + extension.MARGIN
    assert abs(end_of(Edit.objects.get()) - least) < timedelta(milliseconds=2)


def test_enter_in_a_field_asks_for_what_was_typed(
    as_operator: Client, notebook: Instance
) -> None:
    # The first button of a form is what the key presses.
    html = as_operator.get(page_of(notebook)).text
    forms = re.findall(r"<form\b.*?</form>", html, re.DOTALL)
    for field, by in (("hours", "hours"), ("idle_hours", "idle")):
        (form,) = [one for one in forms if f'name="{field}"' in one]
        button = re.search(r'<button[^>]*type="submit"[^>]*>', form)
        assert button
        assert f'value="{by}"' in button[0]


def test_a_policy_that_cuts_the_limit_is_named_before_anything_is_chosen(
    at_noon: Client,
) -> None:
    Rule.objects.create(
        name="Short days", kind="max_hours", max_seconds=4 * 3600, mode="enforce"
    )
    notebook = make_notebook(stops_in=3600, run_started_at=NOON - timedelta(hours=1))
    html = at_noon.get(page_of(notebook)).text
    assert "Policy “Short days”" in html
    assert "“Stop when idle” is not possible" in html
    assert 'name="idle_hours"' not in html
    assert presets(html).keys() == {"+1 h", "+2 h"}
    assert 'max="3"' in html
    late = {"until": (NOON + timedelta(hours=3, minutes=1)).isoformat()}
    answer = at_noon.post(page_of(notebook), late)
    assert answer.status_code == 422
    assert "Policy “Short days”" in answer.text


def test_a_button_asks_for_the_end_that_it_names(
    as_operator: Client, notebook: Instance
) -> None:
    html = as_operator.get(page_of(notebook)).text
    until = presets(html)["+2 h"]
    fields = {"until": until.isoformat(), "seen": unescape(hidden(html, "seen"))}
    for _ in range(2):
        # The fields beside the buttons come along.
        answer = as_operator.post(
            page_of(notebook), fields | {"hours": "2", "idle_hours": "1"}
        )
        assert answer.status_code == 303
        assert answer["Location"] == notebook.get_absolute_url()
    edit = Edit.objects.get()
    assert edit.kind == Edit.Kind.EXTEND
    assert abs(end_of(edit) - until) < timedelta(milliseconds=2)
    assert edit.base["stop_timestamp_ms"] == notebook.stop_timestamp_ms


def test_hours_count_from_now(as_operator: Client, notebook: Instance) -> None:
    before = timezone.now()
    answer = as_operator.post(page_of(notebook), {"hours": "4,5"}, headers=HTMX)
    assert answer["HX-Redirect"] == notebook.get_absolute_url()
    late = end_of(Edit.objects.get()) - before - timedelta(hours=4.5)
    assert timedelta(milliseconds=-2) < late < timedelta(minutes=1)


def test_it_leads_back_to_the_list_with_a_banner(
    as_operator: Client, notebook: Instance
) -> None:
    listed = reverse("instances:list") + "?q=lab"
    answer = as_operator.post(
        page_of(notebook), {"hours": "4", "back": listed}, follow=True
    )
    assert answer.redirect_chain == [(listed, 303)]
    assert str(Edit.objects.get().pk) in answer.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hours": "25"}, "at most 24 hours from now"),
        ({"hours": "0.5"}, "at least one hour from now"),
        ({"hours": "1"}, "already lasts longer"),
        ({"hours": "four"}, "Enter a number of hours"),
        ({"hours": "nan"}, "Enter a number of hours"),
        ({"hours": "1e999"}, "Enter a number of hours"),
        ({}, "Enter a number of hours"),
        ({"by": "hours", "hours": "", "idle_hours": "1"}, "Enter a number of hours"),
        ({"until": "tomorrow"}, "Not extended."),
        ({"until": "9999-12-31T23:59:59-14:00"}, "Not extended."),
        ({"until": "2020-01-01T00:00:00Z"}, "at least one hour from now"),
        ({"by": "idle", "hours": "4", "idle_hours": "99"}, "1 to 24 hours"),
        ({"seen": "forged", "hours": "4"}, "open for too long"),
    ],
)
def test_what_is_not_possible_is_said(
    as_operator: Client, notebook: Instance, fields: dict[str, str], words: str
) -> None:
    answer = as_operator.post(page_of(notebook), fields, headers=HTMX)
    assert answer.status_code == 422
    assert words in answer.text
    assert "<html" not in answer.text
    assert not Edit.objects.exists()


def test_an_end_that_another_person_moved_is_shown_before_anything_is_sent(
    as_operator: Client, notebook: Instance, scientist: User
) -> None:
    html = as_operator.get(page_of(notebook)).text
    until = presets(html)["+1 h"]
    theirs = timezone.now() + timedelta(hours=2.5)
    edit = services.submit_extension(
        instance=notebook,
        actor=scientist,
        patch=extension.patch_until(notebook, theirs, timezone.now()),
        base=extension.base_of(notebook),
    )
    Edit.objects.update(state=Edit.State.APPLIED, finished_at=timezone.now())
    Instance.objects.update(
        stops_at=theirs, stop_timestamp_ms=edit.patch["stop_timestamp_ms"]
    )
    fields = {"until": until.isoformat(), "seen": unescape(hidden(html, "seen"))}
    answer = as_operator.post(page_of(notebook), fields, headers=HTMX)
    assert answer.status_code == 409
    assert "the end of this run changed in the meantime" in answer.text
    assert "Changed by <bdi>scientist</bdi>" in answer.text
    assert presets(answer.text)["+1 h"] > until
    assert Edit.objects.count() == 1


def test_an_idle_lease_can_get_a_fixed_end(as_operator: Client) -> None:
    notebook = make_notebook(idle_seconds=3600)
    html = as_operator.get(page_of(notebook)).text
    assert "stops after 1 h idle" in html
    assert 'name="idle_hours"' in html
    assert {"in 1 h", "in 2 h", "in 4 h"} <= presets(html).keys()
    as_operator.post(page_of(notebook), {"until": presets(html)["in 2 h"].isoformat()})
    assert Edit.objects.get().patch["lease_type"] == "timing"


def test_a_fixed_end_can_become_an_idle_lease(
    as_operator: Client, notebook: Instance
) -> None:
    fields = {"by": "idle", "hours": "4", "idle_hours": "2"}
    assert as_operator.post(page_of(notebook), fields).status_code == 303
    patch = {"lease_type": "idle", "idle_seconds": 7200}
    edit = Edit.objects.get()
    assert edit.patch == patch
    assert display.change_text(edit) == "Stop when idle for 2 h"
    with override("de"):
        assert display.change_text(edit) == "Nach 2 h Leerlauf stoppen"


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "STOPPED"}, "Only a running instance can be extended"),
        ({"auto_stop_enable": False}, "no end to move"),
        ({"missing_since": NOON}, "no longer lists this instance"),
    ],
)
def test_a_run_that_cannot_be_extended_says_why(
    as_operator: Client, method: str, fields: dict[str, Any], words: str
) -> None:
    answer = getattr(as_operator, method)(page_of(make_notebook(**fields)))
    assert answer.status_code == 409
    assert words in answer.text
    assert not Edit.objects.exists()


def test_the_old_api_leads_to_the_setting_of_the_next_run(as_operator: Client) -> None:
    instance = make_instance()
    answer = as_operator.get(page_of(instance))
    assert answer.status_code == 409
    assert "the old API changes only the next run" in answer.text
    assert f'href="{instance.get_absolute_url()}edit/"' in answer.text


@pytest.mark.parametrize("person", ["viewer", "stranger"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_is_told_so(
    client: Client,
    notebook: Instance,
    person: str,
    method: str,
    request: pytest.FixtureRequest,
) -> None:
    client.force_login(request.getfixturevalue(person))
    fields = {"hours": "4"} if method == "post" else {}
    assert getattr(client, method)(page_of(notebook), fields).status_code == 403
    assert not Edit.objects.exists()
