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

from django.db.models import F
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import merge, overdue, services
from dashboard.edits.delivery import queue, send
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances.models import Cloud, Instance

from .evidence import Acceptance, Evidence, Stranger, cloud_values, from_database

NOBODY = 4711
"""A sign of life that no process gives."""

LONGEST_SETTLING = 60
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
        self.strangers: list[Stranger] = []
        self.demoted: dict[str, int] = {}
        self.before = self.values()
        self.instances = deque(
            Instance.objects.select_related("cloud")
            .filter(status__in=["RUNNING", "STOPPED"], auto_stop_enable=True)
            .order_by("pk")
        )
        self._forms = count(1)

    def submit(
        self,
        instance: Instance,
        actor: User,
        *,
        form: str = "",
        is_nudged: bool = True,
        **patch: Any,
    ) -> Edit:
        """Have a person wish for something, on what the page shows now."""
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
        if is_nudged:
            self.queue.append(instance.pk)
        return edit

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

    def sweep(self) -> None:
        """One turn of the sweeper."""
        overdue.expire()
        self.queue.extend(queue.due_instances())

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

    def settle(self) -> None:
        """Let everything come to its end, if it does."""
        for _ in range(LONGEST_SETTLING):
            self.deliver()
            open_edits = Edit.objects.filter(state__in=Edit.OPEN)
            unsettled = EditQueue.objects.filter(recheck_at__isnull=False)
            if not open_edits.exists() and not unsettled.exists():
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

    def demote(self, actor: User) -> None:
        """Take somebody's rights away."""
        User.objects.filter(pk=actor.pk).update(role=User.Role.VIEWER)
        self.demoted[actor.username] = int(timezone.now().timestamp() * 1000)
        self._tick()

    def values(self) -> dict[str, dict[str, Any]]:
        """Every instance's editable values in the cloud."""
        return {
            one.id: cloud_values(asdict(one)) for one in self.cloud.fleet.instances()
        }

    def evidence(self) -> Evidence:
        """What all witnesses say."""
        return Evidence(
            **from_database(),
            log=[entry.document() for entry in self.cloud.log.entries()],
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
