"""How people use their notebooks in the demo, for eight weeks.

Pure: the same seed, instances and moment give the same runs.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

WEEKS = 8
ZONE = ZoneInfo("Europe/Berlin")
_HOUR = timedelta(hours=1)

OFFICE_HOURS = "Forecasting: office hours"
OFFICE_OWNERS = {"anna.schmidt", "tom.becker", "priya.raman"}
_OFFICE_CLOSES = time(19)
QUIET_NIGHTS = "Quiet nights"
_QUIET_FROM = time(22)
_TEN_HOURS = "Runs end after 10 hours"
_SCHEDULE_WEEKS, _POLICY_WEEKS = 5, 3
"""How long ago they began to act."""


class End(StrEnum):
    AUTO_STOP = "auto_stop"
    PERSON = "person"
    SCHEDULE = "schedule"
    POLICY = "policy"
    CURFEW = "curfew"
    CLOUD = "cloud"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Habit:
    """How an owner works.

    Attributes:
        workday, weekend: Probability of a run on such a day.
        hour: When it starts, local time; give or take ``spread``.
        tidy: Probability that a person stops it.
        works: How long after the start a person stops it, in hours.
    """

    workday: float
    weekend: float
    hour: float
    spread: float
    tidy: float
    works: tuple[float, float]


_TIDY = Habit(0.72, 0.03, 9.2, 1.1, 0.85, (2.5, 7.5))
_FORGETFUL = Habit(0.62, 0.12, 14.6, 2.2, 0.2, (3, 8))
_AT_NIGHT = Habit(0.45, 0.3, 18.5, 1.5, 0.15, (8, 14))
_BY_CLOCK = Habit(0.95, 0.95, 2.1, 0.05, 0.0, (1, 2))
_HABITS = {
    "anna.schmidt": _TIDY,
    "priya.raman": _TIDY,
    "中村さくら": _TIDY,
    "amélie.dubois": _TIDY,
    "li.wei": _FORGETFUL,
    "tom.becker": _FORGETFUL,
    "zoë.van.dijk": _AT_NIGHT,
    "jürgen.groß": _AT_NIGHT,
    "ops_dev_env": _BY_CLOCK,
}
_OTHERS = (_TIDY, _FORGETFUL, _FORGETFUL, _AT_NIGHT)


class Notebook(NamedTuple):
    """What the habits need to know of an instance.

    Attributes:
        key: Decides together with the seed.
        since: When Curfew saw it first.
        until: Up to when its past is made up.
        is_new: Whether it was created then, and ran at once.
        limit: Its auto-stop; None without.
    """

    key: str
    owner: str
    is_gpu: bool
    since: datetime
    until: datetime
    is_new: bool
    limit: timedelta | None


class PastRun(NamedTuple):
    """A run of the past.

    Attributes:
        is_first: It was under way when the instance was first seen.
        by: The name of the schedule or policy.
    """

    started_at: datetime
    ended_at: datetime
    end: End
    by: str = ""
    is_first: bool = False


def past_runs(
    notebook: Notebook, *, seed: int, now: datetime, use: float = 1
) -> Iterator[PastRun]:
    """Yield the runs in their order, all of which end before ``until``.

    Args:
        use: Factor of the probabilities of the habits.
    """
    rng = random.Random(f"{seed}/history/{notebook.key}")  # noqa: S311 - not a secret
    habit = _habit(notebook.owner)
    intensity = rng.uniform(0.35, 1.15) * use
    on_leave = notebook.since + timedelta(days=rng.randrange(WEEKS * 7))
    day, free_at = notebook.since.astimezone(ZONE).date(), notebook.since
    if notebook.is_new or rng.random() < 0.25:
        run = _run(notebook, habit, notebook.since, rng, now)
        if notebook.is_new:
            latest = PastRun(run.started_at, notebook.until, End.UNKNOWN)
            run = min(run, latest, key=_ended_at)
        if run.ended_at <= notebook.until:
            yield run._replace(is_first=not notebook.is_new)
            free_at = run.ended_at
    while (start := _at(day, habit, rng)) < notebook.until:
        share = _share(start, habit, now) * intensity
        is_away = timedelta() < start - on_leave < timedelta(days=8)
        used, day = rng.random() < share and not is_away, day + timedelta(days=1)
        if not used or start < free_at + timedelta(minutes=20):
            continue
        run = _run(notebook, habit, start, rng, now)
        if run.ended_at >= notebook.until:
            return
        yield run
        free_at = run.ended_at


def _habit(owner: str) -> Habit:
    digest = hashlib.sha256(owner.encode("utf-8", "replace")).digest()
    return _HABITS.get(owner, _OTHERS[digest[0] % len(_OTHERS)])


def _at(day: date, habit: Habit, rng: random.Random) -> datetime:
    hours = max(0.1, min(rng.gauss(habit.hour, habit.spread), 23.5))
    local = datetime.combine(day, time(), ZONE)
    return local + timedelta(seconds=round(hours * 3_600))


def _share(start: datetime, habit: Habit, now: datetime) -> float:
    """Return the probability of a run; the team has grown in these weeks."""
    age = (now - start) / timedelta(weeks=WEEKS)
    is_workday = start.astimezone(ZONE).weekday() < 5
    return (habit.workday if is_workday else habit.weekend) * (1.1 - 0.5 * age)


def _run(
    notebook: Notebook,
    habit: Habit,
    start: datetime,
    rng: random.Random,
    now: datetime,
) -> PastRun:
    """Return a run that ends by whatever comes first."""
    if notebook.limit is None:
        end = _without_limit(notebook, start, rng, now)
    else:
        end = PastRun(start, start + notebook.limit, End.AUTO_STOP)
    if rng.random() < habit.tidy:
        worked = start + rng.uniform(*habit.works) * _HOUR
        end = min(end, PastRun(start, worked, End.PERSON), key=_ended_at)
    end = min([end, *_automatic(notebook, end, rng, now)], key=_ended_at)
    chance = rng.random()
    if chance < 0.06:
        kind = (End.CURFEW, End.CLOUD, *[End.UNKNOWN] * 4)[int(chance * 100)]
        early = start + (end.ended_at - start) * rng.uniform(0.2, 0.9)
        end = PastRun(start, early, kind)
    return end._replace(ended_at=end.ended_at.replace(microsecond=0))


def _without_limit(
    notebook: Notebook, start: datetime, rng: random.Random, now: datetime
) -> PastRun:
    """Return a run that someone stops one morning, days later."""
    days = rng.choice((1, 1, 2, 3, 4) if notebook.is_gpu else (1, 1, 2))
    morning = datetime.combine(start.astimezone(ZONE).date(), time(9), ZONE)
    ended_at = morning + timedelta(days=days, minutes=rng.randrange(5, 70))
    return PastRun(start, ended_at, End.PERSON)


def _automatic(
    notebook: Notebook, run: PastRun, rng: random.Random, now: datetime
) -> Iterator[PastRun]:
    """Yield how the schedule and the policies would end it."""
    start, age = run.started_at, now - run.started_at
    local = start.astimezone(ZONE)
    closes = datetime.combine(local.date(), _OFFICE_CLOSES, ZONE)
    is_office = notebook.owner in OFFICE_OWNERS and local.weekday() < 5
    if is_office and age < timedelta(weeks=_SCHEDULE_WEEKS) and start < closes:
        yield PastRun(start, closes, End.SCHEDULE, OFFICE_HOURS)
    if age > timedelta(weeks=_POLICY_WEEKS):
        return
    quiet = datetime.combine(local.date(), _QUIET_FROM, ZONE)
    # Those without auto-stop had exceptions.
    is_quiet = notebook.is_gpu and notebook.limit is not None
    if is_quiet and start < quiet and rng.random() < 0.5:
        yield PastRun(start, quiet, End.POLICY, QUIET_NIGHTS)
    if notebook.limit is None and rng.random() < 0.3:
        yield PastRun(start, start + 10 * _HOUR, End.POLICY, _TEN_HOURS)


def _ended_at(run: PastRun) -> datetime:
    return run.ended_at
