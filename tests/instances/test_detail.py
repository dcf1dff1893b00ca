"""The page of one instance, and its poll."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import tasks
from dashboard.edits.services import submit_edit
from dashboard.instances.mapping import columns
from dashboard.instances.models import FleetVersion, Instance, InstanceEvent
from dashboard.modelarts import schemas
from tests import factories

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


def test_both_clocks_and_the_settings_are_told(
    as_viewer: Client, instance: Instance
) -> None:
    html = text(as_viewer, instance)
    assert f'id="instance-{instance.pk}"' in html
    assert f'data-instance="{instance.instance_id}"' in html
    assert f'data-stops-at="{instance.stops_at_ms}"' in html
    assert "Stops in" in html
    assert "Auto-stop after" in html
    assert "Churn model, second try" in html


def test_every_field_that_is_not_secret_is_told(as_viewer: Client) -> None:
    html = text(as_viewer, mirrored("pool-and-repository"))
    for told in (
        "modelarts.bm.gpu.v100NV32",
        "64GiB",
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
        assert told in html, told
    for secret in ("FAKE", "alice@example.com"):
        assert secret not in html
    assert 'href="https://' not in html


def test_a_place_in_the_queue_is_told(as_viewer: Client) -> None:
    html = text(as_viewer, mirrored("queued"))
    assert "Queue position" in html
    assert "Estimated start" in html


def test_a_failure_is_told_in_words_with_its_code(as_viewer: Client) -> None:
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


def test_what_could_not_be_read_and_what_vanished_is_said(as_viewer: Client) -> None:
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


def test_what_happened_is_told(as_viewer: Client, instance: Instance) -> None:
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
def test_only_what_one_may_do_is_offered(
    client: Client,
    instance: Instance,
    person: str,
    offered: bool,
    request: pytest.FixtureRequest,
) -> None:
    client.force_login(request.getfixturevalue(person))
    html = text(client, instance)
    assert ('id="edit-button"' in html) == offered
    assert ('id="stop-button"' in html) == offered
    assert 'id="start-button"' not in html


def test_its_edits_stand_on_it(
    as_viewer: Client,
    instance: Instance,
    operator: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "enqueue", lambda pk: None)
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
        with django_assert_num_queries(4):  # session, user, version, instance
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
        parts = ("identity", "actions", "clocks", "outcome", "history", "events")
        for part in (*parts, "facts"):
            assert f'id="{part}"' in html
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

    def test_it_asks_sooner_while_something_is_under_way(
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


def test_the_number_of_queries_does_not_grow(
    as_viewer: Client,
    instance: Instance,
    operator: User,
    admin: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    monkeypatch.setattr(tasks, "enqueue", lambda pk: None)
    # Session, user, version, instance, edits, events, the bell; of policies rules,
    # exceptions and planned stops.
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
    with django_assert_num_queries(10):
        text(as_viewer, instance)
