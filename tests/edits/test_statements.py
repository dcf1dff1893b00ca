"""What a delivery asks of the database: a budget, with nothing else in it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.accounts.models import CloudUser, User
from dashboard.edits import automatic_batches, dispatch, schedule_runner, services
from dashboard.edits.delivery import due_queues, group, send
from dashboard.edits.models import Edit
from dashboard.edits.plans import BulkChange
from dashboard.emulator import Emulator
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule
from dashboard.schedules.models import Schedule, WorkingTime
from dashboard.web.stored_messages import verbatim

from .conftest import NOTEBOOKS
from .deliveries import extend, submit
from .groups import due_together, make_due

ALONE, IN_A_GROUP = 15, 5
"""Statements for an edit, without BEGIN and COMMIT."""

OWNER, POLICY, SCHEDULE = 2, 4, 4
"""More for who asks: which owners an account stands for; exceptions and other policies;
schedules and overrides. All are read at the claim, and again before the request."""

START, STOP = 2, 6
"""More for another status: its event, and the edits that may be its cause. For the end
of a run also its audit event, its row, which is read and written, and the sums of
costs that no longer hold. Groups deliver neither."""


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", lambda *args, **options: None)


def statements(captured: CaptureQueriesContext) -> list[str]:
    """Leave out the savepoints that are transactions outside of tests."""
    found, depth = [], 0
    for query in captured.captured_queries:
        sql = query["sql"]
        depth += sql.startswith("SAVEPOINT")
        is_transaction = sql.startswith(("SAVEPOINT", "RELEASE SAVEPOINT"))
        if not is_transaction or depth > 1:
            found.append(sql)
        depth -= sql.startswith("RELEASE")
    return found


def assert_alone(instance: Instance, most: int) -> None:
    """Deliver the only edit of an instance with at most so many statements."""
    with CaptureQueriesContext(connection) as captured:
        send.drain(instance.pk)
    edit = Edit.objects.get(instance=instance)
    assert edit.state == Edit.State.APPLIED, edit.message
    found = statements(captured)
    assert len(found) <= most, "\n".join(found)


def assert_in_a_group(served: due_queues.ServedGeneration, most: int) -> None:
    """Deliver all edits in one group with at most so many statements for each."""
    with CaptureQueriesContext(connection) as captured:
        group.drain(served)
    assert set(Edit.objects.values_list("state", flat=True)) == {Edit.State.APPLIED}
    found = statements(captured)
    assert len(found) <= most * Edit.objects.count(), "\n".join(found)


# -- by people -------------------------------------------------------------------------


@pytest.fixture
def owner(scientist: User, cloud: Emulator) -> User:
    """A scientist with an account for the owner of each instance."""
    names = Instance.objects.values_list("owner_name", flat=True).distinct()
    known = CloudUser.objects.values_list("identifier", flat=True)
    for name in set(names) - set(known):
        CloudUser.objects.create(account=scientist, identifier=name)
    return User.objects.get(pk=scientist.pk)


@pytest.fixture(params=["operator", "owner"])
def person(request: pytest.FixtureRequest, cloud: Emulator) -> User:
    found: User = request.getfixturevalue(request.param)
    return found


def more_for(person: User) -> int:
    return OWNER if person.role == User.Role.SCIENTIST else 0


@pytest.mark.parametrize(
    "patch", [{"description": "New words"}, {"auto_stop_duration": 5 * 3600}]
)
def test_settings_alone(
    patch: dict[str, object], running: Instance, person: User
) -> None:
    submit(running, person, **patch)
    assert_alone(running, ALONE + more_for(person))


def test_settings_in_a_group(cloud: Emulator, person: User) -> None:
    _, served = due_together(cloud, person, 12)
    assert_in_a_group(served, IN_A_GROUP)


def test_a_stop(running: Instance, person: User) -> None:
    services.submit_power(instance=running, actor=person, kind=Edit.Kind.STOP)
    assert_alone(running, ALONE + STOP + more_for(person))


def test_a_start(stopped: Instance, person: User) -> None:
    services.submit_power(instance=stopped, actor=person, kind=Edit.Kind.START)
    assert_alone(stopped, ALONE + START + more_for(person))


@NOTEBOOKS
def test_an_extension(notebook: Instance, person: User) -> None:
    extend(notebook, person, 5)
    assert_alone(notebook, ALONE + more_for(person))


# -- by policies -----------------------------------------------------------------------


def rule(**fields: Any) -> Rule:
    defaults = {
        "name": "Save",
        "reason": "Money.",
        "mode": Rule.Mode.ENFORCE,
        "acts": True,
    }
    return Rule.objects.create(**(defaults | fields))


def file_for(by: Rule, instances: list[Instance], change: BulkChange) -> None:
    pks = [instance.pk for instance in instances]
    source = verbatim("A test")
    filed = automatic_batches.create_for_rule(
        rule=by, selection=pks, change=change, source=source
    )
    assert filed >= min(len(pks), due_queues.MIN_GROUP)


def hours_by_policy(instances: list[Instance]) -> None:
    """Let a policy shorten the run time, which is not the only one of its kind."""
    by = rule(kind=Rule.Kind.MAX_HOURS, max_seconds=5 * 3_600)
    rule(kind=Rule.Kind.MAX_HOURS, max_seconds=9 * 3_600, name="Other", status="ERROR")
    change = BulkChange(Edit.Kind.UPDATE, {"auto_stop_duration": 5 * 3_600})
    file_for(by, instances, change)


def test_settings_by_a_policy(running: Instance) -> None:
    hours_by_policy([running])
    assert_alone(running, ALONE + POLICY)


def test_settings_by_a_policy_in_a_group(cloud: Emulator) -> None:
    chosen = list(Instance.objects.select_related("cloud"))
    hours_by_policy(chosen)
    make_due()
    served = due_queues.ServedGeneration(chosen[0].cloud_id, "demanager")
    assert_in_a_group(served, IN_A_GROUP)


def test_a_stop_by_a_policy(running: Instance) -> None:
    """The limit has passed for a run that began long ago."""
    by = rule(kind=Rule.Kind.MAX_HOURS, max_seconds=3_600)
    Instance.objects.filter(pk=running.pk).update(
        run_started_at=timezone.now() - timedelta(hours=4)
    )
    file_for(by, [running], BulkChange(Edit.Kind.STOP, {}))
    assert_alone(running, ALONE + STOP + POLICY)


# -- by schedules ----------------------------------------------------------------------


def at_its_moment(kind: str) -> None:
    """Run a schedule whose moment was a minute ago."""
    now = timezone.now()
    schedule = Schedule.objects.create(
        name="Office hours",
        position=1,
        time_zone="UTC",
        mode=Schedule.Mode.ON,
        starts=True,
        checked_until=now - timedelta(minutes=2),
    )
    moment = (now - timedelta(minutes=1)).time()
    times = {"stop": (now + timedelta(minutes=30)).time(), kind: moment}
    WorkingTime.objects.create(schedule=schedule, weekdays=list(range(7)), **times)
    Instance.objects.update(
        status_since=now - timedelta(hours=9), run_started_at=now - timedelta(hours=9)
    )
    Cloud.objects.update(refreshed_at=now)
    schedule_runner.run_schedules()


@pytest.mark.parametrize("kind", ["stop", "start"])
def test_by_a_schedule(kind: str, running: Instance, stopped: Instance) -> None:
    at_its_moment(kind)
    concerned = {"stop": running, "start": stopped}[kind]
    assert Edit.objects.filter(kind=kind).count() > 1
    more = {"stop": STOP, "start": START}[kind]
    assert_alone(concerned, ALONE + more + SCHEDULE)
