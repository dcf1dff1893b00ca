"""Who receives which notifications, indexed by what they are about."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from django.conf import settings

from dashboard.accounts.models import Team, User
from dashboard.accounts.permissions import can_decide_exceptions, can_remind_of_others
from dashboard.accounts.selectors import TeamScope, owners_of_deputies, scope_of_team
from dashboard.costs.models import Budget
from dashboard.instances.models import Cloud, Instance

from .models import Channel, NotificationSettings, Preferences, Reminder
from .on_call import Duty

Medium = Reminder.Medium
Scope = NotificationSettings.Scope
_WORKSPACE = "workspace"
"""Of a team, in ``Recipients.by_scope``; nobody chooses a workspace alone."""


class Subject(NamedTuple):
    """Owner, cloud and workspace of the instance that a notification is about."""

    cloud_pk: int
    owner_id: str
    owner_name: str
    workspace_id: str

    @classmethod
    def of(cls, instance: Instance) -> "Subject":
        return cls(
            instance.cloud_id,
            instance.owner_id,
            instance.owner_name,
            instance.workspace_id,
        )

    @property
    def owners(self) -> set[str]:
        return {self.owner_id, self.owner_name} - {""}


class Recipient(NamedTuple):
    """A person or a channel, by one medium.

    Attributes:
        name: Short and unique; starts the key of a reminder.
        identifiers: ModelArts users that the person is mapped to or stands in for.
    """

    name: str
    medium: str
    settings: NotificationSettings
    person: User | None = None
    channel: Channel | None = None
    identifiers: frozenset[str] = frozenset()

    @property
    def wants_others(self) -> bool:
        return isinstance(self.settings, Preferences) and self.settings.on_others

    @property
    def is_of_team(self) -> bool:
        """Return whether it receives events that are nobody's own."""
        return self.person is None or can_remind_of_others(self.person)

    def owns(self, subject: Subject) -> bool:
        return bool(subject.owners & self.identifiers)

    def lead(self, left: timedelta, subject: Subject) -> int | None:
        """Return the shortest chosen lead time that has been reached, in minutes."""
        chosen = self.settings
        if (
            isinstance(chosen, Preferences)
            and chosen.stops_only_mine
            and not self.owns(subject)
        ):
            return None
        reached = [
            lead for lead in chosen.lead_times if left <= timedelta(minutes=lead)
        ]
        return min(reached, default=None)

    def due_at(self, now: datetime) -> datetime:
        """Return now, or the end of the quiet hours; the page has none."""
        if self.medium == Medium.PAGE:
            return now
        return self.settings.quiet_hours_end(now) or now


def unique(groups: Iterable[Iterable[Recipient]]) -> list[Recipient]:
    """Return the recipients of all groups, each of them once."""
    # By name, since the settings of a person without a row have no hash.
    recipients = chain.from_iterable(groups)
    return list({recipient.name: recipient for recipient in recipients}.values())


class Recipients:
    """All recipients.

    Attributes:
        by_scope: By ``(scope, owner or cloud)``; own instances as ``OWNER``, and those
            of a team by their owners and workspaces.
        by_person: By ``User.pk``; the page for people who chose no medium.
        by_owner: The same by the ModelArts users that people are mapped to.
        deciders: The same for all who decide on exceptions.
        duty: Who is on call.
    """

    def __init__(self, duty: Duty) -> None:
        self.duty = duty
        self.everybody: list[Recipient] = []
        self.by_scope: dict[tuple[str, Hashable], list[Recipient]] = defaultdict(list)
        self.by_person: dict[int, list[Recipient]] = {}
        self.by_owner: dict[str, list[Recipient]] = defaultdict(list)
        self.deciders: list[Recipient] = []
        self._teams: dict[int, TeamScope] = {}

    @property
    def longest_lead(self) -> timedelta:
        lead_times = (recipient.settings.lead_times for recipient in self.everybody)
        return timedelta(minutes=max(chain.from_iterable(lead_times), default=0))

    def for_instance(self, subject: Subject) -> list[Recipient]:
        """Return the recipients whose scope includes such an instance."""
        keys: list[tuple[str, Hashable]] = [
            (Scope.ALL, None),
            (Scope.CLOUD, subject.cloud_pk),
            *((Scope.OWNER, owner) for owner in subject.owners),
            (_WORKSPACE, subject.workspace_id),
        ]
        return unique(self.by_scope.get(key, ()) for key in keys)

    def owners_of(self, subject: Subject) -> list[Recipient]:
        """Return the owners of such an instance, whatever scope they chose."""
        return unique(self.by_owner.get(owner, ()) for owner in subject.owners)

    def team(
        self,
        event: str,
        interested: Iterable[Recipient],
        *,
        author: int | None = None,
    ) -> list[Recipient]:
        """Return who is on call, and channels; the whole team if nobody is.

        Args:
            event: Name of the setting that turns such events on.
            interested: All whose scope includes the event.
            author: ``User.pk`` of the person who asks for it, and so hears nothing.
        """
        wanting = [
            recipient
            for recipient in interested
            if recipient.is_of_team
            and getattr(recipient.settings, event, True)
            and not (recipient.person and recipient.person.pk == author)
        ]
        asked, following = self.duty
        if asked == author:
            asked = following
        if asked is None:
            return wanting
        # The person on call is notified of everything, whatever they otherwise chose.
        kept = [item for item in wanting if not self._is_relieved(item)]
        return unique([self.by_person.get(asked, ()), kept])

    def fleet(self, event: str, *, alone: int | None = None) -> list[Recipient]:
        """Return who wants such events of the whole fleet, and channels.

        Args:
            alone: The one person who receives it, as ``User.pk``.
        """
        everyone = self.by_scope[Scope.ALL, None]
        wanting = [item for item in everyone if getattr(item.settings, event, True)]
        if alone not in self.by_person:
            return wanting
        channels = [item for item in wanting if item.channel]
        return [*self.by_person[alone], *channels]

    def next_responders(self, event: str, rounds: int) -> list[Recipient]:
        """Return who is asked when an event was not acknowledged ``rounds`` times."""
        alone = self.duty.next_pk if rounds == 1 else None
        return [item for item in self.fleet(event, alone=alone) if item.person]

    def for_cloud(self, cloud_pk: int) -> list[Recipient]:
        """Return the recipients whose scope includes a whole cloud."""
        keys = [(Scope.ALL, None), (Scope.CLOUD, cloud_pk)]
        return unique(self.by_scope.get(key, ()) for key in keys)

    def for_budget(self, budget: Budget) -> list[Recipient]:
        """Return the recipients whose scope includes all that a budget is about."""
        keys: list[tuple[str, Hashable]] = [(Scope.ALL, None)]
        if budget.kind == Budget.Kind.OWNER:
            keys.append((Scope.OWNER, budget.value))
        elif budget.kind == Budget.Kind.WORKSPACE:
            keys.append((_WORKSPACE, budget.value))
        elif budget.kind == Budget.Kind.CLOUD:
            cloud = Cloud.objects.filter(name=budget.value).first()
            keys.append((Scope.CLOUD, cloud.pk if cloud else 0))
        of_team = (
            item
            for item in self.everybody
            if budget.team_id and item.settings.team_id == budget.team_id
        )
        return unique([*(self.by_scope.get(key, ()) for key in keys), of_team])

    def spending(self, budget: Budget) -> list[Recipient]:
        """Return the people whose instances a budget of an owner or a team is about."""
        if budget.kind == Budget.Kind.OWNER:
            return unique([self.by_owner.get(budget.value, ())])
        if budget.team is None:
            return []
        people = [*budget.team.members.values_list("pk", flat=True)]
        people.append(budget.team.deputy_id or 0)
        return unique(self.by_person.get(pk, ()) for pk in people)

    def _is_relieved(self, recipient: Recipient) -> bool:
        chosen = recipient.settings
        return isinstance(chosen, Preferences) and chosen.only_on_call

    def chosen_by(self, person_pk: int | None) -> list[Recipient]:
        """Return the media that a person has chosen."""
        return [
            recipient
            for recipient in self.everybody
            if recipient.person and recipient.person.pk == person_pk
        ]

    def add(self, recipient: Recipient) -> None:
        self.everybody.append(recipient)
        chosen = recipient.settings
        for identifier in recipient.identifiers:
            self.by_scope[Scope.OWNER, identifier].append(recipient)
        # The role may no longer allow the chosen scope.
        match chosen.scope if recipient.is_of_team else Scope.MINE:
            case Scope.ALL:
                self.by_scope[Scope.ALL, None].append(recipient)
            case Scope.CLOUD:
                self.by_scope[Scope.CLOUD, chosen.cloud_id].append(recipient)
            case Scope.OWNER:
                self.by_scope[Scope.OWNER, chosen.owner].append(recipient)
            case Scope.TEAM if chosen.team:
                self._add_team(recipient, chosen.team)

    def _add_team(self, recipient: Recipient, team: Team) -> None:
        if team.pk not in self._teams:
            self._teams[team.pk] = scope_of_team(team)
        scope = self._teams[team.pk]
        for identifier in scope.owners:
            self.by_scope[Scope.OWNER, identifier].append(recipient)
        for workspace_id in scope.workspaces:
            self.by_scope[_WORKSPACE, workspace_id].append(recipient)


def may_mail(person: User) -> bool:
    return bool(settings.CURFEW.mail_url and person.email)


def preferences_of(person: User) -> Preferences:
    """Return a person's row, or the unsaved defaults of their role.

    Operators and admins look after the whole fleet, and everyone after the stops of
    their own instances: those of the fleet would be 300 in half an hour.
    """
    try:
        return person.reminder_preferences
    except Preferences.DoesNotExist:
        scope = Scope.ALL if can_remind_of_others(person) else Scope.MINE
        return Preferences(user=person, scope=scope)


def all_recipients(duty: Duty) -> Recipients:
    """Return all recipients, in four queries, and three for each team in a scope."""
    recipients = Recipients(duty)
    people = User.objects.filter(is_active=True).select_related(
        "reminder_preferences__team"
    )
    stands_in_for = owners_of_deputies()
    for person in people.prefetch_related("cloud_users"):
        preferences = preferences_of(person)
        identifiers = frozenset(item.identifier for item in person.cloud_users.all())
        identifiers |= stands_in_for.get(person.pk, frozenset())
        media = []
        if preferences.in_page:
            media.append(Medium.PAGE)
        if preferences.by_mail and may_mail(person):
            media.append(Medium.MAIL)
        reachable = [
            Recipient(
                f"p{person.pk}:{medium}",
                medium,
                preferences,
                person=person,
                identifiers=identifiers,
            )
            for medium in media or [Medium.PAGE]
        ]
        if media:
            for recipient in reachable:
                recipients.add(recipient)
        recipients.by_person[person.pk] = reachable
        for identifier in identifiers:
            recipients.by_owner[identifier] += reachable
        if can_decide_exceptions(person):
            recipients.deciders += reachable
    for channel in Channel.objects.filter(active=True).select_related("team"):
        name = f"c{channel.pk}"
        recipients.add(Recipient(name, Medium.WEBHOOK, channel, channel=channel))
    return recipients
