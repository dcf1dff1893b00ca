"""The state machine of an imitated notebook.

::

    create -> (CREATE_QUEUING) -> CREATING -> RUNNING
    start  -> (START_QUEUING) -> STARTING -> RUNNING | START_FAILED
    stop or auto stop: RUNNING -> STOPPING -> STOPPED
    restart: RUNNING -> RESTARTING -> RUNNING

Nothing ticks: what will happen stands in ``Instance.plan`` and is caught up with when
it is read. So an idle fleet of any size costs nothing.
Source: ``docs/modelarts-api.md``, A.5, A.7, A.8.
"""

from dataclasses import dataclass
from typing import Literal

from .errors import service_refusal
from .instance import AutoStop, Instance, Queue


@dataclass(frozen=True)
class Behaviour:
    """Choices the documents leave open, and durations.

    Attributes:
        creating_seconds: CREATING, emulated seconds; the others likewise.
        prompt_absent: What an update of auto_stop without ``prompt`` does: leave it
            alone, or set the documented default, true.
        enable_absent: The same for ``enable``, whose documented default is false.
        enable_while_running: When switching auto-stop on or off affects a running
            instance: from its next start, as the documents say of a changed duration,
            or at once. They do not say it of the switch.
        update_answer: The whole instance, or one without ``spec`` and
            ``provision.annotations`` like the sample of 2025.
    """

    creating_seconds: float = 10
    starting_seconds: float = 8
    restarting_seconds: float = 8
    stopping_seconds: float = 5
    prompt_absent: Literal["keep", "default"] = "keep"
    enable_absent: Literal["keep", "default"] = "keep"
    enable_while_running: Literal["next_start", "at_once"] = "next_start"
    update_answer: Literal["full", "no_spec"] = "full"


def settle(instance: Instance, now_ms: int, behaviour: Behaviour) -> None:
    """Carry out everything planned up to now."""
    while instance.plan and instance.plan[0][0] <= now_ms:
        (at_ms, status), *rest = instance.plan
        instance.plan = tuple(rest)
        enter(instance, status, at_ms, behaviour)


def enter(instance: Instance, status: str, at_ms: int, behaviour: Behaviour) -> None:
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
            plan_stop(instance, stops_at_ms, behaviour)


def plan_stop(
    instance: Instance,
    stops_at_ms: int | None,
    behaviour: Behaviour,
    *,
    late_seconds: float = 0,
) -> None:
    """Plan the end of the present run; None: it runs on.

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
        (_after(begins_ms, behaviour.stopping_seconds), "STOPPED"),
    )


def begin_creation(instance: Instance, now_ms: int, behaviour: Behaviour) -> None:
    """Create: at once, or when a sold-out free flavor has room.

    Raises:
        RefusalError: 6329, sold out and not free.
    """
    begin_ms = _queue(instance, "CREATE_QUEUING", now_ms)
    done = (_after(begin_ms, behaviour.creating_seconds), "RUNNING")
    if begin_ms > now_ms:
        instance.plan = ((begin_ms, "CREATING"), done)
    else:
        enter(instance, "CREATING", now_ms, behaviour)
        instance.plan = (done,)


def begin_start(instance: Instance, now_ms: int, behaviour: Behaviour) -> None:
    """Start a stopped instance.

    Raises:
        RefusalError: 6305, 6306, 6308 and 6357 by status; 6326 frozen; 6329 sold out.
    """
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
    done = (_after(begin_ms, behaviour.starting_seconds), end)
    if begin_ms > now_ms:
        instance.plan = ((begin_ms, "STARTING"), done)
    else:
        enter(instance, "STARTING", now_ms, behaviour)
        instance.plan = (done,)


def begin_stop(instance: Instance, now_ms: int, behaviour: Behaviour) -> None:
    """Stop a running instance.

    Raises:
        RefusalError: 6306, 6307, 6308, 6327 and 6357 by status.
    """
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
    enter(instance, "STOPPING", now_ms, behaviour)
    instance.plan = ((_after(now_ms, behaviour.stopping_seconds), "STOPPED"),)


def begin_restart(instance: Instance, now_ms: int, behaviour: Behaviour) -> None:
    """Restart a running instance: a new run, with the duration then set.

    Raises:
        RefusalError: 6327, not running.
    """
    if instance.status != "RUNNING":
        raise service_refusal(*_NOT_RUNNING)
    enter(instance, "RESTARTING", now_ms, behaviour)
    instance.plan = ((_after(now_ms, behaviour.restarting_seconds), "RUNNING"),)


def set_auto_stop(
    instance: Instance, setting: AutoStop, now_ms: int, behaviour: Behaviour
) -> None:
    """Store the setting; the present run normally keeps its end.

    Raises:
        RefusalError: 6346, switching on would have to stop the run in the past.
    """
    switched = setting.enable != instance.auto_stop.enable
    if (
        switched
        and behaviour.enable_while_running == "at_once"
        and instance.run_started_ms is not None
    ):
        stops_at_ms = instance.run_started_ms + setting.duration_seconds * 1000
        if setting.enable and stops_at_ms <= now_ms:
            raise service_refusal("6346", "The auto stop time is earlier than now.")
        plan_stop(instance, stops_at_ms if setting.enable else None, behaviour)
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
