"""The page of one instance, and its poll."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.costs import current_prices
from dashboard.edits import dispatch, messages
from dashboard.edits.models import Edit
from dashboard.edits.services import submit_edit
from dashboard.instances import activity
from dashboard.instances.countdown import unix_ms
from dashboard.instances.mapping import columns
from dashboard.instances.models import FleetVersion, Instance, InstanceEvent
from dashboard.modelarts import schemas
from dashboard.schedules.models import Override
from tests import factories
from tests.schedules.conftest import make_schedule

DOCUMENTS = Path(__file__).parent.parent / "contract" / "documents" / "composed"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def as_viewer(client: Client, viewer: User) -> Client:
    """A viewer's browser."""
    client.force_login(viewer)
    return client


def mirrored(name: str) -> Instance:
    """An instance as the refresh would store this document."""
    document = json.loads((DOCUMENTS / f"demanager-composed-{name}.json").read_text())
    wire = schemas.Instance.model_validate(document)
    now = timezone.now()
    stop = wire.spec and wire.spec.auto_stop
    if stop and stop.stop_timestamp and stop.remain_time:
        # When it was answered.
        ms = stop.stop_timestamp - stop.remain_time * 1_000
        now = datetime.fromtimestamp(ms / 1_000, UTC)
    values = columns(wire, skew_ms=0, known=None, now=now)
    return factories.make_instance(instance_id=wire.id, **values)


def text(browser: Client, instance: Instance) -> str:
    answer = browser.get(instance.get_absolute_url())
    assert answer.status_code == 200
    return answer.content.decode()


def poll(browser: Client, instance: Instance, since: object) -> Any:
    url = reverse(
        "instances:detail_changes", args=[instance.cloud.name, instance.instance_id]
    )
    return browser.get(url, {"since": since}, headers=HTMX)


def test_both_clocks_and_the_settings_are_shown(
    as_viewer: Client, instance: Instance
) -> None:
    html = text(as_viewer, instance)
    assert f'id="instance-{instance.pk}"' in html
    assert f'data-instance="{instance.instance_id}"' in html
    assert f'data-stops-at="{unix_ms(instance.stops_at)}"' in html
    assert "Stops in" in html
    assert "Auto-stop after" in html
    assert "Churn model, second try" in html


def test_no_id_of_its_content_is_one_of_the_list(
    as_viewer: Client, instance: Instance
) -> None:
    """The list shows the content in a side sheet."""
    content = text(as_viewer, instance).partition('id="detail"')[2]
    ids = re.findall(r'\sid="([^"]+)"', content.partition('<div id="poller"')[0])
    taken = re.findall(r'\sid="([^"]+)"', as_viewer.get("/instances/").text)
    assert ids
    assert not set(ids) & set(taken)
    assert len(ids) == len(set(ids))


def test_a_notebook_shows_its_lease_its_tags_and_what_can_be_changed(
    client: Client, operator: User
) -> None:
    client.force_login(operator)
    cloud = factories.make_cloud(has_tags=True)
    notebook = factories.make_notebook(cloud=cloud, tags={"team": "a b", "gpu": ""})
    html = text(client, notebook)
    assert f'href="{notebook.get_absolute_url()}extend/"' in html
    assert 'href="/instances/?tag=team%3Da%20b"' in html
    assert 'href="/instances/?tag=gpu"' in html
    assert "New API" in html
    assert "You can move the end of this run while it runs." in html
    # It has no such settings, which is not the same as unknown ones.
    assert "not reported" not in html
    assert "Not reported" not in html


def test_a_run_without_auto_stop_does_not_promise_that_its_end_moves(
    as_viewer: Client,
) -> None:
    instance = factories.make_notebook(auto_stop_enable=False)
    html = as_viewer.get(instance.get_absolute_url()).text
    assert "This run has no auto-stop, so there is no end to move." in html
    assert "You can move the end of this run" not in html


def test_a_stopped_notebook_does_not_explain_how_its_run_is_extended(
    as_viewer: Client,
) -> None:
    html = text(as_viewer, factories.make_notebook(status="STOPPED"))
    assert "New API" in html
    assert "You can move the end of this run" not in html
    assert 'class="soft small-text explanation"' not in html


def test_the_old_api_says_why_there_is_no_extension(
    client: Client, operator: User, instance: Instance
) -> None:
    client.force_login(operator)
    html = text(client, instance)
    assert "/extend/" not in html
    assert "the old API cannot move the end of this run" in html


def test_every_field_that_is_not_secret_is_shown(as_viewer: Client) -> None:
    html = text(as_viewer, mirrored("pool-and-repository"))
    for expected in (
        "modelarts.bm.gpu.v100NV32",
        "64 GiB",
        "Available",
        "modelarts.bm.gpu</code>",
        "/home/ma-user/work",
        "5 GB",
        "/bucket2/data/",
        "atelier/mul-kernel-gpu-cuda-cp36:2.0.5-B003",
        "team pool",
        "dedicated",
        "default-ai-project",
        "https://git.example.com/x.git",
        "alice",
        "/bucket/logs/",
        "/bucket/init.sh",
        "ops_dev_env",
        "15dda26361214ca2a5953917d2f48ffb",
        "2020-07-16T",
    ):
        assert expected in html, expected
    for secret in ("FAKE", "alice@example.com"):
        assert secret not in html
    assert 'href="https://' not in html


def test_a_place_in_the_queue_is_shown(as_viewer: Client) -> None:
    html = text(as_viewer, mirrored("queued"))
    assert "Queue position" in html
    assert "Estimated start" in html


def test_a_failure_is_explained_with_its_code(as_viewer: Client) -> None:
    instance = mirrored("create-failed")
    reasons = instance.document["spec"]["failed_reasons"]
    html = text(as_viewer, instance)
    assert reasons["code"] in html
    assert reasons["message"] in html
    assert "Creation failed" in html


def test_a_known_code_has_its_plain_sentence(as_viewer: Client) -> None:
    reasons = {"code": "ModelArts.6360", "message": "<b>resource</b>"}
    instance = factories.make_instance(
        status="START_FAILED", document={"spec": {"failed_reasons": reasons}}
    )
    html = text(as_viewer, instance)
    assert "There are not enough free resources at the moment." in html
    assert "&lt;b&gt;resource" in html


def test_unreadable_and_missing_instances_say_so(as_viewer: Client) -> None:
    instance = factories.make_instance(
        problems=["spec.storage"], missing_since=datetime.now(UTC)
    )
    html = text(as_viewer, instance)
    assert "<code>spec.storage</code>" in html
    assert "No longer in" in html


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"spec": None, "profile": 3, "flavor_details": {"params": {"CPU": [1, {}]}}},
        {"flavor_details": {"store_time": -1, "duration": -1}, "queuing_info": {}},
        {"spec": {"annotations": {"url": "javascript:alert(1)", "x": "<script>"}}},
    ],
)
def test_odd_documents_do_not_break_the_page(
    as_viewer: Client, document: dict[str, Any]
) -> None:
    html = text(as_viewer, factories.make_instance(document=document))
    assert 'href="javascript' not in html
    assert "<script>" not in html.split("<main")[1]


def test_the_history_is_shown(as_viewer: Client, instance: Instance) -> None:
    InstanceEvent.objects.create(
        instance=instance,
        at=datetime.now(UTC) - timedelta(hours=2),
        from_status="STOPPING",
        to_status="STOPPED",
        reason=InstanceEvent.Reason.AUTO_STOP,
    )
    html = text(as_viewer, instance)
    assert "<strong>Stopped</strong>, auto-stop" in html
    assert "from Stopping" in html


@pytest.mark.parametrize(
    ("person", "offered"),
    [("viewer", False), ("stranger", False), ("scientist", True), ("operator", True)],
)
def test_only_permitted_actions_are_offered(
    client: Client,
    instance: Instance,
    person: str,
    offered: bool,
    request: pytest.FixtureRequest,
) -> None:
    client.force_login(request.getfixturevalue(person))
    html = text(client, instance)
    assert (f'id="edit-button-{instance.pk}"' in html) == offered
    assert ('id="stop-button"' in html) == offered
    assert 'id="start-button"' not in html


def test_its_edits_stand_on_it(
    as_viewer: Client,
    instance: Instance,
    operator: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "enqueue", lambda *args: None)
    edit = submit_edit(
        instance=instance, actor=operator, patch={"auto_stop_duration": 3600}, base={}
    )
    html = text(as_viewer, instance)
    assert f'data-edit="{edit.pk}" data-state="queued"' in html
    assert "Run time 1 h" in html


class TestPoll:
    """The live parts, when something changed."""

    def test_nothing_new_is_no_content(
        self, as_viewer: Client, instance: Instance, django_assert_num_queries: Any
    ) -> None:
        since = instance.version
        with django_assert_num_queries(3):  # session, user, instance
            answer = poll(as_viewer, instance, since)
        assert answer.status_code == 204
        assert "as_of_ms" in json.loads(answer["HX-Trigger"])["curfew:unchanged"]

    def test_a_change_brings_the_live_parts_and_the_next_poller(
        self, as_viewer: Client, instance: Instance
    ) -> None:
        since = instance.version
        Instance.objects.update(status="STOPPED", stops_at=None)
        version = FleetVersion.stamp(Instance.objects.all())
        html = poll(as_viewer, instance, since).content.decode()
        assert html.lstrip().startswith('<div id="poller"')
        assert f"since={version}" in html
        clocks = f"clocks-{instance.pk}"
        for part in (clocks, "identity", "actions", "outcome", "activity", "details"):
            assert f'id="{part}"' in html
        # What somebody types there stays.
        assert 'class="edit-slot"' not in html
        # It does not go on saying since when it runs.
        assert "running since" not in html
        assert html.count("hx-swap-oob") >= 8
        assert "Stopped" in html
        assert "<html" not in html

    @pytest.mark.parametrize("since", ["", "x", "-1", 2**64])
    def test_a_version_that_makes_no_sense_is_refused(
        self, as_viewer: Client, instance: Instance, since: object
    ) -> None:
        assert poll(as_viewer, instance, since).status_code == 400

    def test_it_polls_sooner_while_something_is_under_way(
        self, as_viewer: Client
    ) -> None:
        quiet = factories.make_instance(status="STOPPED")
        moving = factories.make_instance(status="STOPPING")
        assert 'data-interval="5"' in text(as_viewer, quiet)
        assert 'data-interval="2"' in text(as_viewer, moving)


def test_sign_in_unknown_and_wrong_method(
    client: Client, instance: Instance, viewer: User
) -> None:
    url = instance.get_absolute_url()
    assert client.get(url).status_code == 302
    assert "login" in poll(client, instance, 0)["HX-Redirect"]
    client.force_login(viewer)
    assert client.post(url).status_code == 405
    for cloud, name in ((instance.cloud.name, "DE-0"), ("x", instance.instance_id)):
        for view in ("detail", "detail_changes"):
            unknown = reverse(f"instances:{view}", args=[cloud, name])
            assert client.get(unknown, {"since": 0}).status_code == 404


def test_the_activity_has_changes_and_statuses_in_one_order_page_by_page(
    client: Client, instance: Instance, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "enqueue", lambda *args: None)
    client.force_login(operator)
    now = datetime.now(UTC)
    for minutes in range(1, activity.PER_PAGE + 3):
        InstanceEvent.objects.create(
            instance=instance,
            # Two of them at one moment, where the page ends.
            at=now - timedelta(minutes=minutes // 2 * 2),
            to_status="RUNNING",
            from_status=f"WAS-{minutes}",
        )
    base = {"auto_stop_duration": 28_800}
    failed = submit_edit(
        instance=instance, actor=operator, patch={"auto_stop_duration": 3600}, base=base
    )
    Edit.objects.filter(pk=failed.pk).update(
        state="failed",
        created_at=now - timedelta(minutes=3),
        finished_at=now - timedelta(minutes=30),
        message=messages.PAST_DEADLINE(),
    )
    first = text(client, instance)
    item = " ".join(first.partition("Run time 1 h</strong>")[2].split())
    assert f"by <bdi>{operator}</bdi>" in item
    assert "8 h</span> <span aria-hidden" in item
    assert f'action="/edits/{failed.pk}/retry/"' in item

    earlier = re.search(r'href="([^"]+before=[^"]+)#activity"', first)
    assert earlier
    second = client.get(earlier[1]).text
    shown = [set(re.findall(r"from (WAS-\d+)", page)) for page in (first, second)]
    assert len(shown[0] | shown[1]) == activity.PER_PAGE + 2
    assert not shown[0] & shown[1]
    assert "<strong>Discovered" in second
    assert "<strong>Discovered" not in first
    # It stays on that page while it polls.
    assert "before=" in second.partition('id="poller"')[2].partition(">")[0]

    # A newer change of the same setting leaves nothing to retry.
    submit_edit(
        instance=instance, actor=operator, patch={"auto_stop_duration": 7200}, base=base
    )
    assert f"/edits/{failed.pk}/retry/" not in text(client, instance)


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({}, False),
        ({"auto_stop_duration": 7_200}, True),
        ({"auto_stop_enable": False}, True),
        ({"stops_at": None}, True),
        ({"stops_at": None, "auto_stop_enable": False}, False),
        ({"run_started_at": None}, False),
        ({"auto_stop_enable": None}, False),
        ({"status": "STOPPED", "auto_stop_duration": 7_200}, False),
    ],
)
def test_a_restart_is_offered_if_the_next_run_has_another_auto_stop(
    client: Client,
    instance: Instance,
    operator: User,
    changes: dict[str, Any],
    offered: bool,
) -> None:
    client.force_login(operator)
    now = timezone.now()
    values = {
        "auto_stop_enable": True,
        "auto_stop_duration": 28_800,
        "run_started_at": now - timedelta(hours=7),
        "stops_at": now + timedelta(hours=1),
    }
    Instance.objects.filter(pk=instance.pk).update(**values | changes)
    html = text(client, instance)
    assert (f'id="restart-button-{instance.pk}"' in html) == offered


def test_what_people_look_for_is_shown_and_the_rest_is_folded(
    as_viewer: Client,
) -> None:
    instance = mirrored("pool-and-repository")
    html = text(as_viewer, instance)
    shown, _, folded = html.partition('id="all-details"')
    main = shown.partition('id="settings"')[2].partition("</section>")[0]
    labels = re.findall(r'<dt dir="auto">([^<]+)</dt>', main)
    wanted = ["Flavor", "GPUs", "Memory", "Image", "Storage", "Workspace", "Created"]
    assert [label for label in wanted if label in labels] == labels[: len(wanted)]
    assert labels[-1] == "Instance ID"
    assert f'data-copy="{instance.instance_id}"' in main
    assert "Log path" in folded
    assert f'data-copy="{instance.instance_id}"' not in folded


def test_the_number_of_queries_does_not_grow(
    as_viewer: Client,
    instance: Instance,
    operator: User,
    admin: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    monkeypatch.setattr(dispatch, "enqueue", lambda *args: None)
    # Session, user, instance with its override, edits, events, what waits, policies,
    # runs. Once for each fleet version the schedules, and once a minute the prices.
    current_prices.forget()
    with django_assert_num_queries(10):
        text(as_viewer, instance)
    for number in range(6):
        submit_edit(
            instance=instance,
            actor=operator if number % 2 else admin,
            patch={"description": f"text {number}"},
            base={},
        )
        InstanceEvent.objects.create(
            instance=instance, at=datetime.now(UTC), to_status="RUNNING"
        )
    with django_assert_num_queries(9):
        text(as_viewer, instance)
    with django_assert_num_queries(8):
        text(as_viewer, instance)


def test_schedules_an_override_runs_and_requests_take_no_further_query(
    client: Client, admin: User, instance: Instance, django_assert_num_queries: Any
) -> None:
    client.force_login(admin)
    make_schedule(holidays=[date(2026, 12, 25)])
    until = timezone.now() + timedelta(hours=3)
    Override.objects.create(
        instance=instance, kind="ignore", until=until, created_by=admin
    )
    for hours in (1, 2):
        factories.make_run(instance=instance, hours=hours)
    page = text(client, instance)
    assert "Ignores schedules until" in page
    assert "Office hours 1" in page
    assert "Runs and costs" in page
    with django_assert_num_queries(8):
        text(client, instance)
