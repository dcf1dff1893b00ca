"""Who receives which notifications, indexed by what they are about."""

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
    """The owner and the cloud of the instance that a notification is about."""

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
        """Whether a person wants to know when someone stops their instances."""
        return isinstance(self.wants, Preferences) and self.wants.on_stopped

    def lead(self, left: timedelta) -> int | None:
        """Return the shortest chosen lead time that has been reached, in minutes."""
        come = [
            lead for lead in self.wants.lead_times if left <= timedelta(minutes=lead)
        ]
        return min(come, default=None)

    def due_at(self, now: datetime) -> datetime:
        """Return now, or the end of the quiet hours; the page has none."""
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
        lead_times = (
            lead for recipient in self.everybody for lead in recipient.wants.lead_times
        )
        return timedelta(minutes=max(lead_times, default=0))

    def for_instance(self, subject: Subject) -> Iterable[Recipient]:
        """Return the recipients who want notifications about such an instance."""
        by_name = {
            recipient.name: recipient
            for group in (
                self.everything,
                self.by_cloud.get(subject.cloud_pk, ()),
                *(
                    self.by_owner.get(name, ())
                    for name in {subject.owner_id, subject.owner_name} - {""}
                ),
            )
            for recipient in group
        }
        return by_name.values()

    def owners_of(self, subject: Subject) -> Iterable[Recipient]:
        """Return the recipients who own such an instance, whatever they chose."""
        return {
            recipient.name: recipient
            for name in {subject.owner_id, subject.owner_name} - {""}
            for recipient in self.owners.get(name, ())
        }.values()

    def ways_to(self, person_pk: int) -> list[Recipient]:
        return [
            recipient
            for recipient in self.everybody
            if _is(recipient.person, person_pk)
        ]

    def add(self, recipient: Recipient, identifiers: Iterable[str] = ()) -> None:
        """Add a recipient, who owns the instances of ``identifiers``."""
        self.everybody.append(recipient)
        scope = allowed_scope(recipient.wants, recipient.person)
        if scope == Scope.ALL:
            self.everything.append(recipient)
        elif scope == Scope.CLOUD and recipient.wants.cloud_id is not None:
            self.by_cloud[recipient.wants.cloud_id].append(recipient)
        elif scope == Scope.OWNER:
            self.by_owner[recipient.wants.owner].append(recipient)
        elif scope == Scope.MINE:
            for identifier in identifiers:
                self.by_owner[identifier].append(recipient)


def allowed_scope(wants: NotificationSettings, person: User | None) -> str:
    """Return the chosen scope, or a smaller one if the role no longer allows it."""
    if person is None or can_remind_of_others(person):
        return wants.scope
    return Scope.MINE


def chosen_media(preferences: Preferences) -> list[str]:
    """Return the media that a person chose and that can reach them."""
    media: list[str] = []
    if preferences.in_page:
        media.append(Medium.PAGE)
    if preferences.by_mail and may_mail(preferences.user):
        media.append(Medium.MAIL)
    return media


def may_mail(person: User) -> bool:
    return bool(settings.CURFEW.mail_url and person.email)


def preferences_of(person: User) -> Preferences:
    """Return a person's row, or the unsaved defaults.

    Operators and admins without instances receive the failures of the whole fleet and
    no stops: otherwise they would receive nothing, or 300 stops in half an hour.
    """
    try:
        return person.reminder_preferences
    except Preferences.DoesNotExist:
        wants = Preferences(user=person)
        if can_remind_of_others(person) and not person.cloud_users.all():
            wants.scope, wants.lead_times = Scope.ALL, []
        return wants


def all_recipients() -> Recipients:
    """Return all recipients, in three queries."""
    recipients = Recipients()
    people = User.objects.filter(is_active=True).select_related("reminder_preferences")
    for person in people.prefetch_related("cloud_users"):
        wants = preferences_of(person)
        wants.user = person
        mine = [cloud_user.identifier for cloud_user in person.cloud_users.all()]
        chosen = [_way(person, medium, wants) for medium in chosen_media(wants)]
        for recipient in chosen:
            recipients.add(recipient, mine)
        ways = chosen or [_way(person, Medium.PAGE, wants)]
        recipients.ways[person.pk] = ways
        for identifier in mine:
            recipients.owners[identifier] += ways
        if can_decide_exceptions(person):
            recipients.deciders += ways
    for channel in Channel.objects.filter(active=True):
        name = f"c{channel.pk}"
        recipients.add(Recipient(name, Medium.WEBHOOK, channel, channel=channel))
    return recipients


def _way(person: User, medium: str, wants: Preferences) -> Recipient:
    return Recipient(f"p{person.pk}:{medium}", medium, wants, person=person)


def _is(person: User | None, pk: int) -> bool:
    return person is not None and person.pk == pk
