"""The notebooks of one project.

Every method takes the lock, carries out the changes of status that are due, acts and
returns a snapshot.
"""

import copy
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from . import lifecycle
from .behavior import Behavior
from .clock import Clock
from .creation import CreateRequest
from .errors import service_refusal
from .instance import AutoStop, Instance
from .journal import Journal
from .people import User
from .selection import select
from .validation import AutoStopChange, ListQuery, UpdateRequest


@dataclass(frozen=True)
class Applied:
    """The effect of a write, for the checks of tests.

    Attributes:
        order: Position among all writes of this fleet, from 1, in which they took
            effect; answers may come in another order.
        at_ms: By the cloud's clock, Unix milliseconds.
        values: What is now stored.
    """

    order: int
    at_ms: int
    values: dict[str, Any]


#: Statuses in which auto-stop cannot be changed (6347). No document lists them: no run
#: can follow them, or the resources are being rebuilt.
FIXED_STATUSES = frozenset({"CREATE_FAILED", "DELETED", "RESIZING"})
#: Statuses in which an instance may be deleted (6304 otherwise).
DELETABLE_STATUSES = frozenset(
    {"STOPPED", "CREATE_FAILED", "START_FAILED", "RESIZE_FAILED", "UNAVAILABLE"}
)


class Fleet:
    def __init__(
        self,
        clock: Clock,
        behavior: Behavior,
        project_id: str,
        instances: Iterable[Instance] = (),
        journal: Journal | None = None,
    ) -> None:
        self._clock = clock
        self._behavior = behavior
        self._project_id = project_id
        self._instances = {instance.id: instance for instance in instances}
        self._journal = journal or Journal()
        self._lock = threading.RLock()
        self._writes = 0

    def __len__(self) -> int:
        return len(self._instances)

    def instances(self) -> list[Instance]:
        with self._lock:
            self._catch_up_all()
            return [copy.copy(instance) for instance in self._instances.values()]

    def catch_up(self) -> None:
        """Carry out the changes of status that are due."""
        with self._lock:
            self._catch_up_all()

    def get(self, instance_id: str) -> Instance:
        """Return a copy of one instance; refuse with 6309 if there is none."""
        with self._lock:
            return copy.copy(self._find(instance_id))

    def show(self, instance_id: str) -> dict[str, Any]:
        """Return the document of one instance; refuse with 6309 if there is none."""
        with self._lock:
            return self._document(self._find(instance_id))

    def listing(self, query: ListQuery, caller: User) -> dict[str, Any]:
        with self._lock:
            self._catch_up_all()
            page, total = select(self._instances.values(), query, caller)
            return {
                "instances": [self._document(instance) for instance in page],
                "total_count": total,
            }

    def update(
        self, instance_id: str, requested: UpdateRequest, *, dry: bool = False
    ) -> tuple[dict[str, Any], Applied]:
        """Change description and auto-stop; absent members stay.

        Args:
            dry: Answer as usual, but store nothing.
        """
        with self._change(instance_id, dry) as (instance, now_ms):
            if requested.auto_stop is not None:
                if instance.status in FIXED_STATUSES:
                    raise service_refusal(
                        "6347", "The param cannot be modified in the current status."
                    )
                setting = self._merged(instance.auto_stop, requested.auto_stop)
                lifecycle.set_auto_stop(instance, setting, now_ms, self._behavior)
            if requested.description is not None:
                instance.description = requested.description
            instance.updated_ms = now_ms
            document = self._document(instance)
            if self._behavior.update_answer == "no_spec":
                del document["spec"]
                document["profile"]["provision"].pop("annotations", None)
            values = {
                "description": instance.description,
                "auto_stop": instance.auto_stop.document(),
            }
            return document, self._applied(values, dry)

    def act(
        self, instance_id: str, action: str, *, dry: bool = False
    ) -> tuple[dict[str, Any], Applied]:
        """Start, stop or restart; the answer has the status before and after."""
        begin = {
            "start": lifecycle.begin_start,
            "stop": lifecycle.begin_stop,
            "restart": lifecycle.begin_restart,
        }[action]
        with self._change(instance_id, dry) as (instance, now_ms):
            previous = instance.status
            begin(instance, now_ms, self._behavior)
            answer = {"current_status": instance.status, "previous_state": previous}
            return answer, self._applied({"status": instance.status}, dry)

    def create(
        self, requested: CreateRequest, owner: User, *, dry: bool = False
    ) -> tuple[dict[str, Any], Applied]:
        """Create an instance, which runs some seconds later."""
        with self._lock:
            if any(other.name == requested.name for other in self._instances.values()):
                raise service_refusal("6301", "The instance name already exists.")
            now_ms = self._clock.now_ms()
            instance = Instance(
                id=f"DE-{uuid.uuid4()}",
                name=requested.name,
                owner=owner,
                flavor=requested.flavor,
                profile=requested.profile,
                created_ms=now_ms,
                updated_ms=now_ms,
                description=requested.description,
                workspace=requested.workspace,
                pool=requested.pool,
                storage=requested.storage,
                auto_stop=requested.auto_stop,
            )
            lifecycle.begin_creation(instance, now_ms, self._behavior)
            if not dry:
                self._insert(instance, now_ms)
            applied = self._applied({"id": instance.id, "status": instance.status}, dry)
            return self._document(instance), applied

    def delete(
        self, instance_id: str, *, dry: bool = False
    ) -> tuple[dict[str, Any], Applied]:
        """Delete a stopped instance at once."""
        with self._lock:
            instance = self._find(instance_id)
            if instance.status not in DELETABLE_STATUSES:
                raise service_refusal(
                    "6304", "The instance must be stopped before it is deleted."
                )
            if not dry:
                del self._instances[instance_id]
                now_ms = self._clock.now_ms()
                self._journal.record(instance_id, now_ms, instance.status, None)
            return {"instance_id": instance_id}, self._applied({"deleted": True}, dry)

    def force(
        self,
        instance_id: str,
        *,
        status: str | None = None,
        stops_in_seconds: float | None = None,
        late_seconds: float = 0,
        auto_stop: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Instance:
        """Put an instance into any state, past all rules: for tests and scripts.

        Args:
            status: Entered now, with its timers; it need not be a documented one.
            stops_in_seconds: End of the current run, emulated seconds from now.
            late_seconds: How long after that end the cloud stops it.
            auto_stop: Fields of AutoStop to set; the current run is not affected.
            changes: Other fields of Instance to set.

        Raises:
            RefusalError: 6309, unknown instance; 6332, no such field.
        """
        with self._change(instance_id) as (instance, now_ms):
            try:
                replace(instance, **changes)
                setting = replace(instance.auto_stop, **(auto_stop or {}))
            except TypeError as error:
                raise service_refusal("6332", str(error)) from None
            for name, value in changes.items():
                setattr(instance, name, value)
            instance.auto_stop = setting
            if status is not None:
                instance.plan = ()
                lifecycle.enter(instance, status, now_ms, self._behavior)
            if stops_in_seconds is not None:
                stops_at_ms = now_ms + int(stops_in_seconds * 1000)
                lifecycle.plan_stop(
                    instance, stops_at_ms, self._behavior, late_seconds=late_seconds
                )
            return copy.copy(instance)

    def add(self, instance: Instance) -> None:
        with self._lock:
            self._insert(instance, self._clock.now_ms())

    def _insert(self, instance: Instance, now_ms: int) -> None:
        replaced = self._instances.get(instance.id)
        self._instances[instance.id] = instance
        before = None if replaced is None else replaced.status
        self._journal.record(instance.id, now_ms, before, instance.status)

    def _find(self, instance_id: str) -> Instance:
        instance = self._instances.get(instance_id)
        if instance is None:
            # This generation's "not found" is HTTP 400.
            raise service_refusal("6309", "The instance does not exist.")
        self._catch_up(instance, self._clock.now_ms())
        return instance

    @contextmanager
    def _change(
        self, instance_id: str, dry: bool = False
    ) -> Iterator[tuple[Instance, int]]:
        """Lock an instance, or a copy with ``dry``; record a change of its status."""
        with self._lock:
            instance, now_ms = self._find(instance_id), self._clock.now_ms()
            if dry:
                yield copy.copy(instance), now_ms
                return
            before = instance.status
            yield instance, now_ms
            self._journal.record(instance_id, now_ms, before, instance.status)

    def _catch_up_all(self) -> None:
        now_ms = self._clock.now_ms()
        for instance in self._instances.values():
            if instance.plan and instance.plan[0][0] <= now_ms:
                self._catch_up(instance, now_ms)

    def _catch_up(self, instance: Instance, now_ms: int) -> None:
        steps = lifecycle.catch_up(instance, now_ms, self._behavior)
        self._journal.record_steps(instance.id, steps)

    def _document(self, instance: Instance) -> dict[str, Any]:
        return instance.document(self._clock.now_ms(), self._project_id)

    def _applied(self, values: dict[str, Any], dry: bool) -> Applied:
        if not dry:
            self._writes += 1
        return Applied(self._writes, self._clock.now_ms(), values)

    def _merged(self, old: AutoStop, requested: AutoStopChange) -> AutoStop:
        behavior = self._behavior
        enable, prompt = requested.enable, requested.prompt
        if enable is None:
            enable = old.enable if behavior.enable_absent == "keep" else False
        if prompt is None:
            prompt = old.prompt if behavior.prompt_absent == "keep" else True
        duration = requested.duration_seconds
        return AutoStop(enable, duration or old.duration_seconds, prompt)
