"""An emulated notebook of the second generation, and its document.

Source: ``docs/modelarts-api.md``, B.3 to B.5. The secrets and personal data are
canaries: strings that occur nowhere else.
"""

from dataclasses import dataclass, field
from typing import Any

from dashboard.emulator.behavior import Behavior
from dashboard.emulator.instance import overlaid
from dashboard.emulator.people import (
    DEFAULT_WORKSPACE,
    DOMAIN_ID,
    DOMAIN_NAME,
    Pool,
    User,
    Workspace,
)

from .catalog import NotebookFlavor, NotebookImage
from .lease import Lease

#: Every status of B.4.
STATUSES = (
    "INIT",
    "CREATING",
    "STARTING",
    "STOPPING",
    "DELETING",
    "RUNNING",
    "STOPPED",
    "SNAPSHOTTING",
    "CREATE_FAILED",
    "START_FAILED",
    "DELETE_FAILED",
    "ERROR",
    "DELETED",
    "FROZEN",
)

_TOKEN = "FAKE-CANARY-notebook-token"  # noqa: S105 (a canary)
_URL = "FAKE-CANARY-notebook-url"
_ENDPOINT = "fake-canary-notebook-endpoint"
_SECRET_NAME = "FAKE-CANARY-notebook-dew-secret-name"  # noqa: S105 (a canary)
_ADDRESS = "fake-canary-notebook-ip"

#: What no page, log or database may contain.
NOTEBOOK_CANARIES = (_TOKEN, _URL, _ENDPOINT, _SECRET_NAME, _ADDRESS)

_STEPS = (
    (4, "Initialize the notebook instance."),
    (3, "Configuring the network."),
    (2, "Prepare the compute resource."),
    (1, "Prepare the storage."),
)


@dataclass(frozen=True)
class Volume:
    """The disk or file system with the work folder.

    Attributes:
        grows_until_ms: An EVS disk shows RESIZING until then.
    """

    category: str = "EVS"
    ownership: str = "MANAGED"
    capacity_gb: int = 50
    grows_until_ms: int = 0

    def document(self, now_ms: int) -> dict[str, Any]:
        document: dict[str, Any] = {
            "category": self.category,
            "ownership": self.ownership,
            "mount_path": "/home/ma-user/work/",
            "capacity": self.capacity_gb,
        }
        if now_ms < self.grows_until_ms:
            document["status"] = "RESIZING"
        return document


@dataclass
class Notebook:
    """State of one notebook. Times are Unix **milliseconds** of the cloud's clock.

    Attributes:
        updated_ms: Moved by updates and by changes of status.
        entered_ms: When the current status began.
        plan: Future changes of status: (moment, status), in order. GONE removes it.
        run_started_ms: When the current run became RUNNING; a snapshot is part of it.
        busy_until_ms: A busy notebook sends heartbeats, which extend an IDLE lease;
            None for always.
        fail_reason: Shown where it is not None.
        doomed: The next creation or start fails for this reason.
        allowed_ips: Who may reach it by SSH; None for no SSH.
        buckets: Buckets mounted as further volumes.
        overrides: Members that replace those of the document.
    """

    id: str
    name: str
    owner: User
    flavor: NotebookFlavor
    image: NotebookImage
    created_ms: int
    updated_ms: int
    lease: Lease
    status: str = "STOPPED"
    entered_ms: int = 0
    description: str = ""
    feature: str = "NOTEBOOK"
    workspace: Workspace = DEFAULT_WORKSPACE
    pool: Pool | None = None
    volume: Volume = Volume()
    plan: tuple[tuple[int, str], ...] = ()
    run_started_ms: int | None = None
    busy_until_ms: int | None = 0
    fail_reason: str | None = None
    doomed: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    allowed_ips: tuple[str, ...] | None = None
    key_pair_names: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Return whether a run is going on."""
        return self.status in {"RUNNING", "SNAPSHOTTING"}

    def heartbeat_ms(self, now_ms: int, behavior: Behavior) -> int:
        """Return the last heartbeat up to now; the start of the run counts as one."""
        if self.run_started_ms is None:
            return self.lease.updated_ms
        until_ms = now_ms
        if self.busy_until_ms is not None:
            until_ms = min(now_ms, self.busy_until_ms)
        interval_ms = int(behavior.heartbeat_seconds * 1000)
        beats = max(0, until_ms - self.run_started_ms) // interval_ms
        return self.run_started_ms + beats * interval_ms

    def ends_ms(self, now_ms: int, behavior: Behavior) -> int | None:
        """Return the end of the current run by what is known now; None for no end."""
        if not self.is_active:
            return None
        return self.lease.ends_ms(self.heartbeat_ms(now_ms, behavior))

    def lease_document(self, now_ms: int, behavior: Behavior) -> dict[str, Any]:
        return self.lease.document(
            self.heartbeat_ms(now_ms, behavior),
            with_type=behavior.lease_type == "shown",
        )

    def document(
        self, now_ms: int, behavior: Behavior, *, shown: bool = False
    ) -> dict[str, Any]:
        """Return the notebook as in answers.

        Parts may be shared with other documents: copy before changing.

        Args:
            shown: Whether it is the answer to show, which has the current time.
        """
        document: dict[str, Any] = {
            "billing_items": self.billing_items,
            "description": self.description,
            "endpoints": self._endpoints(),
            "feature": self.feature,
            "flavor": self.flavor.id,
            "id": self.id,
            "image": self.image.document(),
            "lease": self.lease_document(now_ms, behavior),
            "name": self.name,
            "status": self.status,
            "token": f"{_TOKEN}-{self.id}",
            "url": self._url(),
            "user": {
                "domain": {"id": DOMAIN_ID, "name": DOMAIN_NAME},
                "id": self.owner.id,
                "name": self.owner.name,
            },
            "volume": self.volume.document(now_ms),
            "workspace_id": self.workspace.id,
        }
        if behavior.top_level_times:
            document["create_at"] = self.created_ms
            document["update_at"] = self.updated_ms
        if self.pool is not None:
            document["pool"] = {"id": self.pool.id, "name": self.pool.name}
        if self.fail_reason is not None:
            document["fail_reason"] = self.fail_reason
        if progress := self._progress(now_ms):
            document["action_progress"] = progress
        if behavior.is_huawei:
            document |= self._huawei_members()
        if shown and behavior.current_time:
            document["current_time"] = now_ms
        return overlaid(document, self.overrides) if self.overrides else document

    def _huawei_members(self) -> dict[str, Any]:
        return {
            "user_id": self.owner.id,
            "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
            "data_volumes": [
                {
                    "category": "OBSFS",
                    "mount_path": f"/data/{bucket}/",
                    "url": f"obs://{bucket}/",
                    "status": "MOUNTED",
                    "mount_type": "DYNAMIC",
                    "dew_secret_name": _SECRET_NAME,
                }
                for bucket in self.buckets
            ],
            "ip": _ADDRESS if self.is_active else "",
            "jupyter_version": "3.2.3",
            "is_need_credentials": False,
        }

    @property
    def billing_items(self) -> list[str]:
        items = ["COMPUTE"] if self.is_active else []
        return [*items, "STORAGE"] if self.volume.category == "EVS" else items

    def _url(self) -> str:
        host = "authoring-modelarts-eu-de.example.com"
        return f"https://{host}/{self.id}/lab?token={_URL}"

    def _endpoints(self) -> list[dict[str, Any]]:
        if not self.is_active:
            return []
        host = f"{_ENDPOINT}.example.com"
        endpoints: list[dict[str, Any]] = [
            {"service": "NOTEBOOK", "uri": f"https://{host}/{self.id}/lab"}
        ]
        if self.allowed_ips is not None:
            endpoints.append(
                {
                    "service": "SSH",
                    "dev_service": "SSH",
                    "uri": f"ssh://ma-user@{host}:30022",
                    "allowed_access_ips": list(self.allowed_ips),
                    "key_pair_names": list(self.key_pair_names),
                }
            )
        return endpoints

    def _progress(self, now_ms: int) -> list[dict[str, Any]]:
        """Return the four steps of a creation or start, the last one first."""
        if self.status == "INIT":
            done = -1
        elif self.status in {"CREATING", "STARTING"} and self.plan:
            ends_ms = self.plan[-1][0]
            passed = (now_ms - self.entered_ms) / max(1, ends_ms - self.entered_ms)
            done = min(3, int(4 * passed))
        elif self.status in {"CREATE_FAILED", "START_FAILED"}:
            done = 1
        else:
            return []
        current = "FAILED" if self.status.endswith("FAILED") else "PROCESSING"
        return [
            {
                "step": step,
                "status": (
                    "COMPLETED"
                    if step <= done
                    else current
                    if step == done + 1 and done >= 0
                    else "WAITING"
                ),
                "description": text,
            }
            for step, text in _STEPS
        ]
