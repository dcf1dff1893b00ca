"""Accepting edits, taking them back, trying them again."""

from typing import Any
from unittest.mock import Mock

import pytest
from django.core.exceptions import PermissionDenied

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import dispatch, merge, services
from dashboard.edits.models import Edit
from dashboard.instances.countdown import unix_ms
from dashboard.instances.models import FleetVersion, Instance


def submit(instance: Instance, actor: User, text: str, **options: Any) -> Edit:
    options.setdefault("base", {"description": instance.description})
    return services.submit_edit(
        instance=instance, actor=actor, patch={"description": text}, **options
    )


def test_an_edit_is_queued_audited_and_enqueued_on_commit(
    instance: Instance,
    operator: User,
    enqueue: Mock,
    django_capture_on_commit_callbacks: Any,
) -> None:
    version = FleetVersion.current()
    with django_capture_on_commit_callbacks(execute=True):
        edit = submit(instance, operator, "new")
        enqueue.assert_not_called()
    enqueue.assert_called_once_with(dispatch.DRAIN, instance.pk)
    assert edit.state == Edit.State.QUEUED
    assert edit.base == {"description": "Churn model, second try"}
    event = AuditEvent.objects.get(action="edit.submitted")
    assert (event.actor, event.target_id) == (operator, str(edit.pk))
    instance.refresh_from_db()
    assert instance.version == FleetVersion.current() > version


def test_numbers_follow_the_order_of_acceptance(
    instance: Instance, operator: User, admin: User
) -> None:
    first = submit(instance, operator, "a")
    second = submit(instance, admin, "b", base={"description": "a"})
    assert second.seq == first.seq + 1


def test_what_ended_while_the_queue_was_taken_is_no_stranger_s(
    instance: Instance, operator: User
) -> None:
    read_before = Instance.objects.get(pk=instance.pk)
    ended = submit(instance, operator, "a")
    Edit.objects.filter(pk=ended.pk).update(state=Edit.State.APPLIED)
    Instance.objects.filter(pk=instance.pk).update(description="a")
    assert submit(read_before, operator, "b", base={"description": "a"}).seq == 2


@pytest.mark.parametrize("role", ["viewer", "stranger"])
def test_those_who_may_not_edit_are_refused(
    instance: Instance, role: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(PermissionDenied):
        submit(instance, request.getfixturevalue(role), "new")
    assert not Edit.objects.exists()


def test_a_scientist_edits_what_is_theirs(instance: Instance, scientist: User) -> None:
    assert submit(instance, scientist, "mine").is_open


def test_the_same_form_sent_twice_is_one_edit(
    instance: Instance, operator: User
) -> None:
    first = submit(instance, operator, "new", key="form-1")
    again = submit(instance, operator, "new", key="form-1")
    assert again == first
    assert Edit.objects.count() == 1


def test_a_form_sent_twice_is_one_edit_whatever_came_between(
    instance: Instance, operator: User, admin: User
) -> None:
    first = submit(instance, operator, "mine", key="form-1")
    other = submit(instance, admin, "theirs", base={"description": "mine"})
    assert other.seq > first.seq
    assert submit(instance, operator, "mine", key="form-1") == first
    services.submit_edit(
        instance=instance,
        actor=admin,
        patch={"auto_stop_duration": 7200},
        base={"auto_stop_duration": 8 * 3600},
    )
    assert submit(instance, operator, "mine", key="form-1") == first
    assert Edit.objects.filter(actor=operator).count() == 1


def test_the_same_form_with_other_values_is_another_edit(
    instance: Instance, operator: User
) -> None:
    submit(instance, operator, "a", key="form-1")
    second = submit(instance, operator, "b", key="form-1", base={"description": "a"})
    assert second.patch == {"description": "b"}
    assert Edit.objects.count() == 2


def test_back_to_an_earlier_value_is_meant_anew(
    instance: Instance, operator: User
) -> None:
    first = submit(instance, operator, "a", key="form-1")
    submit(instance, operator, "b", key="form-1", base={"description": "a"})
    third = submit(instance, operator, "a", key="form-1", base={"description": "b"})
    assert third != first
    assert third.patch == {"description": "a"}


def test_a_form_opened_before_somebody_elses_edit_is_a_conflict(
    instance: Instance, operator: User, admin: User
) -> None:
    submit(instance, admin, "hers")
    with pytest.raises(services.EditConflictError) as caught:
        submit(instance, operator, "his")
    (difference,) = caught.value.differences
    assert (difference.current, difference.requested) == ("hers", "his")
    assert Edit.objects.count() == 1


def test_edits_of_different_fields_do_not_meet(
    instance: Instance, operator: User, admin: User
) -> None:
    submit(instance, admin, "hers")
    other = services.submit_edit(
        instance=instance,
        actor=operator,
        patch={"auto_stop_duration": 7200},
        base={"auto_stop_duration": 8 * 3600},
    )
    assert other.is_open


def test_a_waiting_edit_can_be_taken_back_once(
    instance: Instance, operator: User
) -> None:
    edit = submit(instance, operator, "new")
    assert services.cancel_edit(edit=edit, actor=operator).state == "cancelled"
    with pytest.raises(services.EditClosedError):
        services.cancel_edit(edit=edit, actor=operator)


def test_nobody_takes_back_what_they_may_not_edit(
    instance: Instance, operator: User, viewer: User
) -> None:
    edit = submit(instance, operator, "new")
    with pytest.raises(PermissionDenied):
        services.cancel_edit(edit=edit, actor=viewer)


def test_a_failed_edit_is_tried_again_as_a_new_one_and_only_once(
    instance: Instance, operator: User
) -> None:
    edit = submit(instance, operator, "new")
    Edit.objects.filter(pk=edit.pk).update(state=Edit.State.FAILED)
    edit.refresh_from_db()
    again = services.retry_edit(edit=edit, actor=operator)
    assert (again.retry_of, again.patch, again.state) == (edit, edit.patch, "queued")
    assert services.retry_edit(edit=edit, actor=operator) == again


def test_the_right_is_looked_at_before_the_state(
    instance: Instance, stranger: User, operator: User
) -> None:
    edit = submit(instance, operator, "new")
    with pytest.raises(PermissionDenied):
        services.retry_edit(edit=edit, actor=stranger)


def test_an_open_edit_cannot_be_tried_again(instance: Instance, operator: User) -> None:
    edit = submit(instance, operator, "new")
    with pytest.raises(services.EditClosedError):
        services.retry_edit(edit=edit, actor=operator)


def test_start_and_stop_are_edits_too(instance: Instance, operator: User) -> None:
    edit = services.submit_power(
        instance=instance, actor=operator, kind=Edit.Kind.STOP, key="page-1"
    )
    again = services.submit_power(
        instance=instance, actor=operator, kind=Edit.Kind.STOP, key="page-1"
    )
    assert edit == again
    assert instance.run_started_at is not None
    began_ms = unix_ms(instance.run_started_at)
    assert edit.kind == "stop"
    assert edit.base == {"status": "RUNNING", "run_started_ms": began_ms}


def test_an_unreachable_broker_does_not_fail_what_is_committed(
    instance: Instance,
    operator: User,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def unreachable(*args: Any, **kwargs: Any) -> None:
        raise ConnectionRefusedError("no broker")

    monkeypatch.setattr(dispatch.current_app, "send_task", unreachable)
    with django_capture_on_commit_callbacks(execute=True):
        edit = submit(instance, operator, "new")
    assert Edit.objects.get(pk=edit.pk).state == Edit.State.QUEUED
    # It happens, and is no fault of ours.
    assert {record.levelname for record in caplog.records} <= {"INFO", "WARNING"}


def test_a_key_that_counts_once_outlives_what_comes_between(
    instance: Instance, operator: User, admin: User
) -> None:
    first = submit(instance, operator, "mine", key="k", once=True)
    submit(instance, admin, "theirs", base={"description": "mine"})
    assert submit(instance, operator, "mine", key="k", once=True) == first
    assert services.earlier_edit(actor=operator, key="k") == first
    assert services.earlier_edit(actor=admin, key="k") is None
    assert services.earlier_edit(actor=operator, key="other") is None
    # The key of a form is another matter, and so is the same key by somebody else.
    assert submit(instance, admin, "mine", key="k", base={}).pk != first.pk


def test_an_edit_that_ends_while_a_form_is_opened_is_in_what_is_expected(
    instance: Instance, operator: User
) -> None:
    """Neither still open nor in the row that was read before."""
    edit = services.submit_edit(
        instance=instance,
        actor=operator,
        patch={"description": "just applied"},
        base={"description": instance.description},
    )
    Edit.objects.filter(pk=edit.pk).update(state=Edit.State.APPLIED)
    Instance.objects.filter(pk=instance.pk).update(description="just applied")
    assert instance.description != "just applied"
    assert merge.expected_values(instance)["description"] == "just applied"
