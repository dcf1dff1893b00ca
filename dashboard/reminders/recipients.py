"""Who wants to hear of what: everybody's wishes, indexed by what they are about."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from dashboard.accounts.models import User
from dashboard.accounts.permissions import (
    can_decide_exceptions,
    can_remind_of_others,
)

from .models import Channel, NotificationSettings, Preferences, Reminder

Medium = Reminder.Medium
Scope = NotificationSettings.Scope


class Subject(NamedTuple):
    """Whose instance of which cloud something is about."""

    cloud_pk: int
    owner_id: str
    owner_name: str


class Recipient(NamedTuple):
    """One way to one person or team.

    Attributes:
        name: Short and unique; the begin of a reminder's key.
    """

    name: str
    medium: str
    wants: NotificationSettings
    person: User | None = None
    channel: Channel | None = None

    @property
    def hears_of_stops(self) -> bool:
        """Whether it is a person who wants to hear who has stopped what is theirs."""
        return isinstance(self.wants, Preferences) and self.wants.on_stopped

    def lead(self, left: timedelta) -> int | None:
        """The nearest of the chosen lead times that has come, in minutes."""
        come = [
            lead for lead in self.wants.lead_times if left <= timedelta(minutes=lead)
        ]
        return min(come, default=None)

    def due_at(self, now: datetime) -> datetime:
        """Now, or the end of the quiet hours; the page keeps none."""
        if self.medium == Medium.PAGE:
            return now
        return self.wants.quiet_ends(now) or now


@dataclass
class Recipients:
    """All recipients.

    Attributes:
        ways: By person, how to reach them: as they chose, but by the page at least.
        owners: The same by the upstream users who they are.
        deciders: The same of all who decide on exceptions.
    """

    everybody: list[Recipient] = field(default_factory=list)
    everything: list[Recipient] = field(default_factory=list)
    by_owner: dict[str, list[Recipient]] = field(
        default_factory=lambda: defaultdict(list)
    )
    by_cloud: dict[int, list[Recipient]] = field(
        default_factory=lambda: defaultdict(list)
    )

    ways: dict[int, list[Recipient]] = field(default_factory=dict)
    owners: dict[str, list[Recipient]] = field(
        default_factory=lambda: defaultdict(list)
    )
    deciders: list[Recipient] = field(default_factory=list)

    @property
    def longest_lead(self) -> timedelta:
        """How far ahead anybody looks."""
        lead_times = (lead for one in self.everybody for lead in one.wants.lead_times)
        return timedelta(minutes=max(lead_times, default=0))

    def for_instance(self, subject: Subject) -> Iterable[Recipient]:
        """Those who want to hear of such an instance, each once."""
        found = {
            one.name: one
            for group in (
                self.everything,
                self.by_cloud.get(subject.cloud_pk, ()),
                *(
                    self.by_owner.get(name, ())
                    for name in {subject.owner_id, subject.owner_name} - {""}
                ),
            )
            for one in group
        }
        return found.values()

    def owners_of(self, subject: Subject) -> Iterable[Recipient]:
        """The ways to those whose instance it is, each once; whatever they chose."""
        return {
            one.name: one
            for name in {subject.owner_id, subject.owner_name} - {""}
            for one in self.owners.get(name, ())
        }.values()

    def ways_to(self, person_pk: int) -> list[Recipient]:
        """The ways to one person."""
        return [one for one in self.everybody if _is(one.person, person_pk)]

    def add(self, one: Recipient, identifiers: Iterable[str] = ()) -> None:
        """Take in a recipient; ``identifiers`` are those of their own instances."""
        self.everybody.append(one)
        scope = allowed_scope(one.wants, one.person)
        if scope == Scope.ALL:
            self.everything.append(one)
        elif scope == Scope.CLOUD and one.wants.cloud_id is not None:
            self.by_cloud[one.wants.cloud_id].append(one)
        elif scope == Scope.OWNER:
            self.by_owner[one.wants.owner].append(one)
        elif scope == Scope.MINE:
            for identifier in identifiers:
                self.by_owner[identifier].append(one)


def allowed_scope(wants: NotificationSettings, person: User | None) -> str:
    """What was chosen, as far as the person's role still allows it."""
    if person is None or can_remind_of_others(person):
        return wants.scope
    return Scope.MINE


def media(preferences: Preferences) -> list[str]:
    """The ways to a person that they chose and that exist."""
    found: list[str] = []
    if preferences.in_page:
        found.append(Medium.PAGE)
    if preferences.by_mail and may_mail(preferences.user):
        found.append(Medium.MAIL)
    return found


def may_mail(person: User) -> bool:
    """Whether mail can reach this person."""
    return bool(settings.CURFEW.mail_url and person.email)


def preferences_of(person: User) -> Preferences:
    """A person's row, or the defaults, unsaved.

    Operators and admins who own nothing hear of failures of the whole fleet, and of no
    stops: else they would hear nothing, or 300 stops in half an hour.
    """
    try:
        return person.reminder_preferences
    except Preferences.DoesNotExist:
        wants = Preferences(user=person)
        if can_remind_of_others(person) and not person.cloud_users.all():
            wants.scope, wants.lead_times = Scope.ALL, []
        return wants


def all_recipients() -> Recipients:
    """Everybody who is to be told of anything, in three queries."""
    found = Recipients()
    people = User.objects.filter(is_active=True).select_related("reminder_preferences")
    for person in people.prefetch_related("cloud_users"):
        wants = preferences_of(person)
        wants.user = person
        mine = [one.identifier for one in person.cloud_users.all()]
        chosen = [_way(person, medium, wants) for medium in media(wants)]
        for one in chosen:
            found.add(one, mine)
        ways = chosen or [_way(person, Medium.PAGE, wants)]
        found.ways[person.pk] = ways
        for identifier in mine:
            found.owners[identifier] += ways
        if can_decide_exceptions(person):
            found.deciders += ways
    for channel in Channel.objects.filter(active=True):
        name = f"c{channel.pk}"
        found.add(Recipient(name, Medium.WEBHOOK, channel, channel=channel))
    return found


def _way(person: User, medium: str, wants: Preferences) -> Recipient:
    return Recipient(f"p{person.pk}:{medium}", medium, wants, person=person)


def _is(person: User | None, pk: int) -> bool:
    return person is not None and person.pk == pk
