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

from .pages import add_edit

Reason = InstanceEvent.Reason


def seen(instance: Instance, status: str, **fields: Any) -> causes.Cause:
    """The next observation of an instance; returns the cause, all written down."""
    now = datetime.now(UTC)
    before = Instance.objects.get(pk=instance.pk)
    after = Instance.objects.get(pk=instance.pk)
    for name, value in {"status": status, **fields}.items():
        setattr(after, name, value)
    cause = causes.cause_of(before, after, now)
    causes.note_stop(before, after, cause)
    InstanceEvent.objects.create(
        instance=instance,
        at=now,
        from_status=before.status,
        to_status=status,
        reason=cause.reason,
        actor=cause.wish.actor if cause.wish else None,
        edit_id=cause.wish.pk if cause.wish else None,
    )
    after.status_since = now
    after.save()
    return cause


def applied(instance: Instance, actor: User, **fields: Any) -> Edit:
    fields = {"state": "applied", "finished_at": datetime.now(UTC)} | fields
    return add_edit(instance, actor, **fields)


def stop(instance: Instance, actor: User, **fields: Any) -> Edit:
    return applied(instance, actor, kind="stop", patch={}, **fields)


def trail() -> AuditEvent:
    return AuditEvent.objects.get(action="instance.stopped")


def test_its_time_was_over(instance: Instance) -> None:
    Instance.objects.update(stops_at=datetime.now(UTC))
    assert seen(instance, "STOPPING").reason == Reason.AUTO_STOP
    assert seen(instance, "STOPPED").reason == Reason.AUTO_STOP
    assert (trail().actor_label, trail().actor) == ("ModelArts", None)


def test_somebody_stopped_it(instance: Instance, operator: User) -> None:
    edit = stop(instance, operator)
    assert seen(instance, "STOPPING").wish == edit
    cause = seen(instance, "STOPPED")
    assert (cause.reason, cause.wish) == (Reason.REQUESTED, edit)
    assert trail().actor == operator
    assert trail().after["edit"] == str(edit.pk)
    assert trail().instance == instance.reference


def test_a_stop_of_an_earlier_run_is_no_answer(
    instance: Instance, operator: User
) -> None:
    stop(instance, operator, finished_at=datetime.now(UTC) - timedelta(minutes=5))
    Instance.objects.update(status_since=datetime.now(UTC) - timedelta(minutes=2))
    assert seen(instance, "STOPPED").reason == Reason.UNKNOWN


def test_nobody_knows(instance: Instance) -> None:
    assert seen(instance, "STOPPED").reason == Reason.UNKNOWN
    assert trail().actor_label == "unknown"
    assert "console" in str(trail().reason)


@pytest.mark.parametrize("earlier", [True, False])
def test_the_cloud_froze_it(instance: Instance, earlier: bool) -> None:
    frozen = {"error_code": causes.IN_ARREARS}
    if earlier:
        Instance.objects.update(document=frozen)
    assert seen(instance, "STOPPED", document=frozen).reason == Reason.FROZEN


def test_restarted(instance: Instance) -> None:
    assert seen(instance, "RESTARTING").reason == Reason.RESTARTED
    assert seen(instance, "RUNNING").reason == Reason.RESTARTED
    assert trail().after["cause"] == "restarted"


def hold_hours(instance: Instance, seconds: int) -> None:
    """As read back when the edit was applied."""
    instance.auto_stop_duration = seconds
    instance.save(update_fields=["auto_stop_duration"])


def test_restarted_for_a_new_setting(instance: Instance, operator: User) -> None:
    applied(instance, operator, applied_while_running=True)
    hold_hours(instance, 7_200)
    assert seen(instance, "RESTARTING").reason == Reason.NEW_SETTING


def test_stopped_to_be_started_with_a_new_setting(
    instance: Instance, operator: User
) -> None:
    applied(instance, operator, applied_while_running=True)
    hold_hours(instance, 7_200)
    stop(instance, operator, seq=2, key="stop")
    add_edit(instance, operator, seq=3, key="start", kind="start", patch={})
    cause = seen(instance, "STOPPING")
    assert (cause.reason, cause.wish.actor) == (Reason.NEW_SETTING, operator)


def test_a_start_that_waited_for_the_stop_has_its_author(
    instance: Instance, operator: User, admin: User
) -> None:
    stop(instance, operator)
    start = add_edit(instance, admin, seq=2, key="start", kind="start", patch={})
    seen(instance, "STOPPED")
    Edit.objects.filter(pk=start.pk).update(state="sending")
    assert seen(instance, "STARTING").wish == start
    assert seen(instance, "RUNNING").wish == start


def test_the_page_tells_who_and_leads_to_its_page(
    client: Client, viewer: User, instance: Instance, operator: User
) -> None:
    edit = stop(instance, operator)
    seen(instance, "STOPPED")
    client.force_login(viewer)
    page = client.get(instance.get_absolute_url()).text
    assert "by <bdi>operator</bdi>" in page
    assert f"/edits/{edit.pk}/" in page.partition('id="events"')[2]


def test_a_stop_without_a_reason_says_so(
    client: Client, viewer: User, instance: Instance
) -> None:
    seen(instance, "STOPPED")
    client.force_login(viewer)
    assert "reason unknown" in client.get(instance.get_absolute_url()).text
