"""Why did it stop? Each stop seen has an answer, on the page and in the audit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits.models import Edit
from dashboard.instances import causes
from dashboard.instances.models import Instance, InstanceEvent
from tests.factories import make_notebook

from .pages import add_edit

Reason = InstanceEvent.Reason


def observe(instance: Instance, status: str, **fields: Any) -> causes.Cause:
    """The next observation of an instance; returns the cause, all written down."""
    now = datetime.now(UTC)
    before = Instance.objects.get(pk=instance.pk)
    after = Instance.objects.get(pk=instance.pk)
    for name, value in {"status": status, **fields}.items():
        setattr(after, name, value)
    cause = causes.cause_of(before, after, now)
    causes.record_stop(before, after, cause)
    InstanceEvent.objects.create(
        instance=instance,
        at=now,
        from_status=before.status,
        to_status=status,
        reason=cause.reason,
        actor=cause.edit.actor if cause.edit else None,
        edit_id=cause.edit.pk if cause.edit else None,
    )
    after.status_since = now
    after.save()
    return cause


def applied(instance: Instance, actor: User | None, **fields: Any) -> Edit:
    fields = {"state": "applied", "finished_at": datetime.now(UTC)} | fields
    return add_edit(instance, actor, **fields)


def stop(instance: Instance, actor: User, **fields: Any) -> Edit:
    return applied(instance, actor, kind="stop", patch={}, **fields)


def trail() -> AuditEvent:
    return AuditEvent.objects.get(action="instance.stopped")


def test_its_time_was_over(instance: Instance) -> None:
    Instance.objects.update(stops_at=datetime.now(UTC))
    assert observe(instance, "STOPPING").reason == Reason.AUTO_STOP
    assert observe(instance, "STOPPED").reason == Reason.AUTO_STOP
    assert (trail().actor_label, trail().actor) == ("ModelArts", None)


def test_someone_stopped_it(instance: Instance, operator: User) -> None:
    edit = stop(instance, operator)
    assert observe(instance, "STOPPING").edit == edit
    cause = observe(instance, "STOPPED")
    assert (cause.reason, cause.edit) == (Reason.REQUESTED, edit)
    assert trail().actor == operator
    assert trail().after["edit"] == str(edit.pk)
    assert trail().instance == instance.reference


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("schedule_name", "Stopped by the schedule “Nights”."),
        ("policy_name", "Stopped by the policy “Nights”."),
    ],
)
def test_a_schedule_or_a_policy_stopped_it(
    instance: Instance, field: str, sentence: str
) -> None:
    edit = applied(instance, None, kind="stop", patch={}, **{field: "Nights"})
    assert observe(instance, "STOPPED").edit == edit
    assert str(trail().reason) == sentence
    assert trail().actor_name == edit.actor_name


def test_a_stop_of_an_earlier_run_is_no_answer(
    instance: Instance, operator: User
) -> None:
    stop(instance, operator, finished_at=datetime.now(UTC) - timedelta(minutes=5))
    Instance.objects.update(status_since=datetime.now(UTC) - timedelta(minutes=2))
    assert observe(instance, "STOPPED").reason == Reason.UNKNOWN


def test_nobody_knows(instance: Instance) -> None:
    assert observe(instance, "STOPPED").reason == Reason.UNKNOWN
    assert trail().actor_label == "unknown"
    assert "console" in str(trail().reason)


@pytest.mark.parametrize("earlier", [True, False])
def test_the_cloud_froze_it(instance: Instance, earlier: bool) -> None:
    frozen = {"error_code": causes.IN_ARREARS}
    if earlier:
        Instance.objects.update(document=frozen)
    assert observe(instance, "STOPPED", document=frozen).reason == Reason.FROZEN


def test_a_notebook_was_frozen(db: None) -> None:
    assert observe(make_notebook(), "FROZEN").reason == Reason.FROZEN
    assert trail().actor_label == "ModelArts"


@pytest.mark.parametrize(
    ("minutes", "reason"), [(-1, Reason.IDLE), (30, Reason.UNKNOWN)]
)
def test_nobody_used_it(db: None, minutes: int, reason: str) -> None:
    """An idle lease stops a notebook at its earliest stop, or later."""
    earliest = datetime.now(UTC) + timedelta(minutes=minutes)
    notebook = make_notebook(lease_type="idle", stops_in=None, idle_stop_at=earliest)
    assert observe(notebook, "STOPPING").reason == reason
    assert observe(notebook, "STOPPED").reason == reason


def test_saving_an_image_ends_no_run(db: None) -> None:
    observe(make_notebook(), "SNAPSHOTTING")
    assert not AuditEvent.objects.filter(action="instance.stopped").exists()


@pytest.mark.parametrize(
    ("status", "words"), [("DELETING", "Deleted"), ("ERROR", "reports an error")]
)
def test_other_ends_of_a_notebook(db: None, status: str, words: str) -> None:
    observe(make_notebook(), status)
    assert words in str(trail().reason)


def test_restarted(instance: Instance) -> None:
    assert observe(instance, "RESTARTING").reason == Reason.RESTARTED
    assert observe(instance, "RUNNING").reason == Reason.RESTARTED
    assert trail().after["cause"] == "restarted"


def hold_hours(instance: Instance, seconds: int) -> None:
    """As read back when the edit was applied."""
    instance.auto_stop_duration = seconds
    instance.save(update_fields=["auto_stop_duration"])


def test_restarted_for_a_new_setting(instance: Instance, operator: User) -> None:
    applied(instance, operator, applied_while_running=True)
    hold_hours(instance, 7_200)
    assert observe(instance, "RESTARTING").reason == Reason.NEW_SETTING


def test_stopped_to_be_started_with_a_new_setting(
    instance: Instance, operator: User
) -> None:
    applied(instance, operator, applied_while_running=True)
    hold_hours(instance, 7_200)
    stop(instance, operator, seq=2, key="stop")
    add_edit(instance, operator, seq=3, key="start", kind="start", patch={})
    cause = observe(instance, "STOPPING")
    assert (cause.reason, cause.edit.actor) == (Reason.NEW_SETTING, operator)


def test_a_start_that_waited_for_the_stop_has_its_actor(
    instance: Instance, operator: User, admin: User
) -> None:
    stop(instance, operator)
    start = add_edit(instance, admin, seq=2, key="start", kind="start", patch={})
    observe(instance, "STOPPED")
    Edit.objects.filter(pk=start.pk).update(state="sending")
    assert observe(instance, "STARTING").edit == start
    assert observe(instance, "RUNNING").edit == start


def test_the_page_names_the_actor_and_links_to_the_change(
    client: Client, viewer: User, instance: Instance, operator: User
) -> None:
    edit = stop(instance, operator)
    observe(instance, "STOPPED")
    client.force_login(viewer)
    page = client.get(instance.get_absolute_url()).text
    assert "by <bdi>operator</bdi>" in page
    assert f"/edits/{edit.pk}/" in page.partition('id="activity"')[2]


def test_a_stop_without_a_reason_says_so(
    client: Client, viewer: User, instance: Instance
) -> None:
    observe(instance, "STOPPED")
    client.force_login(viewer)
    assert "reason unknown" in client.get(instance.get_absolute_url()).text
