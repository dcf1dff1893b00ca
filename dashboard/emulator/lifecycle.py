"""The state machine of an emulated notebook.

::

    create -> (CREATE_QUEUING) -> CREATING -> RUNNING
    start  -> (START_QUEUING) -> STARTING -> RUNNING | START_FAILED
    stop or auto stop: RUNNING -> STOPPING -> STOPPED
    restart: RUNNING -> RESTARTING -> RUNNING

There is no timer: ``Instance.plan`` contains the future changes of status, and each
access carries out those that are due. So an idle fleet costs nothing.
Source: ``docs/modelarts-api.md``, A.5, A.7, A.8.
"""

from .behavior import Behavior
from .errors import service_refusal
from .instance import AutoStop, Instance, Queue
from .journal import Step


def catch_up(instance: Instance, now_ms: int, behavior: Behavior) -> list[Step]:
    """Carry out everything planned up to now; return the changes of status."""
    steps: list[Step] = []
    while instance.plan and instance.plan[0][0] <= now_ms:
        (at_ms, status), *rest = instance.plan
        instance.plan = tuple(rest)
        steps.append((at_ms, instance.status, status))
        enter(instance, status, at_ms, behavior)
    return steps


def enter(instance: Instance, status: str, at_ms: int, behavior: Behavior) -> None:
    """Put the instance into a status, with what belongs to it.

    RUNNING begins a run: it takes the duration set at this moment, whatever is changed
    later, and its end is planned.
    """
    instance.status = status
    instance.run_started_ms = None
    instance.stops_at_ms = None
    if status not in {"CREATE_QUEUING", "START_QUEUING"}:
        instance.queue = None
    if status == "START_FAILED":
        instance.failure, instance.doomed = instance.doomed, None
    if status == "RUNNING":
        instance.run_started_ms = at_ms
        instance.failure = None
        if instance.auto_stop.enable:
            stops_at_ms = at_ms + instance.auto_stop.duration_seconds * 1000
            plan_stop(instance, stops_at_ms, behavior)


def plan_stop(
    instance: Instance,
    stops_at_ms: int | None,
    behavior: Behavior,
    *,
    late_seconds: float = 0,
) -> None:
    """Plan the end of the current run; None for no end.

    Args:
        late_seconds: Delay after the announced end, as of a slow cloud.
    """
    instance.stops_at_ms = stops_at_ms
    if stops_at_ms is None:
        instance.plan = ()
        return
    begins_ms = _after(stops_at_ms, late_seconds)
    instance.plan = (
        (begins_ms, "STOPPING"),
        (_after(begins_ms, behavior.stopping_seconds), "STOPPED"),
    )


def begin_creation(instance: Instance, now_ms: int, behavior: Behavior) -> None:
    """Create the instance, or queue for a sold-out free flavor (others: 6329)."""
    begin_ms = _queue(instance, "CREATE_QUEUING", now_ms)
    done = (_after(begin_ms, behavior.creating_seconds), "RUNNING")
    if begin_ms > now_ms:
        instance.plan = ((begin_ms, "CREATING"), done)
    else:
        enter(instance, "CREATING", now_ms, behavior)
        instance.plan = (done,)


def begin_start(instance: Instance, now_ms: int, behavior: Behavior) -> None:
    """Start a stopped instance, or queue for a sold-out free flavor (others: 6329)."""
    refusals = {
        "RUNNING": ("6305", "The instance is already running."),
        "STARTING": ("6306", "The instance is being started."),
        "RESTARTING": ("6306", "The instance is being restarted."),
        "STOPPING": ("6308", "The instance is being stopped."),
    }
    if instance.status not in {"STOPPED", "START_FAILED", "RESIZE_FAILED"}:
        raise service_refusal(*refusals.get(instance.status, _BUSY))
    if instance.frozen:
        raise service_refusal(
            "6326", "The instance is frozen because the account is in arrears."
        )
    begin_ms = _queue(instance, "START_QUEUING", now_ms)
    instance.failure = None
    end = "RUNNING" if instance.doomed is None else "START_FAILED"
    done = (_after(begin_ms, behavior.starting_seconds), end)
    if begin_ms > now_ms:
        instance.plan = ((begin_ms, "STARTING"), done)
    else:
        enter(instance, "STARTING", now_ms, behavior)
        instance.plan = (done,)


def begin_stop(instance: Instance, now_ms: int, behavior: Behavior) -> None:
    """Stop a running instance; the status decides how others are refused."""
    refusals = {
        "STOPPED": ("6307", "The instance has been stopped."),
        "STOPPING": ("6308", "The instance is being stopped."),
        "STARTING": ("6306", "The instance is being started."),
        "RESTARTING": ("6306", "The instance is being restarted."),
        "CREATING": _BUSY,
        "CREATE_QUEUING": _BUSY,
        "START_QUEUING": _BUSY,
        "READY_TO_START": _BUSY,
        "RESIZING": _BUSY,
    }
    if instance.status != "RUNNING":
        raise service_refusal(*refusals.get(instance.status, _NOT_RUNNING))
    enter(instance, "STOPPING", now_ms, behavior)
    instance.plan = ((_after(now_ms, behavior.stopping_seconds), "STOPPED"),)


def begin_restart(instance: Instance, now_ms: int, behavior: Behavior) -> None:
    """Restart a running instance: a new run, with the duration set then."""
    if instance.status != "RUNNING":
        raise service_refusal(*_NOT_RUNNING)
    enter(instance, "RESTARTING", now_ms, behavior)
    instance.plan = ((_after(now_ms, behavior.restarting_seconds), "RUNNING"),)


def set_auto_stop(
    instance: Instance, setting: AutoStop, now_ms: int, behavior: Behavior
) -> None:
    """Store the setting; the current run normally keeps its end."""
    switched = setting.enable != instance.auto_stop.enable
    if (
        switched
        and behavior.enable_while_running == "at_once"
        and instance.run_started_ms is not None
    ):
        stops_at_ms = instance.run_started_ms + setting.duration_seconds * 1000
        if setting.enable and stops_at_ms <= now_ms:
            raise service_refusal("6346", "The auto stop time is earlier than now.")
        plan_stop(instance, stops_at_ms if setting.enable else None, behavior)
    instance.auto_stop = setting


_BUSY = ("6357", "Another operation on the instance is being performed.")
_NOT_RUNNING = ("6327", "The instance is not running.")


def _queue(instance: Instance, status: str, now_ms: int) -> int:
    """Queue for a sold-out free flavor; return when the work itself begins."""
    details = instance.flavor.details()
    if details["status"] == "onSale":
        return now_ms
    if "queue_left_time" not in details:
        raise service_refusal("6329", "The flavor is sold out.")
    end_ms = _after(now_ms, details["queue_left_time"])
    instance.status = status
    instance.queue = Queue(now_ms, end_ms, details["queuing_num"] + 1)
    return end_ms


def _after(at_ms: int, seconds: float) -> int:
    return at_ms + int(seconds * 1000)
