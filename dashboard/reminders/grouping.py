"""Makes one message of many: more than three of a kind in five minutes are a list.

A list is a reminder of its own, and the only one that is sent: its members have the
state ``GROUPED``. Only a list that is waiting, or one of the page, gets new members, so
that each is sent at most once (``docs/decisions/0022-grouped-notifications.md``).
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from .candidates import Candidate
from .models import Reminder

Kind, Medium, State = Reminder.Kind, Reminder.Medium, Reminder.State


class Pace(NamedTuple):
    """How many of a kind are sent one by one within some time; the rest is a list."""

    most: int
    window: timedelta


MESSAGES = Pace(3, timedelta(minutes=5))
UNREAD = Pace(3, timedelta(hours=1))
"""Of entries of the page that nobody has read."""

TEAM = Pace(1, timedelta(hours=1))
"""Of the team's entries of the page, read or not: one an hour of each kind."""

CHANNEL = Pace(1, MESSAGES.window)
NO_END = Pace(1, timedelta(hours=4))
"""Nothing fails if these wait."""

IN_TIME = timedelta(minutes=2)
"""How long before the end of its use a list is sent at the latest."""

type Group = tuple[str, str]
"""Name of the recipient, and the cause."""


def group(candidates: Iterable[Candidate], now: datetime) -> list[Reminder]:
    """Return the reminders to create, and put them into lists where they are many.

    Call it in the transaction that creates them. Lists are created here.
    """
    by_group: dict[Group, list[Reminder]] = defaultdict(list)
    for candidate in candidates:
        key = (candidate.recipient.name, candidate.cause)
        by_group[key].append(candidate.reminder(now))
    if not by_group:
        return []
    recent = _recent({cause for _, cause in by_group}, now)
    lists: list[Reminder] = []
    joining: list[Reminder] = []
    for key, new in by_group.items():
        pace = _pace(new[0])
        former = [
            item
            for item in recent.get(key, ())
            if item.created_at > now - pace.window
            and not (pace is UNREAD and item.read_at)
        ]
        open_list = next(
            (item for item in former if item.is_list and _is_open(item)), None
        )
        if open_list is not None:
            members, target = new, open_list
            _join(open_list, new)
        elif _is_too_much(former, new, pace):
            joined = [item for item in former if _is_open(item)]
            members = [*joined, *new]
            target = _list_of(members, former, now, pace)
            lists.append(target)
            joining += joined
        else:
            continue
        for reminder in members:
            reminder.part_of, reminder.state = target, State.GROUPED
    Reminder.objects.bulk_create(lists)
    Reminder.objects.bulk_update(joining, ["part_of", "state"])
    return [reminder for new in by_group.values() for reminder in new]


def _pace(reminder: Reminder) -> Pace:
    if reminder.medium == Medium.WEBHOOK:
        return CHANNEL
    if reminder.kind == Kind.NO_END:
        return NO_END
    if reminder.medium == Medium.PAGE:
        return TEAM if reminder.for_team else UNREAD
    return MESSAGES


def _recent(causes: set[str], now: datetime) -> dict[Group, list[Reminder]]:
    """Return the messages of the last hours, the newest first, and lock them."""
    messages = (
        Reminder.objects.filter(
            cause__in=causes, part_of=None, created_at__gt=now - NO_END.window
        )
        .exclude(state__in=[State.CANCELLED, State.DROPPED])
        .exclude(kind=Kind.TEST)
    )
    recent: dict[Group, list[Reminder]] = defaultdict(list)
    for reminder in messages.select_for_update().order_by("-pk"):
        recent[reminder.recipient_name, reminder.cause].append(reminder)
    return recent


def _is_open(reminder: Reminder) -> bool:
    """Return whether it has not left, so that it can become or get a member."""
    if reminder.medium == Medium.PAGE:
        return reminder.state == State.SENT
    return reminder.state == State.WAITING and not reminder.tries


def _is_too_much(former: list[Reminder], new: list[Reminder], pace: Pace) -> bool:
    if pace is CHANNEL and not any(_is_open(item) for item in former):
        # What was sent before limits when the next one is sent, not its form.
        return len(new) > pace.most or len(former) >= MESSAGES.most
    return len(former) + len(new) > pace.most


def _join(target: Reminder, new: list[Reminder]) -> None:
    """Let a list tell of more, and count as unread again."""
    target.expires_at = max(item.expires_at for item in (target, *new))
    target.is_escalated |= any(item.is_escalated for item in new)
    target.read_at = None
    if any(item.kind != target.kind for item in new):
        target.kind = Kind.SEVERAL
    target.save(update_fields=["expires_at", "is_escalated", "read_at", "kind"])


def _list_of(
    members: list[Reminder], former: list[Reminder], now: datetime, pace: Pace
) -> Reminder:
    first = members[0]
    kinds = {member.kind for member in members}
    due_at = max(member.due_at for member in members)
    enough = MESSAGES.most if pace is CHANNEL else pace.most
    if first.medium != Medium.PAGE and len(former) >= enough:
        # Collect for the rest of the window, as long as it is of use.
        collected = min(item.created_at for item in former) + pace.window
        useful = min(member.expires_at for member in members) - IN_TIME
        due_at = max(due_at, min(collected, useful))
    return Reminder(
        key=f"{first.key}:list",
        event=f"{first.event}:list",
        cause=first.cause,
        is_list=True,
        person=first.person,
        channel=first.channel,
        medium=first.medium,
        kind=kinds.pop() if len(kinds) == 1 else Kind.SEVERAL,
        moment=first.moment,
        state=State.SENT if first.medium == Medium.PAGE else State.WAITING,
        created_at=now,
        due_at=due_at,
        sent_at=now if first.medium == Medium.PAGE else None,
        expires_at=max(member.expires_at for member in members),
        for_team=any(member.for_team for member in members),
        is_escalated=any(member.is_escalated for member in members),
    )
