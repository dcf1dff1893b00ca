"""Overrides keep instances running: by extensions, or by starts after an auto-stop."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import dispatch, keeping, services
from dashboard.edits.extension import moment
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.schedules import overrides
from dashboard.schedules.models import Override
from tests.factories import make_cloud, make_instance, make_notebook
from tests.policies.conftest import make_rule

from .conftest import NOTEBOOKS
from .deliveries import deliver, end_ms, sentence_of

KEEP = Override.Kind.KEEP


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", lambda *args, **options: None)


def later(hours: float) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def override_of(instance: Instance, actor: User, hours: float, **more: Any) -> Override:
    return overrides.create_override(
        instance=instance, actor=actor, kind=KEEP, until=later(hours), **more
    )


def notebook_72(**fields: Any) -> Instance:
    return make_notebook(cloud=make_cloud(max_run_hours=72), **fields)


def target(edit: Edit) -> datetime:
    return moment(edit.instance.cloud, edit.patch["stop_timestamp_ms"])


def apply(edit: Edit, **state: Any) -> None:
    """Bring an extension to its end, and the mirror to what it asked for."""
    values = {"state": "applied", "finished_at": timezone.now()} | state
    Edit.objects.filter(pk=edit.pk).update(**values)
    if values["state"] == "applied":
        end = target(edit)
        Instance.objects.filter(pk=edit.instance_id).update(
            stops_at=end,
            run_ends_at=end,
            stop_timestamp_ms=edit.patch["stop_timestamp_ms"],
            lease_type="timing",
        )


def test_a_run_is_extended_to_the_end_of_the_override_once(scientist: User) -> None:
    override = override_of(notebook_72(), scientist, 10)
    keeping.keep_instances()
    [edit] = Edit.objects.all()
    assert (edit.kind, edit.actor, edit.override) == ("extend", scientist, override)
    assert abs(target(edit) - override.until) < timedelta(seconds=1)
    keeping.keep_instances()
    apply(edit)
    keeping.keep_instances()
    assert Edit.objects.count() == 1, "neither while it is open nor afterwards"


def test_one_that_fails_does_not_keep_others_waiting(
    scientist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = make_cloud(max_run_hours=72)
    first, second = make_notebook(cloud=cloud), make_notebook(cloud=cloud)
    override_of(first, scientist, 10)
    override_of(second, scientist, 11)
    extend = keeping._extend

    def fails_at_first(override: Override, now: datetime) -> Edit | None:
        if override.instance_id == first.pk:
            raise RuntimeError
        return extend(override, now)

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "_extend", fails_at_first)
        keeping.keep_instances()
    assert Edit.objects.get().instance == second
    keeping.keep_instances()
    assert set(Edit.objects.values_list("instance", flat=True)) == {
        first.pk,
        second.pk,
    }


def test_a_long_override_extends_again_when_a_third_is_left(
    scientist: User, time_machine: Any
) -> None:
    time_machine.move_to(timezone.now())
    override = override_of(notebook_72(), scientist, 100)
    first = keeping.keep(override)
    assert first
    assert timedelta(hours=71.9) < target(first) - timezone.now() < timedelta(hours=73)
    apply(first)
    time_machine.shift(timedelta(hours=20))
    assert keeping.keep(override) is None, "80 h are too far, and 52 h are left"
    time_machine.shift(timedelta(hours=9))
    # Now it can last until the end.
    second = keeping.keep(override)
    assert second
    assert abs(target(second) - override.until) < timedelta(seconds=1)


def test_an_idle_lease_gets_a_fixed_end(scientist: User) -> None:
    override = override_of(notebook_72(idle_seconds=3600), scientist, 10)
    edit = keeping.keep(override)
    assert edit
    assert edit.patch["lease_type"] == "timing"
    apply(edit)
    assert keeping.keep(override) is None


def test_the_policies_limit_how_far(operator: User) -> None:
    rule = make_rule(name="Short", kind="max_hours", max_seconds=6 * 3600, mode="off")
    instance = notebook_72()
    override = override_of(instance, operator, 20)
    type(rule).objects.update(mode="enforce")
    edit = keeping.keep(override)
    assert edit
    assert abs(target(edit) - later(5)) < timedelta(minutes=1)
    apply(edit)
    assert keeping.keep(override) is None, "more is not allowed"


@pytest.mark.parametrize(
    "fields",
    [
        {"stops_in": 12 * 3600},
        {"auto_stop_enable": False, "stops_in": None},
        {"status": "STOPPED"},
        {"missing_since": datetime(2026, 1, 1, tzinfo=timezone.get_current_timezone())},
    ],
)
def test_what_needs_no_extension_gets_none(
    fields: dict[str, Any], scientist: User
) -> None:
    instance = notebook_72()
    override = override_of(instance, scientist, 10)
    replaced = notebook_72(**fields)
    Override.objects.filter(pk=override.pk).update(instance=replaced)
    keeping.keep_instances()
    assert not Edit.objects.exists()


def test_an_end_that_is_too_near_is_not_overshot(scientist: User) -> None:
    keeping.keep(override_of(notebook_72(stops_in=600), scientist, 0.9))
    assert not Edit.objects.exists()


def test_nothing_is_added_to_what_a_person_has_just_asked_for(
    scientist: User, operator: User
) -> None:
    instance = notebook_72()
    override = override_of(instance, scientist, 10)
    services.submit_power(instance=instance, actor=operator, kind=Edit.Kind.STOP)
    assert keeping.keep(override) is None


def test_after_a_refusal_it_waits_longer_and_longer(
    scientist: User, time_machine: Any
) -> None:
    time_machine.move_to(timezone.now())
    override = override_of(notebook_72(stops_in=9 * 3600), scientist, 10)
    for minutes in (10, 20):
        edit = keeping.keep(override)
        assert edit
        apply(edit, state="failed")
        time_machine.shift(timedelta(minutes=minutes - 1))
        assert keeping.keep(override) is None
        time_machine.shift(timedelta(minutes=2))
    assert keeping.keep(override)


def test_an_ended_override_withdraws_its_extension(
    scientist: User, operator: User
) -> None:
    override = override_of(notebook_72(), scientist, 10)
    edit = keeping.keep(override)
    assert edit
    overrides.end_override(override=override, actor=operator)
    edit = deliver(edit)
    assert edit.state == "cancelled"
    assert "override" in sentence_of(edit)
    assert keeping.keep(override) is None


@NOTEBOOKS
def test_the_cloud_keeps_the_notebook(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    override = override_of(notebook, operator, 10)
    edit = keeping.keep(override)
    assert edit
    edit = deliver(edit)
    assert edit.state == "applied"
    assert abs(end_ms(cloud, notebook) - edit.patch["stop_timestamp_ms"]) < 5_000
    assert keeping.keep(override) is None


def stopped_by(instance: Instance, reason: str, minutes: float = 0) -> None:
    Instance.objects.filter(pk=instance.pk).update(
        status="STOPPED", stops_at=None, run_ends_at=None, stop_timestamp_ms=None
    )
    InstanceEvent.objects.create(
        instance=instance,
        at=timezone.now() - timedelta(minutes=minutes),
        from_status="RUNNING",
        to_status="STOPPED",
        reason=reason,
    )


def test_an_old_instance_starts_again_once_after_each_auto_stop(
    scientist: User, time_machine: Any
) -> None:
    time_machine.move_to(timezone.now())
    instance = make_instance()
    override = override_of(instance, scientist, 30, starts_again=True)
    keeping.keep_instances()
    assert not Edit.objects.exists(), "its run cannot be extended"
    for number in (1, 2):
        time_machine.shift(timedelta(hours=2))
        stopped_by(instance, "auto_stop")
        keeping.keep_instances()
        keeping.keep_instances()
        edit = Edit.objects.latest("seq")
        assert (Edit.objects.count(), edit.kind) == (number, "start")
        assert (edit.override, edit.actor) == (override, scientist)
        apply(edit, state="failed")
        keeping.keep_instances()
        assert Edit.objects.count() == number, "once for each end"
        Instance.objects.update(status="RUNNING")


@pytest.mark.parametrize("reason", ["requested", "unknown", "restarted", "frozen"])
def test_what_a_person_stopped_stays_stopped(reason: str, scientist: User) -> None:
    instance = make_instance()
    override_of(instance, scientist, 30, starts_again=True)
    stopped_by(instance, reason)
    keeping.keep_instances()
    assert not Edit.objects.exists()


def test_only_where_it_was_asked_for_and_not_late(
    scientist: User, time_machine: Any
) -> None:
    time_machine.move_to(timezone.now())
    instance = make_instance()
    override_of(instance, scientist, 30)
    stopped_by(instance, "auto_stop")
    keeping.keep_instances()
    override_of(instance, scientist, 30, starts_again=True)
    time_machine.shift(timedelta(hours=1))
    stopped_by(instance, "auto_stop", minutes=31)
    keeping.keep_instances()
    assert not Edit.objects.exists()


def test_a_policy_forbids_the_start(scientist: User) -> None:
    instance = make_instance(auto_stop_enable=False)
    override_of(instance, scientist, 30, starts_again=True)
    make_rule()
    stopped_by(instance, "auto_stop")
    keeping.keep_instances()
    assert not Edit.objects.exists()
