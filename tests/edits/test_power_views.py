"""Start and stop: asked, confirmed, refused."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule
from tests import factories

from .conftest import HTMX, hidden


def address(kind: str, instance: Instance) -> str:
    return reverse(f"edits:{kind}", args=[instance.cloud.name, instance.instance_id])


@pytest.fixture
def stopped(db: None) -> Instance:
    """One that can be started."""
    return factories.make_instance(status="STOPPED")


def test_a_stop_says_what_is_lost_and_is_one_edit(
    as_operator: Client, instance: Instance
) -> None:
    html = as_operator.get(address("stop", instance)).content.decode()
    assert "This will end the session" in html
    assert "/home/ma-user/work" in html
    assert not Edit.objects.exists()
    for _ in range(2):
        answer = as_operator.post(
            address("stop", instance), {"key": hidden(html, "key")}
        )
        assert answer.status_code == 303
        assert answer["Location"] == instance.get_absolute_url()
    assert Edit.objects.get().kind == Edit.Kind.STOP


@pytest.mark.parametrize("kind", ["start", "stop"])
def test_the_question_names_which_instance_exactly(
    as_operator: Client, kind: str
) -> None:
    status = "STOPPED" if kind == "start" else "RUNNING"
    began = datetime(2026, 3, 1, 8, tzinfo=UTC)
    instance = factories.make_instance(status=status, run_started_at=began)
    html = as_operator.get(address(kind, instance)).content.decode()
    main = html.partition("<main")[2]
    for word in (instance.cloud.name, instance.instance_id, instance.flavor):
        assert word in main
    assert instance.owner_name in main
    assert ("running since <time" in main) == (kind == "stop")


def test_no_success_is_claimed_before_there_is_one(
    as_operator: Client, instance: Instance
) -> None:
    page = as_operator.post(address("stop", instance), follow=True).content.decode()
    assert "Saving…" in page
    assert 'data-tone="success"' not in page


def test_a_refusal_by_htmx_takes_the_place_of_the_question(
    as_operator: Client, instance: Instance
) -> None:
    Instance.objects.update(status="STOPPED")
    answer = as_operator.post(address("stop", instance), headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "already stopped" in html
    assert "<html" not in html


def test_a_start_says_how_long_it_runs(as_operator: Client, stopped: Instance) -> None:
    html = as_operator.get(address("start", stopped)).content.decode()
    assert "<strong>8 h</strong>, then it stops automatically" in html
    assert "from start until stopped" in html
    as_operator.post(address("start", stopped), {"key": hidden(html, "key")})
    assert Edit.objects.get().kind == Edit.Kind.START


def test_a_start_without_auto_stop_warns(as_operator: Client) -> None:
    instance = factories.make_instance(status="STOPPED", auto_stop_enable=False)
    html = as_operator.get(address("start", instance)).content.decode()
    assert "until stopped manually" in html
    assert "Turn on auto-stop" in html


def test_a_start_of_a_notebook_asks_for_its_run_time(as_operator: Client) -> None:
    notebook = factories.make_notebook(status="STOPPED")
    html = as_operator.get(address("start", notebook)).text
    assert 'name="hours"' in html
    assert 'data-hours="8"' in html
    assert "1 to 24 hours from the start" in html
    assert "not reported" not in html
    assert "No auto-stop" not in html
    fields = {"key": hidden(html, "key"), "hours": "1,5"}
    assert as_operator.post(address("start", notebook), fields).status_code == 303
    patch = {"auto_stop_enable": True, "auto_stop_duration": 5400}
    assert Edit.objects.get().patch == patch


def test_no_auto_stop_is_offered_where_the_cloud_allows_it(
    as_operator: Client,
) -> None:
    cloud = factories.make_cloud("huawei", allows_no_auto_stop=True, max_run_hours=2)
    notebook = factories.make_notebook(status="STOPPED", cloud=cloud)
    html = as_operator.get(address("start", notebook)).text
    assert "it keeps running and billing until someone stops it" in html
    assert 'data-hours="4"' not in html
    as_operator.post(address("start", notebook), {"no_auto_stop": "on"})
    assert Edit.objects.get().patch == {"auto_stop_enable": False}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hours": ""}, "Enter a number of hours"),
        ({"hours": "25"}, "A run may last 1 to 24 hours."),
        ({"hours": "0,2"}, "A run may last 1 to 24 hours."),
        ({"no_auto_stop": "on"}, "does not allow runs without auto-stop"),
    ],
)
def test_a_run_time_that_is_not_possible_is_said(
    as_operator: Client, fields: dict[str, str], words: str
) -> None:
    notebook = factories.make_notebook(status="STOPPED")
    answer = as_operator.post(address("start", notebook), fields, headers=HTMX)
    assert answer.status_code == 422
    assert words in answer.text
    assert "<html" not in answer.text
    assert not Edit.objects.exists()


def test_the_limit_of_a_policy_is_shown_before_anything_is_chosen(
    as_operator: Client,
) -> None:
    def rule(name: str, seconds: int, mode: str = "enforce") -> None:
        Rule.objects.create(name=name, kind="max_hours", max_seconds=seconds, mode=mode)

    rule("Short runs", 3 * 3600)
    rule("Longer runs", 30 * 3600)
    rule("Reported", 3600, mode="report")
    cloud = factories.make_cloud(allows_no_auto_stop=True)
    notebook = factories.make_notebook(status="STOPPED", cloud=cloud)
    html = as_operator.get(address("start", notebook)).text
    assert "1 to 3 hours from the start" in html
    assert "Policy “Short runs”: The maximum run time is 3 h." in html
    assert 'max="3"' in html
    assert 'value="3"' in html
    assert 'data-hours="4"' not in html
    assert "No auto-stop" not in html
    assert "Reported" not in html
    # Where each run has an end, only the shortest maximum matters.
    Cloud.objects.update(allows_no_auto_stop=False)
    html = as_operator.get(address("start", notebook)).text
    assert "Short runs" in html
    assert "Longer runs" not in html


def test_a_policy_that_only_needs_auto_stop_does_not_shorten_the_run(
    as_operator: Client,
) -> None:
    Rule.objects.create(name="With an end", kind="auto_stop", mode="enforce")
    cloud = factories.make_cloud(allows_no_auto_stop=True)
    notebook = factories.make_notebook(status="STOPPED", cloud=cloud)
    html = as_operator.get(address("start", notebook)).text
    assert "1 to 24 hours from the start" in html
    assert "Policy “With an end”: Auto-stop must be on." in html
    assert 'name="no_auto_stop"' not in html


def test_a_run_time_that_a_policy_forbids_can_be_chosen_again(
    as_operator: Client,
) -> None:
    Rule.objects.create(
        name="Short runs", kind="max_hours", max_seconds=7200, mode="enforce"
    )
    notebook = factories.make_notebook(status="STOPPED")
    fields = {"hours": "3", "key": "k"}
    answer = as_operator.post(address("start", notebook), fields, headers=HTMX)
    assert answer.status_code == 409
    assert "Short runs" in answer.text
    assert 'value="3"' in answer.text
    as_operator.post(address("start", notebook), fields | {"hours": "2"})
    assert Edit.objects.get().patch["auto_stop_duration"] == 7200


def test_a_post_without_the_question_is_a_change_too(
    as_operator: Client, instance: Instance
) -> None:
    answer = as_operator.post(address("stop", instance), headers=HTMX)
    assert answer["HX-Redirect"] == instance.get_absolute_url()
    assert Edit.objects.count() == 1


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("start", "RUNNING", "already running"),
        ("stop", "STOPPED", "already stopped"),
        ("start", "STARTING", "cannot be started while its status is “Starting”"),
        ("stop", "STOPPING", "cannot be stopped while its status is “Stopping”"),
        ("start", "HIBERNATING", "while its status is “HIBERNATING”"),
        ("stop", "CREATE_FAILED", "while its status is “Creation failed”"),
    ],
)
def test_what_the_status_does_not_allow_is_explained(
    as_operator: Client, method: str, kind: str, status: str, words: str
) -> None:
    instance = factories.make_instance(status=status)
    answer = getattr(as_operator, method)(address(kind, instance))
    assert answer.status_code == 409
    assert words in answer.content.decode()
    assert not Edit.objects.exists()


@pytest.mark.parametrize("kind", ["start", "stop"])
def test_a_vanished_instance_is_left_alone(as_operator: Client, kind: str) -> None:
    instance = factories.make_instance(missing_since=datetime.now(UTC))
    answer = as_operator.post(address(kind, instance))
    assert answer.status_code == 409
    assert "no longer lists this instance" in answer.content.decode()


@pytest.mark.parametrize("person", ["viewer", "stranger"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_is_told_so(
    client: Client,
    instance: Instance,
    person: str,
    method: str,
    request: pytest.FixtureRequest,
) -> None:
    client.force_login(request.getfixturevalue(person))
    assert getattr(client, method)(address("stop", instance)).status_code == 403
    assert not Edit.objects.exists()


@pytest.mark.parametrize("kind", ["start", "stop"])
def test_sign_in_unknown_and_wrong_method(
    client: Client, instance: Instance, kind: str, operator: object
) -> None:
    assert client.post(address(kind, instance)).status_code == 302
    client.force_login(operator)  # type: ignore[arg-type]
    assert client.delete(address(kind, instance)).status_code == 405
    unknown = reverse(f"edits:{kind}", args=["demo", "DE-0"])
    assert client.get(unknown).status_code == 404
