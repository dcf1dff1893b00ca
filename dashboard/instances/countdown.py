"""What a person reads about the time an instance has left. Pure functions.

Two clocks, never blurred (``docs/contract.md``, "Two clocks"): *this run* ends at a
moment the cloud fixed when the instance started; *next run* is the setting, which
counts from the next start.
``static/countdown.js`` redraws the same words each second; a test compares the two.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.stored_messages import Message, MessageCode, define, verbatim

from .durations import WORDS
from .durations import ago_text as ago_text
from .durations import exact_text as exact_text
from .durations import remaining_text as remaining_text
from .run_state import is_running, overdue_after

if TYPE_CHECKING:
    from .models import Instance

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class State(StrEnum):
    """Where an instance is in its run."""

    COUNTING = "counting"
    DUE = "due"
    OVERDUE = "overdue"
    STOPPING = "stopping"
    STOPPED = "stopped"
    NO_AUTO_STOP = "no-auto-stop"
    NO_STOP_TIME = "no-stop-time"
    STARTING = "starting"
    QUEUED = "queued"
    FAILED = "failed"
    GONE = "gone"
    UNKNOWN = "unknown"


MOVING = {State.STARTING, State.STOPPING, State.DUE, State.OVERDUE}
"""The cloud is about to report something new."""


class Urgency(StrEnum):
    """How near the stop is; decides the colour of a countdown."""

    NONE = "none"
    SOON = "soon"
    NEAR = "near"
    NOW = "now"
    DUE = "due"
    OVERDUE = "overdue"


_VERBS = {State.DUE: "scheduled_for", State.OVERDUE: "was_due"}


class Countdown(NamedTuple):
    """This run of an instance, as seen at one moment.

    Attributes:
        state: Where the run is.
        text: All of it in words, without the moment of the stop.
        stops_at: When it stops or should have; None unless counting, due or overdue.
        stopped_at: When it was seen to stop; None unless stopped and known.
    """

    state: State
    text: str
    urgency: Urgency = Urgency.NONE
    stops_at: datetime | None = None
    stopped_at: datetime | None = None

    @property
    def verb(self) -> str:
        """What stands before the moment of the stop."""
        return str(WORDS[_VERBS.get(self.state, "stops")])

    @property
    def stops_at_ms(self) -> int | None:
        """For ``data-stops-at``: Unix **ms**, by our clock."""
        return None if self.stops_at is None else unix_ms(self.stops_at)

    @property
    def stopped_at_ms(self) -> int | None:
        """For ``data-ago``: Unix **ms**, by our clock."""
        return None if self.stopped_at is None else unix_ms(self.stopped_at)


class StatusBadge(NamedTuple):
    """A status for the eye: a word, a shape and a colour, each enough by itself."""

    label: str
    icon: str
    tone: str


_S = InstanceStatus
_BADGES: dict[str, tuple[MessageCode, str, str]] = {
    _S.CREATE_QUEUING: (
        define("instances.status_create_queuing", gettext_lazy("Queued to be created")),
        "hourglass",
        "wait",
    ),
    _S.CREATING: (
        define("instances.status_creating", gettext_lazy("Creating")),
        "loader",
        "busy",
    ),
    _S.CREATE_FAILED: (
        define("instances.status_create_failed", gettext_lazy("Creation failed")),
        "triangle-alert",
        "bad",
    ),
    _S.START_QUEUING: (
        define("instances.status_start_queuing", gettext_lazy("Queued to start")),
        "hourglass",
        "wait",
    ),
    _S.READY_TO_START: (
        define("instances.status_ready_to_start", gettext_lazy("Ready to start")),
        "hourglass",
        "wait",
    ),
    _S.STARTING: (
        define("instances.status_starting", gettext_lazy("Starting")),
        "sunrise",
        "busy",
    ),
    _S.RESTARTING: (
        define("instances.status_restarting", gettext_lazy("Restarting")),
        "refresh-cw",
        "busy",
    ),
    _S.START_FAILED: (
        define("instances.status_start_failed", gettext_lazy("Start failed")),
        "triangle-alert",
        "bad",
    ),
    _S.RUNNING: (
        define("instances.status_running", gettext_lazy("Running")),
        "circle-play",
        "good",
    ),
    _S.STOPPING: (
        define("instances.status_stopping", gettext_lazy("Stopping")),
        "sunset",
        "busy",
    ),
    _S.STOPPED: (
        define("instances.status_stopped", gettext_lazy("Stopped")),
        "moon",
        "rest",
    ),
    _S.UNAVAILABLE: (
        define("instances.status_unavailable", gettext_lazy("Unavailable")),
        "triangle-alert",
        "bad",
    ),
    _S.DELETED: (
        define("instances.status_deleted", gettext_lazy("Deleted")),
        "trash-2",
        "rest",
    ),
    _S.RESIZING: (
        define("instances.status_resizing", gettext_lazy("Resizing")),
        "scaling",
        "busy",
    ),
    _S.RESIZE_FAILED: (
        define("instances.status_resize_failed", gettext_lazy("Resizing failed")),
        "triangle-alert",
        "bad",
    ),
}


_STATES: dict[str, State] = {
    _S.CREATE_QUEUING: State.QUEUED,
    _S.START_QUEUING: State.QUEUED,
    _S.READY_TO_START: State.STARTING,
    _S.CREATING: State.STARTING,
    _S.STARTING: State.STARTING,
    _S.RESTARTING: State.STARTING,
    _S.RESIZING: State.STARTING,
    _S.STOPPING: State.STOPPING,
    _S.CREATE_FAILED: State.FAILED,
    _S.START_FAILED: State.FAILED,
    _S.RESIZE_FAILED: State.FAILED,
    _S.UNAVAILABLE: State.FAILED,
    _S.DELETED: State.GONE,
}
_UNDER_WAY: dict[str, Promise] = {
    _S.READY_TO_START: gettext_lazy("ready to start"),
    _S.CREATING: gettext_lazy("creating"),
    _S.STARTING: gettext_lazy("starting"),
    _S.RESTARTING: gettext_lazy("restarting"),
    _S.RESIZING: gettext_lazy("resizing"),
    _S.STOPPING: gettext_lazy("stopping"),
    _S.CREATE_FAILED: gettext_lazy("creation failed"),
    _S.START_FAILED: gettext_lazy("start failed"),
    _S.RESIZE_FAILED: gettext_lazy("resizing failed"),
    _S.UNAVAILABLE: gettext_lazy("unavailable"),
    _S.DELETED: gettext_lazy("deleted"),
}
"""What stands in place of a countdown."""


def status_badge(status: str) -> StatusBadge:
    """How a status is shown; one we do not know stands verbatim and neutral.

    Source: ``docs/modelarts-api.md``, A.7.
    """
    if known := _BADGES.get(status):
        label, icon, tone = known
        return StatusBadge(str(label()), icon, tone)
    return StatusBadge(status or gettext("Unknown"), "circle-question-mark", "unknown")


def status_message(status: str) -> Message:
    """The label of a status, for messages that name it."""
    return _BADGES[status][0]() if status in _BADGES else verbatim(status)


def badge(instance: "Instance") -> StatusBadge:
    """How an instance's status is shown; what vanished has none any more."""
    if instance.missing_since:
        return StatusBadge(gettext("Missing"), "circle-dashed", "rest")
    return status_badge(instance.status)


def is_moving(status: str) -> bool:
    """Whether a status is one that the cloud is about to leave."""
    return _STATES.get(status) in {State.STARTING, State.STOPPING}


def this_run(instance: "Instance", now: datetime) -> Countdown:
    """The present run, at ``now`` (aware)."""
    if instance.missing_since is not None:
        return Countdown(State.GONE, gettext("no longer in the cloud"))
    if is_running(instance):
        return _running(instance, now)
    if instance.status == _S.STOPPED:
        return _stopped(instance, now)
    state = _STATES.get(instance.status, State.UNKNOWN)
    if state is State.QUEUED:
        return Countdown(state, _queue_text(instance, now))
    if state is State.UNKNOWN:
        return Countdown(state, gettext("unknown status"))
    return Countdown(state, str(_UNDER_WAY[instance.status]))


def next_run(instance: "Instance") -> str:
    """Return how long the next run may last by the present setting, to the second."""
    if instance.auto_stop_enable is None:
        return gettext("not reported")
    if not instance.auto_stop_enable:
        return gettext("No auto-stop")
    if instance.auto_stop_duration is None:
        return gettext("Not reported")
    return exact_text(instance.auto_stop_duration)


def urgency(seconds: int) -> Urgency:
    """How near a stop is that comes in so many seconds, or came when negative."""
    if seconds <= 0:
        passed = timedelta(seconds=-seconds)
        return Urgency.OVERDUE if passed >= overdue_after() else Urgency.DUE
    if seconds < 5 * _MINUTE:
        return Urgency.NOW
    if seconds < 15 * _MINUTE:
        return Urgency.NEAR
    return Urgency.SOON if seconds < _HOUR else Urgency.NONE


def whole_seconds(span: timedelta) -> int:
    """Seconds of a span, rounded up, so that nothing reads 0 before its time."""
    return -(-span // timedelta(seconds=1))


def unix_ms(moment: datetime) -> int:
    """A moment as Unix time in milliseconds."""
    return round(moment.timestamp() * 1e3)


def _running(instance: "Instance", now: datetime) -> Countdown:
    # Whatever the setting says now: a change counts from the next start only.
    if instance.stops_at is not None:
        left = whole_seconds(instance.stops_at - now)
        near = urgency(left)
        if left > 0:
            state, text = State.COUNTING, remaining_text(left)
        else:
            state = State(near.value)
            text = str(WORDS[near.value])
        return Countdown(state, text, near, instance.stops_at)
    if instance.auto_stop_enable is False:
        return Countdown(State.NO_AUTO_STOP, gettext("No auto-stop"))
    return Countdown(State.NO_STOP_TIME, gettext("stop time not reported"))


def _stopped(instance: "Instance", now: datetime) -> Countdown:
    since = instance.status_since
    if since is None:
        return Countdown(State.STOPPED, gettext("stopped"))
    passed = (now - since) // timedelta(seconds=1)
    return Countdown(
        State.STOPPED,
        gettext("stopped %(ago)s") % {"ago": ago_text(passed)},
        stopped_at=since,
    )


def _queue_text(instance: "Instance", now: datetime) -> str:
    info: dict[str, Any] = instance.document.get("queuing_info") or {}
    parts = [gettext("queued")]
    if rank := info.get("rank"):
        parts.append(gettext("place %(rank)s") % {"rank": rank})
    wait = info.get("remain_time") or 0
    if end_ms := info.get("end_timestamp"):
        # Told by the upstream's clock, and still true when the copy has aged.
        end = datetime.fromtimestamp(end_ms / 1e3, UTC)
        wait = whole_seconds(end - now - timedelta(milliseconds=instance.cloud.skew_ms))
    if wait > 0:
        # Not ticking, so no seconds that would be wrong at once.
        parts.append(
            gettext("about %(length)s")
            % {"length": remaining_text(max(wait, 5 * _MINUTE))}
        )
    return ", ".join(parts)
