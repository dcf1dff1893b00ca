"""The notebooks of one project.

Every method takes the lock, carries out the changes of status that are due, acts and
returns a snapshot.
"""

import copy
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from dashboard.emulator.behavior import Behavior
from dashboard.emulator.clock import Clock
from dashboard.emulator.errors import RefusalError, service_refusal
from dashboard.emulator.fleet import Applied
from dashboard.emulator.journal import Journal
from dashboard.emulator.people import USERS, User

from . import lifecycle
from .catalog import FLAVORS, NotebookFlavor
from .lease import Lease, LeaseRequest
from .notebook import Notebook, Volume
from .requests import NotebookChanges, NotebookCreation, NotebookQuery
from .selection import newest_first, select

#: How many notebooks a project may have.
QUOTA = 100_000
#: Statuses in which everything can be changed.
_AT_REST = frozenset({"STOPPED", "START_FAILED", "ERROR"})
_GROWING_SECONDS = 10

type Result = tuple[dict[str, Any], Applied]


class NotebookFleet:
    def __init__(
        self,
        clock: Clock,
        behavior: Behavior,
        notebooks: Iterable[Notebook] = (),
        journal: Journal | None = None,
    ) -> None:
        self._clock = clock
        self._behavior = behavior
        self._notebooks = {notebook.id: notebook for notebook in notebooks}
        self._ordered: list[Notebook] | None = None
        self._journal = journal or Journal()
        self._lock = threading.RLock()
        self._writes = 0

    def __len__(self) -> int:
        with self._lock:
            self._catch_up_all()
            return len(self._notebooks)

    def notebooks(self) -> list[Notebook]:
        with self._lock:
            self._catch_up_all()
            return [copy.copy(notebook) for notebook in self._notebooks.values()]

    def catch_up(self) -> None:
        """Carry out the changes of status that are due."""
        with self._lock:
            self._catch_up_all()

    def get(self, notebook_id: str) -> Notebook:
        """Return a copy of one notebook; refuse if there is none."""
        with self._lock:
            return copy.copy(self._find(notebook_id))

    def state(self, notebook: Notebook) -> dict[str, Any]:
        """Return the raw state as JSON, with the end of the run."""
        ends_ms = notebook.ends_ms(self._clock.now_ms(), self._behavior)
        return asdict(notebook) | {"ends_ms": ends_ms}

    def show(self, notebook_id: str) -> dict[str, Any]:
        with self._lock:
            notebook = self._find(notebook_id)
            return notebook.document(self._clock.now_ms(), self._behavior, shown=True)

    def listing(self, query: NotebookQuery, owner_id: str | None) -> dict[str, Any]:
        """Return a page: everybody's notebooks, or those of one user."""
        with self._lock:
            self._catch_up_all()
            if self._ordered is None:
                self._ordered = newest_first(list(self._notebooks.values()))
            page, total = select(self._ordered, query, owner_id)
            return {
                "current": query.offset // query.limit,
                "data": [self._document(notebook) for notebook in page],
                "pages": -(-total // query.limit),
                "size": query.limit,
                "total": total,
            }

    def lease(self, notebook_id: str) -> dict[str, Any]:
        """Return the lease of a running notebook; refuse others with 6327."""
        with self._lock:
            notebook = self._find(notebook_id)
            lifecycle.check_running(notebook)
            return self._lease(notebook)

    def switchable_flavors(self, notebook_id: str) -> list[NotebookFlavor]:
        """Return the flavors on which the notebook's image and disk would work."""
        with self._lock:
            notebook = self._find(notebook_id)
            return [
                flavor
                for flavor in FLAVORS.values()
                if flavor != notebook.flavor
                and flavor.category in notebook.image.categories
                and notebook.volume.category in {*flavor.storages, "SFS"}
            ]

    def tags(self) -> dict[str, list[str]]:
        """Return all values of each key."""
        with self._lock:
            values: dict[str, set[str]] = {}
            for notebook in self._notebooks.values():
                for key, value in notebook.tags.items():
                    values.setdefault(key, set()).add(value)
            return {key: sorted(values[key]) for key in sorted(values)}

    def update(
        self, notebook_id: str, requested: NotebookChanges, *, dry: bool = False
    ) -> Result:
        """Change what the status allows; absent members stay.

        Args:
            dry: Answer as usual, but store nothing.
        """
        with self._change(notebook_id, dry) as (notebook, now_ms):
            self._check_changeable(notebook, requested)
            if requested.storage_gb is not None:
                notebook.volume = _grown(notebook.volume, requested.storage_gb, now_ms)
            if requested.name is not None:
                notebook.name = requested.name
            if requested.description is not None:
                notebook.description = requested.description
            notebook.flavor = requested.flavor or notebook.flavor
            notebook.image = requested.image or notebook.image
            if requested.allowed_ips is not None:
                notebook.allowed_ips = requested.allowed_ips
                notebook.key_pair_names = requested.key_pair_names
            notebook.updated_ms = now_ms
            document = self._document(notebook)
            if self._behavior.notebook_update_answer == "partial":
                document = {
                    name: document[name]
                    for name in ("description", "flavor", "name", "endpoints")
                }
            values = {"name": notebook.name, "description": notebook.description}
            return document, self._applied(values, dry)

    def create(
        self, requested: NotebookCreation, owner: User, *, dry: bool = False
    ) -> Result:
        """Create a notebook, which runs some seconds later. Names may repeat."""
        with self._lock:
            if len(self._notebooks) >= QUOTA:
                raise service_refusal("6302", "The limit of instances is reached.")
            now_ms = self._clock.now_ms()
            # The lease is a little older, as in the samples.
            lease_ms = now_ms - 2
            notebook = Notebook(
                id=str(uuid.uuid4()),
                name=requested.name,
                owner=owner,
                flavor=requested.flavor,
                image=requested.image,
                created_ms=now_ms,
                updated_ms=now_ms,
                lease=Lease(lease_ms, lease_ms).renewed(requested.lease, lease_ms),
                description=requested.description,
                feature=requested.feature,
                workspace=requested.workspace,
                pool=requested.pool,
                volume=requested.volume,
                allowed_ips=requested.allowed_ips,
                key_pair_names=requested.key_pair_names,
            )
            lifecycle.begin_creation(notebook, now_ms, self._behavior)
            if not dry:
                self._insert(notebook, now_ms)
            applied = self._applied({"id": notebook.id, "status": notebook.status}, dry)
            return self._document(notebook), applied

    def start(
        self, notebook_id: str, requested: LeaseRequest, *, dry: bool = False
    ) -> Result:
        with self._change(notebook_id, dry) as (notebook, now_ms):
            lifecycle.begin_start(notebook, requested, now_ms, self._behavior)
            return self._document(notebook), self._run_applied(notebook, dry)

    def stop(self, notebook_id: str, *, dry: bool = False) -> Result:
        with self._change(notebook_id, dry) as (notebook, now_ms):
            lifecycle.begin_stop(notebook, now_ms, self._behavior)
            return self._document(notebook), self._run_applied(notebook, dry)

    def renew(
        self, notebook_id: str, requested: LeaseRequest, *, dry: bool = False
    ) -> Result:
        """Give the current run a new lease; return that lease."""
        with self._change(notebook_id, dry) as (notebook, now_ms):
            lifecycle.renew(notebook, requested, now_ms, self._behavior)
            return self._lease(notebook), self._run_applied(notebook, dry)

    def delete(self, notebook_id: str, *, dry: bool = False) -> Result:
        with self._change(notebook_id, dry) as (notebook, now_ms):
            lifecycle.begin_deletion(notebook, now_ms, self._behavior)
            return self._document(notebook), self._applied({"deleted": True}, dry)

    def change_tags(
        self, notebook_id: str, tags: dict[str, str], *, add: bool, dry: bool = False
    ) -> Applied:
        """Set tags, or remove those with these keys; unknown keys are ignored."""
        with self._change(notebook_id, dry) as (notebook, _):
            kept = {key: notebook.tags[key] for key in notebook.tags.keys() - tags}
            # In the order in which they were added.
            kept = {key: kept[key] for key in notebook.tags if key in kept}
            notebook.tags = notebook.tags | tags if add else kept
            return self._applied({"tags": notebook.tags}, dry)

    def force(
        self,
        notebook_id: str,
        *,
        status: str | None = None,
        stops_in_seconds: float | None = None,
        late_seconds: float = 0,
        lease: dict[str, Any] | None = None,
        busy: bool | None = None,
        owner: str | User | None = None,
        **changes: Any,
    ) -> Notebook:
        """Put a notebook into any state, past all rules: for tests and scripts.

        Args:
            status: Entered now, with its timers; it need not be a documented one.
            stops_in_seconds: End of the current run, emulated seconds from now; for an
                IDLE lease, with no further heartbeat.
            late_seconds: How long after that end the cloud stops it.
            lease: Fields of Lease to set; the current run ends by it.
            busy: Whether it sends heartbeats from now on.
            owner: A user, or the name of one.
            changes: Other fields of Notebook to set.

        Raises:
            RefusalError: Unknown notebook; 6332, no such field.
        """
        with self._change(notebook_id) as (notebook, now_ms):
            if isinstance(owner, str):
                owner = USERS[owner]
            try:
                replace(notebook, **changes)
                new_lease = replace(notebook.lease, **(lease or {}))
            except TypeError as error:
                raise service_refusal("6332", str(error)) from None
            for name, value in changes.items():
                setattr(notebook, name, value)
            notebook.owner = owner or notebook.owner
            notebook.lease = new_lease
            if status is not None:
                notebook.plan = ()
                lifecycle.enter(notebook, status, now_ms, self._behavior)
            if busy is not None:
                notebook.busy_until_ms = None if busy else now_ms
            if stops_in_seconds is not None:
                ends_ms = now_ms + int(stops_in_seconds * 1000)
                if notebook.lease.type == "IDLE":
                    notebook.busy_until_ms = 0
                begins_ms = max(
                    notebook.lease.updated_ms,
                    notebook.heartbeat_ms(now_ms, self._behavior)
                    if notebook.lease.type == "IDLE"
                    else 0,
                )
                notebook.lease = replace(
                    notebook.lease, enable=True, period_ms=ends_ms - begins_ms
                )
            if notebook.status == "RUNNING" and (
                lease or busy is not None or stops_in_seconds is not None
            ):
                lifecycle.plan_end(
                    notebook, now_ms, self._behavior, late_seconds=late_seconds
                )
            self._ordered = None
            return copy.copy(notebook)

    def add(self, notebook: Notebook) -> None:
        with self._lock:
            self._insert(notebook, self._clock.now_ms())

    def _insert(self, notebook: Notebook, now_ms: int) -> None:
        replaced = self._notebooks.get(notebook.id)
        self._notebooks[notebook.id] = notebook
        self._ordered = None
        before = None if replaced is None else replaced.status
        self._journal.record(notebook.id, now_ms, before, notebook.status)

    def _find(self, notebook_id: str) -> Notebook:
        notebook = self._notebooks.get(notebook_id)
        if notebook is not None:
            self._catch_up(notebook, self._clock.now_ms())
        if notebook is None or notebook.status == lifecycle.GONE:
            raise self._unknown()
        return notebook

    def _unknown(self) -> RefusalError:
        status, code = self._behavior.missing_notebook.split()
        return service_refusal(code, "The notebook does not exist.", int(status))

    @contextmanager
    def _change(
        self, notebook_id: str, dry: bool = False
    ) -> Iterator[tuple[Notebook, int]]:
        """Lock a notebook, or a copy with ``dry``; record a change of its status."""
        with self._lock:
            notebook, now_ms = self._find(notebook_id), self._clock.now_ms()
            if dry:
                yield copy.copy(notebook), now_ms
                return
            before = notebook.status
            yield notebook, now_ms
            self._journal.record(notebook_id, now_ms, before, notebook.status)

    def _catch_up_all(self) -> None:
        now_ms = self._clock.now_ms()
        for notebook in list(self._notebooks.values()):
            if notebook.plan and notebook.plan[0][0] <= now_ms:
                self._catch_up(notebook, now_ms)

    def _catch_up(self, notebook: Notebook, now_ms: int) -> None:
        steps = lifecycle.catch_up(notebook, now_ms, self._behavior)
        self._journal.record_steps(notebook.id, steps)
        if notebook.status == lifecycle.GONE:
            del self._notebooks[notebook.id]
            self._ordered = None

    def _check_changeable(self, notebook: Notebook, requested: NotebookChanges) -> None:
        status = notebook.status
        if status in _AT_REST:
            return
        if status not in {"RUNNING", "CREATE_FAILED", "FROZEN", "DELETED"}:
            raise service_refusal(
                "6357", "Another operation on the instance is being performed."
            )
        may_change = self._behavior.update_while_running == "accept"
        if status != "RUNNING" or requested.needs_stop or not may_change:
            raise service_refusal(
                "6347", "The param cannot be modified in the current status."
            )

    def _document(self, notebook: Notebook) -> dict[str, Any]:
        return notebook.document(self._clock.now_ms(), self._behavior)

    def _lease(self, notebook: Notebook) -> dict[str, Any]:
        return notebook.lease_document(self._clock.now_ms(), self._behavior)

    def _run_applied(self, notebook: Notebook, dry: bool) -> Applied:
        values = {"status": notebook.status, "lease": self._lease(notebook)}
        return self._applied(values, dry)

    def _applied(self, values: dict[str, Any], dry: bool) -> Applied:
        if not dry:
            self._writes += 1
        return Applied(self._writes, self._clock.now_ms(), values)


def _grown(volume: Volume, size_gb: int, now_ms: int) -> Volume:
    """Return the volume with a larger disk; EVS only."""
    if volume.category != "EVS":
        raise service_refusal("6324", "The storage type is not supported.")
    if not volume.capacity_gb <= size_gb <= 4_096:
        raise service_refusal("6331", "The EVS volume size is out of range.")
    if size_gb == volume.capacity_gb:
        return volume
    grows_until_ms = now_ms + _GROWING_SECONDS * 1000
    return replace(volume, capacity_gb=size_gb, grows_until_ms=grows_until_ms)
