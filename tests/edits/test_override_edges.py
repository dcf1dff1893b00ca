"""Overrides whose ends lie around a moment: all that asks about them agrees."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from itertools import product
from typing import NamedTuple
from unittest.mock import Mock

import pytest
import time_machine

from dashboard.accounts.models import User
from dashboard.edits import authority, dispatch, messages, schedule_runner, tasks
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.schedules import overrides
from dashboard.schedules.models import MomentKind, Override

from .schedules import (
    at,
    make_running,
    make_schedule,
    make_stopped,
    mirror_is_fresh,
)

pytestmark = pytest.mark.django_db

MOMENT = at(19, second=0)
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
AROUND = (-SECOND, -TICK, timedelta(), TICK, SECOND)


class Case(NamedTuple):
    """An override: its kind, and its end and its early end as distances to the moment.

    For ``SKIP``, ``end`` is the distance of the stop that it skips.
    """

    kind: Override.Kind
    end: timedelta
    ended: timedelta | None

    def covers(self, kind: MomentKind) -> bool:
        """Whether a schedule must leave the instance alone, by the words of the docs.

        It counts until its end, which does not belong to it; ``SKIP`` skips one stop.
        """
        if self.ended is not None and self.ended <= timedelta():
            return False
        if self.kind == Override.Kind.SKIP:
            return kind == MomentKind.STOP and self.end == timedelta()
        if self.kind == Override.Kind.KEEP and kind == MomentKind.START:
            return False
        return self.end > timedelta()


CASES = [Case(*one) for one in product(Override.Kind, AROUND, (None, *AROUND))]


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(MOMENT - timedelta(minutes=5), tick=False) as traveller:
        yield traveller


def make_override(instance: Instance, author: User, case: Case) -> None:
    is_skip, end = case.kind == Override.Kind.SKIP, MOMENT + case.end
    Override.objects.create(
        instance=instance,
        created_by=author,
        kind=case.kind,
        until=end + timedelta(minutes=1) if is_skip else end,
        skips=end if is_skip else None,
        ended_at=None if case.ended is None else MOMENT + case.ended,
    )


@pytest.mark.parametrize("late", [timedelta(), SECOND, timedelta(minutes=3)])
@pytest.mark.parametrize("kind", MomentKind)
def test_all_agree_around_the_moment(
    clock: time_machine.Traveller, operator: User, kind: MomentKind, late: timedelta
) -> None:
    is_stop = kind == MomentKind.STOP
    schedule = (
        make_schedule(stop=time(19))
        if is_stop
        else make_schedule(start=time(19), stop=time(23), starts=True)
    )
    cases: dict[int, Case] = {}
    for case in CASES:
        instance = make_running() if is_stop else make_stopped()
        make_override(instance, operator, case)
        cases[instance.pk] = case
    expected = {pk for pk, case in cases.items() if case.covers(kind)}

    def covered(moment: datetime = MOMENT) -> set[int]:
        return overrides.covered(list(cases), moment, kind)

    assert differing(cases, covered(), expected) == []
    clock.move_to(MOMENT + late)
    mirror_is_fresh()
    plan = schedule_runner.plan_moment(
        schedule, cases, kind=kind, moment=MOMENT, now=MOMENT + late
    )
    reason = str(messages.OVERRIDDEN())
    skipped = {skip.instance.pk for skip in plan.skips if str(skip.reason) == reason}
    assert differing(cases, skipped, expected) == []
    tasks.run_schedules()
    edits = Edit.objects.select_related("instance__cloud", "schedule", "actor", "rule")
    edited = {edit.instance_id for edit in edits}
    assert differing(cases, set(cases) - edited, expected) == []
    # What has been created is sent, also once the overrides have ended by themselves.
    assert [str(edit) for edit in edits if authority.why_withdrawn(edit)] == []
    overrides.expire_overrides()
    assert differing(cases, covered(), expected) == []


def differing(
    cases: dict[int, Case], found: set[int], expected: set[int]
) -> list[Case]:
    return [cases[pk] for pk in found ^ expected]
