"""The notebooks of one project.

Every method is one consistent step: it takes the lock, catches up with the clock, acts,
and returns a snapshot.
"""

import copy
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from . import lifecycle
from .clock import Clock
from .creation import CreateRequest
from .errors import RefusalError, service_refusal
from .instance import AutoStop, Instance
from .lifecycle import Behaviour
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


#: Statuses in which auto-stop cannot be changed (6347). No document lists them: these
#: are those in which no run can follow or the resources are being rebuilt.
FIXED_STATUSES = frozenset({"CREATE_FAILED", "DELETED", "RESIZING"})
#: Statuses in which an instance may be deleted (6304 otherwise).
DELETABLE_STATUSES = frozenset(
    {"STOPPED", "CREATE_FAILED", "START_FAILED", "RESIZE_FAILED", "UNAVAILABLE"}
)


class Fleet:
    def __init__(
        self,
        clock: Clock,
        behaviour: Behaviour,
        project_id: str,
        instances: Iterable[Instance] = (),
    ) -> None:
        self._clock = clock
        self._behaviour = behaviour
        self._project_id = project_id
        self._instances = {instance.id: instance for instance in instances}
        self._lock = threading.RLock()
        self._writes = 0

    def __len__(self) -> int:
        return len(self._instances)

    def instances(self) -> list[Instance]:
        with self._lock:
            self._settle_all()
            return [copy.copy(instance) for instance in self._instances.values()]

    def get(self, instance_id: str) -> Instance:
        """Return a copy of one instance.

        Raises:
            RefusalError: 6309, there is none.
        """
        with self._lock:
            return copy.copy(self._find(instance_id))

    def show(self, instance_id: str) -> dict[str, Any]:
        """Return the document of one instance.

        Raises:
            RefusalError: 6309.
        """
        with self._lock:
            return self._document(self._find(instance_id))

    def listing(self, query: ListQuery, caller: User) -> dict[str, Any]:
        with self._lock:
            self._settle_all()
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
            dry: Answer as if, but store nothing.

        Raises:
            RefusalError: 6309, 6346, 6347.
        """
        with self._lock:
            instance = self._changing(instance_id, dry)
            now_ms = self._clock.now_ms()
            if requested.auto_stop is not None:
                if instance.status in FIXED_STATUSES:
                    raise service_refusal(
                        "6347", "The param cannot be modified in the current status."
                    )
                setting = self._merged(instance.auto_stop, requested.auto_stop)
                lifecycle.set_auto_stop(instance, setting, now_ms, self._behaviour)
            if requested.description is not None:
                instance.description = requested.description
            instance.updated_ms = now_ms
            document = self._document(instance)
            if self._behaviour.update_answer == "no_spec":
                del document["spec"]
                document["profile"]["provision"].pop("annotations", None)
            values = {
                "description": instance.description,
                "auto_stop": {
                    "enable": instance.auto_stop.enable,
                    "duration": instance.auto_stop.duration_seconds,
                    "prompt": instance.auto_stop.prompt,
                },
            }
            return document, self._applied(values, dry)

    def act(
        self, instance_id: str, action: str, *, dry: bool = False
    ) -> tuple[dict[str, Any], Applied]:
        """Start, stop or restart; the answer has the status before and after.

        Raises:
            RefusalError: 6309, 6305 to 6308, 6326, 6327, 6329, 6357.
        """
        begin = {
            "start": lifecycle.begin_start,
            "stop": lifecycle.begin_stop,
            "restart": lifecycle.begin_restart,
        }[action]
        with self._lock:
            instance = self._changing(instance_id, dry)
            previous = instance.status
            begin(instance, self._clock.now_ms(), self._behaviour)
            answer = {"current_status": instance.status, "previous_state": previous}
            return answer, self._applied({"status": instance.status}, dry)

    def create(
        self, requested: CreateRequest, owner: User, *, dry: bool = False
    ) -> tuple[dict[str, Any], Applied]:
        """Create an instance, which runs some seconds later.

        Raises:
            RefusalError: 6301 the name is taken, 6329 sold out.
        """
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
            lifecycle.begin_creation(instance, now_ms, self._behaviour)
            if not dry:
                self._instances[instance.id] = instance
            applied = self._applied({"id": instance.id, "status": instance.status}, dry)
            return self._document(instance), applied

    def delete(
        self, instance_id: str, *, dry: bool = False
    ) -> tuple[dict[str, Any], Applied]:
        """Delete a stopped instance at once.

        Raises:
            RefusalError: 6309; 6304, not stopped.
        """
        with self._lock:
            instance = self._changing(instance_id, dry)
            if instance.status not in DELETABLE_STATUSES:
                raise service_refusal(
                    "6304", "The instance must be stopped before it is deleted."
                )
            if not dry:
                del self._instances[instance_id]
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
            stops_in_seconds: End of the present run, emulated seconds from now.
            late_seconds: How long after that end the cloud stops it.
            auto_stop: Fields of AutoStop to set; the present run is not affected.
            changes: Other fields of Instance to set.

        Raises:
            RefusalError: 6309, unknown instance; 6332, no such field.
        """
        with self._lock:
            instance = self._find(instance_id)
            now_ms = self._clock.now_ms()
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
                lifecycle.enter(instance, status, now_ms, self._behaviour)
            if stops_in_seconds is not None:
                stops_at_ms = now_ms + int(stops_in_seconds * 1000)
                lifecycle.plan_stop(
                    instance, stops_at_ms, self._behaviour, late_seconds=late_seconds
                )
            return copy.copy(instance)

    def add(self, instance: Instance) -> None:
        with self._lock:
            self._instances[instance.id] = instance

    def _find(self, instance_id: str) -> Instance:
        instance = self._instances.get(instance_id)
        if instance is None:
            raise unknown_instance()
        lifecycle.settle(instance, self._clock.now_ms(), self._behaviour)
        return instance

    def _changing(self, instance_id: str, dry: bool) -> Instance:
        instance = self._find(instance_id)
        return copy.copy(instance) if dry else instance

    def _settle_all(self) -> None:
        now_ms = self._clock.now_ms()
        for instance in self._instances.values():
            if instance.plan and instance.plan[0][0] <= now_ms:
                lifecycle.settle(instance, now_ms, self._behaviour)

    def _document(self, instance: Instance) -> dict[str, Any]:
        return instance.document(self._clock.now_ms(), self._project_id)

    def _applied(self, values: dict[str, Any], dry: bool) -> Applied:
        if not dry:
            self._writes += 1
        return Applied(self._writes, self._clock.now_ms(), values)

    def _merged(self, old: AutoStop, requested: AutoStopChange) -> AutoStop:
        behaviour = self._behaviour
        enable, prompt = requested.enable, requested.prompt
        if enable is None:
            enable = old.enable if behaviour.enable_absent == "keep" else False
        if prompt is None:
            prompt = old.prompt if behaviour.prompt_absent == "keep" else True
        duration = requested.duration_seconds
        return AutoStop(enable, duration or old.duration_seconds, prompt)


def unknown_instance() -> RefusalError:
    """Return this generation's "not found": HTTP 400 with 6309."""
    return service_refusal("6309", "The instance does not exist.")
