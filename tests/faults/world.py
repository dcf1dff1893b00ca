"""Curfew in one process, with a queue, a sweeper and a clock in the test's hand.

What takes real processes minutes is tried here thousands of times: a message that is
lost, a worker that dies at a line, a write that lands late.
"""

import time
from collections import deque
from dataclasses import asdict
from datetime import timedelta
from itertools import count
from typing import Any
from unittest.mock import patch

from django.db.models import F
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import deadlines, dispatch, extension, merge, services
from dashboard.edits.delivery import due_queues, group, send
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.generations import Generation

from .evidence import (
    END,
    Acceptance,
    Evidence,
    Stranger,
    cloud_values,
    from_database,
)

NOBODY = 4711
"""A sign of life that no process gives."""

MAX_ROUNDS = 60
PAUSE_SECONDS = 10


class KilledError(BaseException):
    """``kill -9``: nothing catches it, nothing is written down any more."""


class World:
    """The parts of Curfew around the rows, deterministic.

    Attributes:
        queue: Messages, the primary keys of instances.
        ack_late: Whether the message of a worker that died comes back.
    """

    def __init__(self, cloud: Emulator) -> None:
        self.cloud = cloud
        self.queue: deque[int] = deque()
        self.ack_late = True
        self.accepted: list[Acceptance] = []
        self.undone: set[Any] = set()
        self.strangers: list[Stranger] = []
        self.demoted: dict[str, int] = {}
        self.before = self.values()
        self.instances = deque(
            Instance.objects.select_related("cloud")
            .filter(status__in=["RUNNING", "STOPPED"], auto_stop_enable=True)
            .filter(generation=Generation.DEMANAGER)
            .order_by("pk")
        )
        self.notebooks = deque(
            Instance.objects.select_related("cloud")
            .filter(generation=Generation.NOTEBOOKS)
            .filter(is_running=True, lease_type="timing", auto_stop_enable=True)
            .filter(stops_at__gt=timezone.now() + timedelta(minutes=30))
            .order_by("pk")
        )
        self._forms = count(1)

    def submit(
        self,
        instance: Instance,
        actor: User,
        *,
        form: str = "",
        is_enqueued: bool = True,
        **patch: Any,
    ) -> Edit:
        """Let a person submit a change of what the page shows now."""
        form = form or f"form {next(self._forms)}"
        began = time.time() * 1000
        instance.refresh_from_db()
        edit = services.submit_edit(
            instance=instance,
            actor=actor,
            patch=patch,
            base=merge.expected_values(instance),
            key=form,
        )
        ended = time.time() * 1000
        self.accepted.append(
            Acceptance(form, instance.instance_id, actor.username, patch, began, ended)
        )
        if is_enqueued:
            self.queue.append(instance.pk)
        return edit

    def extend(
        self,
        instance: Instance,
        actor: User,
        hours: float,
        *,
        is_enqueued: bool = True,
    ) -> Edit:
        """Let a person ask for an end so many hours from now."""
        form = f"form {next(self._forms)}"
        began = time.time() * 1000
        instance.refresh_from_db()
        patch = extension.patch_hours(instance, hours, timezone.now())
        edit = services.submit_extension(
            instance=instance,
            actor=actor,
            patch=patch,
            base=extension.base_of(instance),
            key=form,
        )
        ended = time.time() * 1000
        self.accepted.append(
            Acceptance(form, instance.instance_id, actor.username, patch, began, ended)
        )
        if is_enqueued:
            self.queue.append(instance.pk)
        return edit

    def undo(self, edit: Edit, actor: User) -> Edit:
        """Let a person undo a change that was applied."""
        form = f"form {next(self._forms)}"
        began = time.time() * 1000
        undo = services.undo_edit(edit=edit, actor=actor)
        ended = time.time() * 1000
        by = undo.actor.username if undo.actor else ""
        accepted = Acceptance(
            form, undo.instance.instance_id, by, undo.patch, began, ended
        )
        if undo.pk not in self.undone:
            self.undone.add(undo.pk)
            self.accepted.append(accepted)
            self.queue.append(undo.instance_id)
        return undo

    def deliver(self) -> None:
        """Let a worker take every message that is queued."""
        for _ in range(len(self.queue)):
            instance_pk = self.queue.popleft()
            try:
                send.drain(instance_pk)
            except KilledError:
                EditQueue.objects.filter(pk=instance_pk).update(lease_owner=NOBODY)
                if self.ack_late:
                    self.queue.append(instance_pk)

    def deliver_groups(self) -> None:
        """Let a worker deliver a group of each cloud and generation that has one."""
        for served in due_queues.generations_to_group():
            try:
                with patch.object(dispatch, "enqueue"):
                    group.drain(served)
            except KilledError:
                taken = EditQueue.objects.filter(lease_owner__isnull=False)
                taken.update(lease_owner=NOBODY)

    def sweep(self) -> None:
        """One turn of the sweeper."""
        deadlines.fail_past_deadline()
        self.queue.extend(due_queues.take_due_queues())

    def pass_time(self, seconds: float) -> None:
        """Let every moment that is waited for come nearer."""
        step = timedelta(seconds=seconds)
        for model, names in (
            (
                EditQueue,
                ("lease_until", "next_at", "last_enqueued_at", "late_write_until"),
            ),
            (EditQueue, ("recheck_at",)),
            (Cloud, ("held_until",)),
        ):
            for name in names:
                rows = model.objects.filter(**{f"{name}__isnull": False})
                rows.update(**{name: F(name) - step})

    def finish(self) -> None:
        """Let everything come to its end, if it does."""
        for _ in range(MAX_ROUNDS):
            self.deliver()
            open_edits = Edit.objects.filter(state__in=Edit.OPEN)
            watched = EditQueue.objects.filter(recheck_at__isnull=False)
            if not open_edits.exists() and not watched.exists():
                return
            self.pass_time(PAUSE_SECONDS)
            self.sweep()

    def cancel(self, edit: Edit, actor: User) -> None:
        """Have a person take an edit back."""
        edit.refresh_from_db()
        services.cancel_edit(edit=edit, actor=actor)

    def miss_deadline(self, edit: Edit) -> None:
        """Let an edit's deadline pass, and the sweeper see it."""
        Edit.objects.filter(pk=edit.pk).update(
            deadline_at=timezone.now() - timedelta(seconds=1)
        )
        self.sweep()

    def strange_change(self, instance: Instance, description: str) -> None:
        """Change an instance at the cloud's console."""
        self.cloud.fleet.force(instance.instance_id, description=description)
        values = {"description": description}
        now_ms = int(time.time() * 1000)
        self.strangers.append(Stranger(instance.instance_id, values, now_ms))
        self._tick()

    def strange_end(self, instance: Instance, seconds: float) -> None:
        """Give a run another end at the cloud's console."""
        there = self.cloud.notebooks.force(
            instance.instance_id, stops_in_seconds=seconds
        )
        values = {END: self.cloud.notebooks.state(there)["ends_ms"]}
        now_ms = int(time.time() * 1000)
        self.strangers.append(Stranger(instance.instance_id, values, now_ms))
        self._tick()

    def demote(self, actor: User) -> None:
        """Take somebody's rights away."""
        User.objects.filter(pk=actor.pk).update(role=User.Role.VIEWER)
        self.demoted[actor.username] = int(timezone.now().timestamp() * 1000)
        self._tick()

    def values(self) -> dict[str, dict[str, Any]]:
        """Every instance's editable values in the cloud."""
        notebooks = self.cloud.notebooks
        states = [asdict(one) for one in self.cloud.fleet.instances()]
        states += [notebooks.state(one) for one in notebooks.notebooks()]
        return {one["id"]: cloud_values(one) for one in states}

    def evidence(self) -> Evidence:
        """What all witnesses say."""
        return Evidence(
            **from_database(),
            log=[asdict(entry) for entry in self.cloud.log.entries()],
            before=self.before,
            after=self.values(),
            accepted=self.accepted,
            strangers=self.strangers,
            demoted=self.demoted,
        )

    def _tick(self) -> None:
        """Let a millisecond pass, so that before and after can be told apart."""
        now = time.time()
        while time.time() - now < 0.002:
            pass
