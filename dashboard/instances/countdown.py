"""The texts about the status of an instance and the time that it has left.

*This run* ends at a moment that the cloud fixed when the instance started; *next run*
is the setting, which counts from the next start (``docs/contract.md``, "Two clocks").
A notebook has no such setting. Its lease ends at a fixed moment, or it is *idle*: then
the cloud stops the notebook once nobody has used it for some time.
``static/countdown.js`` redraws the same texts each second; a test compares the two.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext, gettext_lazy as _

from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.stored_messages import Message, define, verbatim

from .durations import ago_text, exact_text, remaining_text, text_of
from .run_state import is_running, late_since, overdue_after

if TYPE_CHECKING:
    from .models import Instance

_MINUTE, _HOUR = 60, 3_600


class State(StrEnum):
    """What this run does; ``DUE`` is past its end, ``OVERDUE`` for some minutes.

    A late stop is ``OVERDUE``, no matter who requested it.
    """

    COUNTING = "counting"
    DUE = "due"
    OVERDUE = "overdue"
    STOPPING = "stopping"
    STOPPED = "stopped"
    NO_AUTO_STOP = "no-auto-stop"
    NO_STOP_TIME = "no-stop-time"
    IDLE = "idle"
    STARTING = "starting"
    QUEUED = "queued"
    FAILED = "failed"
    GONE = "gone"
    UNKNOWN = "unknown"


class Urgency(StrEnum):
    """How near the stop is; it decides the color of a countdown."""

    NONE = "none"
    SOON = "soon"
    NEAR = "near"
    NOW = "now"
    DUE = "due"
    OVERDUE = "overdue"


_EXPECT_CHANGE = {State.STARTING, State.STOPPING, State.DUE, State.OVERDUE}
_VERBS = {State.DUE: "scheduled_for", State.OVERDUE: "was_due"}


class Countdown(NamedTuple):
    """This run of an instance, as seen at one moment.

    Attributes:
        text: Without the moment of the stop.
        stops_at: None unless counting, due or overdue.
        stopped_at: When the stop was observed; None unless stopped and known.
        not_before: The earliest stop of an idle lease, while it is ahead.
        started_at: When a run with an end began; None unless counting and known.
        passed_percent: How much of it has passed since, in whole percent.
    """

    state: State
    text: str
    urgency: Urgency = Urgency.NONE
    stops_at: datetime | None = None
    stopped_at: datetime | None = None
    not_before: datetime | None = None
    started_at: datetime | None = None
    passed_percent: int = 0

    @property
    def expects_change(self) -> bool:
        """Whether the cloud is about to report something new."""
        return self.state in _EXPECT_CHANGE

    @property
    def verb(self) -> str:
        return text_of(_VERBS.get(self.state, "stops"))

    @property
    def stops_at_ms(self) -> int | None:
        return None if self.stops_at is None else unix_ms(self.stops_at)

    @property
    def started_at_ms(self) -> int | None:
        return None if self.started_at is None else unix_ms(self.started_at)

    @property
    def stopped_at_ms(self) -> int | None:
        return None if self.stopped_at is None else unix_ms(self.stopped_at)

    @property
    def not_before_ms(self) -> int | None:
        return None if self.not_before is None else unix_ms(self.not_before)


class StatusBadge(NamedTuple):
    """A status as a label, an icon and a color, each of which suffices."""

    label: str
    icon: str
    tone: str


_S = InstanceStatus
_BADGES: dict[str, tuple[Promise, str, str]] = {
    _S.CREATE_QUEUING: (_("Queued to be created"), "hourglass", "wait"),
    _S.CREATING: (_("Creating"), "loader", "busy"),
    _S.CREATE_FAILED: (_("Creation failed"), "triangle-alert", "bad"),
    _S.START_QUEUING: (_("Queued to start"), "hourglass", "wait"),
    _S.READY_TO_START: (_("Ready to start"), "hourglass", "wait"),
    _S.STARTING: (_("Starting"), "sunrise", "busy"),
    _S.RESTARTING: (_("Restarting"), "refresh-cw", "busy"),
    _S.START_FAILED: (_("Start failed"), "triangle-alert", "bad"),
    _S.RUNNING: (_("Running"), "circle-play", "good"),
    _S.STOPPING: (_("Stopping"), "sunset", "busy"),
    _S.STOPPED: (_("Stopped"), "moon", "rest"),
    _S.UNAVAILABLE: (_("Unavailable"), "triangle-alert", "bad"),
    _S.DELETED: (_("Deleted"), "trash-2", "rest"),
    _S.RESIZING: (_("Resizing"), "scaling", "busy"),
    _S.RESIZE_FAILED: (_("Resizing failed"), "triangle-alert", "bad"),
    _S.INIT: (_("Initializing"), "loader", "busy"),
    _S.SNAPSHOTTING: (_("Saving image"), "camera", "busy"),
    _S.DELETING: (_("Deleting"), "trash-2", "busy"),
    _S.DELETE_FAILED: (_("Deletion failed"), "triangle-alert", "bad"),
    _S.ERROR: (_("Error"), "triangle-alert", "bad"),
    _S.FROZEN: (_("Frozen"), "snowflake", "bad"),
}
_LABELS = {
    status: define(f"instances.status_{status.lower()}", label)
    for status, (label, *_rest) in _BADGES.items()
}
_WITHOUT_COUNTDOWN: dict[str, tuple[State, Promise]] = {
    _S.CREATE_QUEUING: (State.QUEUED, _("queued")),
    _S.START_QUEUING: (State.QUEUED, _("queued")),
    _S.READY_TO_START: (State.STARTING, _("ready to start")),
    _S.CREATING: (State.STARTING, _("creating")),
    _S.STARTING: (State.STARTING, _("starting")),
    _S.RESTARTING: (State.STARTING, _("restarting")),
    _S.RESIZING: (State.STARTING, _("resizing")),
    _S.STOPPING: (State.STOPPING, _("stopping")),
    _S.CREATE_FAILED: (State.FAILED, _("creation failed")),
    _S.START_FAILED: (State.FAILED, _("start failed")),
    _S.RESIZE_FAILED: (State.FAILED, _("resizing failed")),
    _S.UNAVAILABLE: (State.FAILED, _("unavailable")),
    _S.DELETED: (State.GONE, _("deleted")),
    _S.INIT: (State.STARTING, _("initializing")),
    _S.SNAPSHOTTING: (State.STARTING, _("saving image")),
    _S.DELETING: (State.STOPPING, _("deleting")),
    _S.DELETE_FAILED: (State.FAILED, _("deletion failed")),
    _S.ERROR: (State.FAILED, _("error")),
    _S.FROZEN: (State.FAILED, _("frozen")),
}
"""The text in place of a countdown."""
_TEXTS: dict[str, Promise] = {
    State.NO_AUTO_STOP: _("No auto-stop"),
    State.NO_STOP_TIME: _("No end reported"),
    State.GONE: _("no longer in the cloud"),
    State.STOPPED: _("stopped %(ago)s"),
    State.UNKNOWN: _("unknown status"),
} | {status: text for status, (_state, text) in _WITHOUT_COUNTDOWN.items()}
"""Fixed texts, by state or known status."""


@cache
def fixed_text(key: str, language: str | None) -> str:
    # A list of a hundred rows asks for a hundred of them.
    return str(_TEXTS[key])


def _text(key: str) -> str:
    return fixed_text(key, get_language())


def status_badge(status: str) -> StatusBadge:
    """Return how a status is shown; an unknown one verbatim.

    Source: ``docs/modelarts-api.md``, A.7 and B.4.
    """
    if status in _BADGES:
        label, icon, tone = _BADGES[status]
        return StatusBadge(str(label), icon, tone)
    return StatusBadge(status or gettext("Unknown"), "circle-question-mark", "unknown")


def status_message(status: str) -> Message:
    return _LABELS[status]() if status in _LABELS else verbatim(status)


def badge(instance: "Instance") -> StatusBadge:
    if instance.missing_since:
        return StatusBadge(gettext("Missing"), "circle-dashed", "rest")
    return status_badge(instance.status)


def leaves_soon(status: str) -> bool:
    """Return whether the cloud is about to leave this status."""
    known = _WITHOUT_COUNTDOWN.get(status)
    return known is not None and known[0] in {State.STARTING, State.STOPPING}


def this_run(instance: "Instance", now: datetime) -> Countdown:
    """Return this run as seen at ``now`` (aware)."""
    if instance.missing_since is not None:
        return Countdown(State.GONE, _text(State.GONE))
    if due_at := late_since(instance, now):
        text = text_of("overdue")
        return Countdown(State.OVERDUE, text, Urgency.OVERDUE, due_at)
    if is_running(instance):
        return _running(instance, now)
    if instance.status == _S.STOPPED:
        return _stopped(instance, now)
    if instance.status not in _WITHOUT_COUNTDOWN:
        return Countdown(State.UNKNOWN, _text(State.UNKNOWN))
    state = _WITHOUT_COUNTDOWN[instance.status][0]
    text = _text(instance.status)
    if state is State.QUEUED:
        text = _queue_text(text, instance, now)
    return Countdown(state, text)


def next_run(instance: "Instance") -> str:
    """Return how long the next run may last by the present setting, to the second."""
    if not instance.capabilities.has_auto_stop_setting:
        return gettext("Set at each start")
    if instance.auto_stop_enable is False:
        return gettext("No auto-stop")
    if instance.auto_stop_enable is None or instance.auto_stop_duration is None:
        return gettext("Not reported")
    return exact_text(instance.auto_stop_duration)


def urgency(seconds: int) -> Urgency:
    """Return how near a stop is; negative seconds have passed since."""
    if seconds <= 0:
        passed = timedelta(seconds=-seconds)
        return Urgency.OVERDUE if passed >= overdue_after() else Urgency.DUE
    if seconds < 5 * _MINUTE:
        return Urgency.NOW
    if seconds < 15 * _MINUTE:
        return Urgency.NEAR
    return Urgency.SOON if seconds < _HOUR else Urgency.NONE


def whole_seconds(span: timedelta) -> int:
    """Return the seconds of a span, rounded up: no countdown shows 0 too early."""
    return -(-span // timedelta(seconds=1))


def unix_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1e3)


def _running(instance: "Instance", now: datetime) -> Countdown:
    # The setting does not matter: a change of it counts from the next start.
    if instance.stops_at is not None:
        left = whole_seconds(instance.stops_at - now)
        level = urgency(left)
        if left > 0:
            text = remaining_text(left)
            return Countdown(
                State.COUNTING,
                text,
                level,
                instance.stops_at,
                started_at=instance.run_started_at,
                passed_percent=_passed_percent(instance, now),
            )
        state = State.OVERDUE if level is Urgency.OVERDUE else State.DUE
        text = text_of(state)
        return Countdown(state, text, level, instance.stops_at)
    if instance.auto_stop_enable is False:
        return Countdown(State.NO_AUTO_STOP, _text(State.NO_AUTO_STOP))
    if instance.lease_type == IDLE:
        return _idle(instance, now)
    return Countdown(State.NO_STOP_TIME, _text(State.NO_STOP_TIME))


def _passed_percent(instance: "Instance", now: datetime) -> int:
    begun, end = instance.run_started_at, instance.stops_at
    if begun is None or end is None or end <= begun:
        return 0
    return min(100, max(0, round(100 * ((now - begun) / (end - begun)))))


def _idle(instance: "Instance", now: datetime) -> Countdown:
    earliest = instance.idle_stop_at
    if earliest is not None and earliest <= now:
        earliest = None
    if instance.idle_seconds is None:
        text = gettext("stops when idle")
    else:
        text = gettext("stops after %(length)s idle") % {
            "length": exact_text(instance.idle_seconds)
        }
    return Countdown(State.IDLE, text, not_before=earliest)


def _stopped(instance: "Instance", now: datetime) -> Countdown:
    since = instance.status_since
    if since is None:
        return Countdown(State.STOPPED, gettext("stopped"))
    passed = (now - since) // timedelta(seconds=1)
    return Countdown(
        State.STOPPED,
        _text(State.STOPPED) % {"ago": ago_text(passed)},
        stopped_at=since,
    )


def _queue_text(queued: str, instance: "Instance", now: datetime) -> str:
    info: dict[str, Any] = instance.document.get("queuing_info") or {}
    parts = [queued]
    if rank := info.get("rank"):
        parts.append(gettext("position %(rank)s") % {"rank": rank})
    wait = info.get("remain_time") or 0
    if end_ms := info.get("end_timestamp"):
        # By the cloud's clock; unlike ``remain_time`` it stays true as time passes.
        end = datetime.fromtimestamp(end_ms / 1e3, UTC)
        wait = whole_seconds(end - now - timedelta(milliseconds=instance.cloud.skew_ms))
    if wait > 0:
        # The page does not count this down, so seconds would be wrong at once.
        parts.append(
            gettext("about %(length)s")
            % {"length": remaining_text(max(wait, 5 * _MINUTE))}
        )
    return gettext(", ").join(parts)
