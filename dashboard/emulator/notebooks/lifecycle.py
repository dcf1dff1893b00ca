"""The state machine of an emulated notebook.

::

    create -> INIT -> CREATING -> RUNNING | CREATE_FAILED
    start  -> STARTING -> RUNNING | START_FAILED
    stop, end of the lease: RUNNING -> STOPPING -> STOPPED
    image: RUNNING -> SNAPSHOTTING -> RUNNING, in one run
    delete -> DELETING -> DELETED or nothing

As in the first generation, there is no timer: each access carries out what is due.
Source: ``docs/modelarts-api.md``, B.1, B.4, B.5, D.3.
"""

from dashboard.emulator.behavior import Behavior
from dashboard.emulator.errors import service_refusal
from dashboard.emulator.journal import Step

from .lease import LeaseRequest
from .notebook import Notebook

#: In a plan: the notebook is removed.
GONE = "GONE"

STARTABLE = frozenset({"STOPPED", "START_FAILED", "ERROR"})
#: Statuses in which a notebook may be deleted (6304 otherwise).
DELETABLE = frozenset(
    {"STOPPED", "CREATE_FAILED", "START_FAILED", "DELETE_FAILED", "ERROR", "FROZEN"}
)
_BUSY = ("6357", "Another operation on the instance is being performed.")
_NOT_RUNNING = ("6327", "The instance is not running.")


def catch_up(notebook: Notebook, now_ms: int, behavior: Behavior) -> list[Step]:
    """Carry out everything planned up to now; return the changes of status."""
    steps: list[Step] = []
    while notebook.plan and notebook.plan[0][0] <= now_ms:
        (at_ms, status), *rest = notebook.plan
        notebook.plan = tuple(rest)
        after = None if status == GONE else status
        steps.append((at_ms, notebook.status, after))
        enter(notebook, status, at_ms, behavior)
    return steps


def enter(notebook: Notebook, status: str, at_ms: int, behavior: Behavior) -> None:
    """Put the notebook into a status, with what belongs to it.

    RUNNING counts the lease again, except after a snapshot.
    """
    continues = notebook.status == "SNAPSHOTTING" and status == "RUNNING"
    notebook.status = status
    notebook.entered_ms = notebook.updated_ms = at_ms
    if not notebook.is_active:
        notebook.run_started_ms = None
    if status in {"CREATE_FAILED", "START_FAILED"}:
        notebook.fail_reason, notebook.doomed = notebook.doomed, None
    if status == "RUNNING":
        notebook.fail_reason = None
        if not continues or notebook.run_started_ms is None:
            notebook.run_started_ms = at_ms
            notebook.lease = notebook.lease.rebased(at_ms)
        plan_end(notebook, at_ms, behavior)


def plan_end(
    notebook: Notebook, now_ms: int, behavior: Behavior, *, late_seconds: float = 0
) -> None:
    """Plan the end of the current run by its lease.

    Args:
        late_seconds: Delay after the announced end, as of a slow cloud.
    """
    ends_ms = _final_end_ms(notebook, behavior)
    if ends_ms is None:
        notebook.plan = ()
        return
    begins_ms = max(now_ms, _after(ends_ms, late_seconds))
    notebook.plan = (
        (begins_ms, "STOPPING"),
        (_after(begins_ms, behavior.stopping_seconds), "STOPPED"),
    )


def begin_creation(notebook: Notebook, now_ms: int, behavior: Behavior) -> None:
    """Create the notebook; a sold-out flavor is refused with 6716."""
    _check_flavor(notebook)
    notebook.status = "INIT"
    notebook.entered_ms = now_ms
    creating_ms = _after(now_ms, behavior.creating_seconds / 5)
    end = "RUNNING" if notebook.doomed is None else "CREATE_FAILED"
    notebook.plan = (
        (creating_ms, "CREATING"),
        (_after(now_ms, behavior.creating_seconds), end),
    )


def begin_start(
    notebook: Notebook, requested: LeaseRequest, now_ms: int, behavior: Behavior
) -> None:
    """Start a stopped notebook, with a new lease."""
    refusals = {
        "RUNNING": ("6305", "The instance is already running."),
        "SNAPSHOTTING": _BUSY,
        "STARTING": ("6306", "The instance is being started."),
        "STOPPING": ("6308", "The instance is being stopped."),
        "FROZEN": ("6326", "The instance is frozen: the account is in arrears."),
    }
    if notebook.status not in STARTABLE:
        raise service_refusal(*refusals.get(notebook.status, _BUSY))
    _check_flavor(notebook)
    notebook.fail_reason = None
    notebook.lease = notebook.lease.renewed(requested, now_ms)
    # Only later changes of status move the notebook's own update_at (samples).
    updated_ms = notebook.updated_ms
    enter(notebook, "STARTING", now_ms, behavior)
    notebook.updated_ms = updated_ms
    end = "RUNNING" if notebook.doomed is None else "START_FAILED"
    notebook.plan = ((_after(now_ms, behavior.starting_seconds), end),)


def begin_stop(notebook: Notebook, now_ms: int, behavior: Behavior) -> None:
    """Stop a running notebook; the status decides how others are refused."""
    refusals = {
        "STOPPED": (behavior.already_stopped, "The instance has been stopped."),
        "STOPPING": ("6308", "The instance is being stopped."),
        "STARTING": ("6306", "The instance is being started."),
        "INIT": _BUSY,
        "CREATING": _BUSY,
        "SNAPSHOTTING": _BUSY,
        "DELETING": _BUSY,
    }
    if notebook.status != "RUNNING":
        raise service_refusal(*refusals.get(notebook.status, _NOT_RUNNING))
    updated_ms = notebook.updated_ms
    enter(notebook, "STOPPING", now_ms, behavior)
    notebook.updated_ms = updated_ms
    notebook.plan = ((_after(now_ms, behavior.stopping_seconds), "STOPPED"),)


def begin_deletion(notebook: Notebook, now_ms: int, behavior: Behavior) -> None:
    """Delete a notebook that is not running, with its storage."""
    if notebook.status == "DELETING":
        raise service_refusal(*_BUSY)
    if notebook.status not in DELETABLE:
        raise service_refusal(
            "6304", "The instance must be stopped before it is deleted."
        )
    enter(notebook, "DELETING", now_ms, behavior)
    end = GONE if behavior.deleted == "vanish" else "DELETED"
    notebook.plan = ((_after(now_ms, behavior.deleting_seconds), end),)


def renew(
    notebook: Notebook, requested: LeaseRequest, now_ms: int, behavior: Behavior
) -> None:
    """Give the current run a new lease."""
    check_running(notebook)
    notebook.lease = notebook.lease.renewed(requested, now_ms)
    plan_end(notebook, now_ms, behavior)


def check_running(notebook: Notebook) -> None:
    """Refuse a notebook that is not running; no document gives a code for it."""
    if notebook.status != "RUNNING":
        raise service_refusal(*_NOT_RUNNING)


def _final_end_ms(notebook: Notebook, behavior: Behavior) -> int | None:
    """Return the end of the run after its last heartbeat; None for no end."""
    lease = notebook.lease
    if lease.type == "IDLE" and lease.enable:
        if notebook.busy_until_ms is None:
            return None
        last_ms = notebook.heartbeat_ms(notebook.busy_until_ms, behavior)
        return lease.ends_ms(last_ms)
    return lease.ends_ms(lease.updated_ms)


def _check_flavor(notebook: Notebook) -> None:
    if notebook.flavor.sold_out:
        raise service_refusal("6716", "The flavor is sold out.")


def _after(at_ms: int, seconds: float) -> int:
    return at_ms + int(seconds * 1000)
