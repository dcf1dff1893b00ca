"""Start and stop: asked, confirmed, refused."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
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
    assert "Queued. It will be sent" in page
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


def test_a_post_without_the_question_is_a_wish_too(
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
