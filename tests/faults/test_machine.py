"""Random interleavings of everything that can happen to the edits of one instance.

Hypothesis chooses the steps and, where one goes wrong, finds the shortest way there.
The oracle is a model in memory of the changes that people submitted and that were made
outside Curfew. At the end of each run the checker examines the evidence, too.
``CURFEW_MACHINE_EXAMPLES`` (20) says how many runs.
"""

import os
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dashboard.accounts.models import User
from dashboard.edits.delivery import authorization, record
from dashboard.edits.models import Edit
from dashboard.edits.services import EditClosedError, EditConflictError, cancel_edit
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Instance

from .checker import violations
from .evidence import RENEW
from .world import KilledError, World

EXAMPLES = int(os.environ.get("CURFEW_MACHINE_EXAMPLES", "20"))
PEOPLE = ("one", "two")
TERMINAL = frozenset(set(Edit.State.values) - Edit.OPEN)
OUTCOMES = [
    Fault("status", method="PUT", status=500, times=1),
    Fault("status", method="PUT", status=504, applied=True, times=1),
    Fault("status", method="PUT", status=429, retry_after="5", times=1),
    Fault("status", route="show", status=503, times=1),
    Fault("drop", method="PUT", times=1),
    Fault("drop", method="PUT", applied=True, times=1),
    Fault("truncate", method="PUT", times=1),
    Fault("late", method="PUT", seconds=3600, times=1),
    Fault("late", method="PUT", seconds=3600, times=1),
    Fault("not_changed", method="PUT", times=1),
    Fault("not_changed", method="PUT", echo=True, times=1),
    Fault("status", method="PUT", status=400, code="ModelArts.6347", times=1),
    Fault("status", route=RENEW, status=504, applied=True, times=1),
    Fault("status", route=RENEW, status=403, code="ModelArts.6407", times=1),
    Fault("drop", route=RENEW, times=1),
    Fault("truncate", route=RENEW, times=1),
    Fault("late", route=RENEW, seconds=3600, times=1),
    Fault("not_changed", route=RENEW, times=1),
    Fault("status", route="notebooks.show", status=503, times=1),
]
HOURS = (2, 3, 8, 20, 40, 71)
POINTS = ((authorization, "authorize_request"), (record, "record"))


def _as_mirrored(cloud: Emulator) -> None:
    """End the runs of notebooks as before the runs of the machine so far."""
    for row in World(cloud).notebooks:
        left_ms = (row.stop_timestamp_ms or 0) - cloud.clock.now_ms()
        cloud.notebooks.force(row.instance_id, stops_in_seconds=left_ms / 1000)


def make_machine(
    cloud: Emulator, monkeypatch: pytest.MonkeyPatch
) -> type[RuleBasedStateMachine]:
    """The machine, over one emulator whose fleet every run begins with."""

    class EditMachine(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            self.atom = transaction.atomic()
            self.atom.__enter__()
            cloud.faults.clear()
            _as_mirrored(cloud)
            self.world = World(cloud)
            self.log_before = len(cloud.log.entries())
            self.instance: Instance = self.world.instances.popleft()
            self.notebook: Instance = self.world.notebooks.popleft()
            self.people = [
                User.objects.create(username=name, role="operator") for name in PEOPLE
            ]
            self.ended: dict[Any, str] = {}
            self.accepted: set[Any] = set()
            self.texts = 0

        def teardown(self) -> None:
            try:
                cloud.faults.clear()
                cloud.land_late_writes()
                self.world.finish()
                evidence = self.world.evidence()
                evidence.log = evidence.log[self.log_before :]
                assert violations(evidence) == []
            finally:
                transaction.set_rollback(True)
                self.atom.__exit__(None, None, None)

        # -- what people and strangers do ---------------------------------------------

        @rule(who=st.integers(0, 1), is_enqueued=st.booleans())
        def describe(self, who: int, is_enqueued: bool) -> None:
            self.texts += 1
            self._submit(who, is_enqueued, description=f"text {self.texts}")

        @rule(who=st.integers(0, 1), hours=st.integers(1, 24))
        def lengthen(self, who: int, hours: int) -> None:
            self._submit(who, True, auto_stop_duration=hours * 3600 + self.texts)

        @rule(who=st.integers(0, 1), hours=st.integers(1, 24))
        def describe_and_lengthen(self, who: int, hours: int) -> None:
            self.texts += 1
            self._submit(
                who,
                True,
                description=f"both {self.texts}",
                auto_stop_duration=hours * 3600 + self.texts,
            )

        def _submit(self, who: int, is_enqueued: bool, **patch: Any) -> None:
            person = self.people[who]
            person.refresh_from_db()
            if person.role != "operator":
                return
            try:
                edit = self.world.submit(
                    self.instance, person, is_enqueued=is_enqueued, **patch
                )
            except EditConflictError:
                return
            self.accepted.add(edit.pk)

        @rule(who=st.integers(0, 1), hours=st.sampled_from(HOURS))
        def extend(self, who: int, hours: int) -> None:
            person = self.people[who]
            person.refresh_from_db()
            if person.role != "operator":
                return
            try:
                edit = self.world.extend(self.notebook, person, hours)
            except EditConflictError:
                return
            self.accepted.add(edit.pk)

        @rule(seconds=st.sampled_from([5_000, 50_000]))
        def move_the_end_in_console(self, seconds: int) -> None:
            self.world.strange_end(self.notebook, seconds)

        @rule()
        def take_back(self) -> None:
            waiting = Edit.objects.filter(state__in=["queued", "retrying"])
            edit = waiting.order_by("-seq").first()
            if edit is not None and edit.actor.role == "operator":
                try:
                    cancel_edit(edit=edit, actor=edit.actor)
                except EditClosedError:
                    raise AssertionError("a waiting edit can be taken back") from None

        @rule(who=st.integers(0, 1))
        def undo(self, who: int) -> None:
            person = self.people[who]
            person.refresh_from_db()
            applied = Edit.objects.filter(state="applied", kind="update")
            edit = applied.select_related("instance__cloud").order_by("-seq").first()
            if edit is None or person.role != "operator":
                return
            try:
                self.accepted.add(self.world.undo(edit, person).pk)
            except (EditConflictError, EditClosedError):
                return

        @rule()
        def miss_a_deadline(self) -> None:
            waiting = Edit.objects.filter(state__in=["queued", "retrying"])
            edit = waiting.order_by("seq").first()
            if edit is not None:
                self.world.miss_deadline(edit)

        @rule()
        def land_late_writes(self) -> None:
            cloud.land_late_writes()

        @precondition(lambda self: not self.world.demoted)
        @rule()
        def demote(self) -> None:
            self.world.demote(self.people[1])

        @rule(text=st.sampled_from(["console 1", "console 2"]))
        def change_in_console(self, text: str) -> None:
            self.world.strange_change(self.instance, text)

        # -- what machines do ---------------------------------------------------------

        @rule(outcome=st.sampled_from(OUTCOMES))
        def spoil_an_answer(self, outcome: Fault) -> None:
            cloud.faults.add(outcome)

        @rule()
        def deliver(self) -> None:
            self.world.deliver()

        @rule(point=st.sampled_from(POINTS))
        def deliver_and_die(self, point: tuple[Any, str]) -> None:
            def die(*_: Any) -> bool:
                raise KilledError

            with monkeypatch.context() as patch:
                patch.setattr(*point, die)
                self.world.deliver()

        @rule()
        def lose_messages(self) -> None:
            self.world.queue.clear()

        @rule()
        def double_messages(self) -> None:
            self.world.queue.extend(list(self.world.queue)[:2])

        @rule()
        def sweep(self) -> None:
            self.world.sweep()

        @rule(seconds=st.sampled_from([1.0, 4.0, 20.0]))
        def pass_time(self, seconds: float) -> None:
            self.world.pass_time(seconds)

        # -- what always holds --------------------------------------------------------

        @invariant()
        def nothing_is_lost(self) -> None:
            rows = set(Edit.objects.values_list("pk", flat=True))
            assert self.accepted <= rows

        @invariant()
        def what_has_ended_stays_ended(self) -> None:
            now = dict(Edit.objects.values_list("pk", "state"))
            for pk, state in self.ended.items():
                # Only the cloud's own word changes what was said.
                assert now[pk] in {state, Edit.State.APPLIED}
            self.ended = {pk: state for pk, state in now.items() if state in TERMINAL}

    return EditMachine


@pytest.mark.timeout(900)
def test_interleavings(
    cloud: Emulator, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_state_machine_as_test(
        make_machine(cloud, monkeypatch),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
