"""An emulated notebook instance and its document.

Source: ``docs/modelarts-api.md``, A.6, tables 5 to 24.
"""

from dataclasses import dataclass, field
from typing import Any

from .catalog import Flavor, Profile, hardware
from .people import DEFAULT_WORKSPACE, Pool, User, Workspace
from .repository import Repository, credential

TARGET_DOMAIN = "https://notebook-modelarts.eu-de.example.com"

#: Every status of A.7 an instance of this generation may show.
STATUSES = (
    "CREATE_QUEUING",
    "CREATING",
    "CREATE_FAILED",
    "START_QUEUING",
    "READY_TO_START",
    "STARTING",
    "RESTARTING",
    "START_FAILED",
    "RUNNING",
    "STOPPING",
    "STOPPED",
    "UNAVAILABLE",
    "DELETED",
    "RESIZING",
    "RESIZE_FAILED",
)


@dataclass(frozen=True)
class AutoStop:
    """The auto-stop setting (table 17 without what belongs to a run).

    Attributes:
        duration_seconds: Length of a run, from each start.
        prompt: Whether the console reminds the user.
    """

    enable: bool = False
    duration_seconds: int = 3_600
    prompt: bool = True

    def document(self) -> dict[str, Any]:
        return {
            "duration": self.duration_seconds,
            "enable": self.enable,
            "prompt": self.prompt,
        }


@dataclass(frozen=True)
class Queue:
    """A wait for free resources (table 20); times are Unix milliseconds.

    Attributes:
        rank: Initial place in the queue, from 1.
    """

    begin_ms: int
    end_ms: int
    rank: int

    def rank_at(self, now_ms: int) -> int:
        """Return the current place in the queue; it falls evenly to 1."""
        left = max(self.end_ms - now_ms, 0) / max(self.end_ms - self.begin_ms, 1)
        return max(1, min(self.rank, round(self.rank * left + 0.5)))


@dataclass(frozen=True)
class Failure:
    """Why a creation or start failed (table 18), with the instance's error_code."""

    code: str
    message: str
    detail: tuple[tuple[str, str], ...] = ()

    def document(self) -> dict[str, Any]:
        """Return ``spec.failed_reasons``."""
        return {
            "code": self.code,
            "message": self.message,
            "detail": dict(self.detail),
        }


@dataclass
class Instance:
    """State of one notebook. Times are Unix **milliseconds** of the cloud's clock.

    Attributes:
        updated_ms: Moved by updates, not by changes of status.
        plan: Future changes of status: (moment, status), in order.
        run_started_ms: When the current run became RUNNING.
        stops_at_ms: End of the current run, fixed at its start.
        doomed: Why the next start ends in START_FAILED, if it does.
        frozen: The account is in arrears: a start is refused with 6326.
        has_credential: Whether ``spec.credential`` is present, with a canary.
        overrides: Members that replace those of the document, to produce answers of a
            broken cloud.
    """

    id: str
    name: str
    owner: User
    flavor: Flavor
    profile: Profile
    created_ms: int
    updated_ms: int
    status: str = "STOPPED"
    description: str = ""
    workspace: Workspace = DEFAULT_WORKSPACE
    pool: Pool | None = None
    storage: dict[str, Any] = field(default_factory=dict)
    extend_storage: list[dict[str, Any]] | None = None
    auto_stop: AutoStop = AutoStop()
    plan: tuple[tuple[int, str], ...] = ()
    run_started_ms: int | None = None
    stops_at_ms: int | None = None
    queue: Queue | None = None
    failure: Failure | None = None
    doomed: Failure | None = None
    frozen: bool = False
    repository: Repository | None = None
    has_credential: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)

    def document(self, now_ms: int, project_id: str) -> dict[str, Any]:
        """Return the instance as in the answers to list, show and update.

        Parts may be shared with other documents: copy before changing.

        Args:
            project_id: Owner of dedicated pools.
        """
        flavor_details = self.flavor.details()
        document: dict[str, Any] = {
            "ai_project": {"id": "default-ai-project"},
            "creation_timestamp": str(self.created_ms),
            "description": self.description,
            "flavor": self.flavor.name,
            "flavor_details": flavor_details,
            "id": self.id,
            "latest_update_timestamp": str(self.updated_ms),
            "name": self.name,
            "profile": self.profile.document(hardware(self.flavor)),
            "spec": self._spec(now_ms),
            "status": self.status,
            "user": {"id": self.owner.id, "name": self.owner.name},
            "workspace": {"id": self.workspace.id},
        }
        if self.pool is not None:
            document["pool"] = {
                "id": self.pool.id,
                "name": self.pool.name,
                "type": "USER_DEFINED",
                "owner": {"project_id": project_id},
            }
        if self.failure is not None:
            document["error_code"] = self.failure.code
        if self.repository is not None:
            document["repository"] = self.repository.document("repository")
        if self.queue is not None:
            document["queuing_info"] = {
                "id": self.id,
                "name": self.name,
                "de_type": "Notebook",
                "flavor": self.flavor.name,
                "flavor_details": flavor_details,
                "status": self.status,
                "begin_timestamp": self.queue.begin_ms,
                "end_timestamp": self.queue.end_ms,
                "remain_time": _seconds_left(self.queue.end_ms, now_ms),
                "rank": self.queue.rank_at(now_ms),
            }
        return overlaid(document, self.overrides) if self.overrides else document

    def _spec(self, now_ms: int) -> dict[str, Any]:
        running = self.status == "RUNNING"
        auto_stop = self.auto_stop.document()
        if running and self.stops_at_ms is not None:
            auto_stop["remain_time"] = _seconds_left(self.stops_at_ms, now_ms)
            auto_stop["stop_timestamp"] = self.stops_at_ms
        url = f"{TARGET_DOMAIN}/modelarts/hubv100/notebook/user/{self.id}"
        spec: dict[str, Any] = {
            "annotations": {
                "target_domain": TARGET_DOMAIN,
                "url": url if running else "",
            },
            "auto_stop": auto_stop,
            "extend_params": None,
            "failed_reasons": self.failure.document() if self.failure else None,
            "repository": (
                self.repository.document("spec-repository") if self.repository else None
            ),
            "extend_storage": self.extend_storage,
            "storage": self.storage,
        }
        if self.has_credential:
            spec["credential"] = credential("spec-credential")
        return spec


def overlaid(document: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the document with the patch's members set, objects merged.

    Unlike a JSON merge patch, null sets null.
    """
    result = dict(document)
    for name, value in patch.items():
        old = result.get(name)
        both_objects = isinstance(value, dict) and isinstance(old, dict)
        result[name] = overlaid(old or {}, value) if both_objects else value
    return result


def _seconds_left(end_ms: int, now_ms: int) -> int:
    """Round up, as the samples do: 3265.661 s is shown as 3266 (A.6, D)."""
    return max(0, -(-(end_ms - now_ms) // 1000))
