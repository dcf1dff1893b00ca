"""Writes of preferences, channels and read marks."""

import uuid
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_acknowledge, can_manage_channels
from dashboard.audit.services import record_event
from dashboard.web.encryption import encrypt

from . import messages, tasks, webhooks
from .ics import Roster
from .models import (
    LIFETIME,
    Acknowledgement,
    Channel,
    NotificationSettings,
    OnCall,
    Preferences,
    Reminder,
)

State = Reminder.State

_SETTINGS = (
    *("lead_times", "on_failure", "on_failed_edit", "scope", "owner"),
    *("on_overdue", "on_no_end", "on_cloud", "on_handover", "on_budget"),
    *("quiet_from", "quiet_until", "time_zone"),
)
_PREFERENCES = (
    *("in_page", "by_mail", "weekly_digest", "on_others", "on_request"),
    *("stops_only_mine", "only_on_call"),
)


@transaction.atomic
def save_preferences(*, preferences: Preferences) -> Preferences:
    former = Preferences.objects.filter(user=preferences.user).first()
    before = _values(former) if former else {}
    preferences.save()
    after = _values(preferences)
    if before != after:
        record_event(
            actor=preferences.user,
            action="reminder.settings_changed",
            target_kind="user",
            target=preferences.user,
            target_label=preferences.user.get_username(),
            before=before,
            after=after,
        )
    return preferences


@transaction.atomic
def save_channel(*, channel: Channel, actor: User, address: str = "") -> Channel:
    """Create or change a channel.

    Args:
        address: Of the webhook; empty keeps the present one.

    Raises:
        PermissionDenied: Only admins manage channels.
        webhooks.WebhookError: Nothing may be sent there.
    """
    require_channel_manager(actor)
    former = Channel.objects.filter(pk=channel.pk).first()
    if address:
        channel.service = webhooks.recognize(address)
        channel.masked_address = webhooks.mask(address)
        channel.encrypted_address = encrypt(address, webhooks.PURPOSE)
    channel.save()
    record_event(
        actor,
        "channel.changed" if former else "channel.added",
        channel,
        before=_values(former) if former else {},
        after=_values(channel),
    )
    return channel


@transaction.atomic
def remove_channel(*, channel: Channel, actor: User) -> None:
    """Delete a channel with its address and its reminders."""
    require_channel_manager(actor)
    record_event(actor, "channel.removed", channel, before=_values(channel))
    channel.delete()


@transaction.atomic
def test_channel(*, channel: Channel, actor: User) -> Reminder:
    """Create a test notification; the log shows its outcome."""
    require_channel_manager(actor)
    now = timezone.now()
    reminder = Reminder.objects.create(
        key=f"c{channel.pk}:test:{uuid.uuid4()}",
        channel=channel,
        medium=Reminder.Medium.WEBHOOK,
        kind=Reminder.Kind.TEST,
        moment=now,
        created_at=now,
        due_at=now,
        expires_at=now + LIFETIME,
    )
    record_event(actor, "channel.tested", channel)
    transaction.on_commit(partial(tasks.enqueue, reminder.pk), robust=True)
    return reminder


def mark_read(*, actor: User, keys: list[int] | None = None) -> None:
    """Mark the actor's entries as read; all of them without ``keys``."""
    unread = Reminder.objects.filter(
        person=actor, medium=Reminder.Medium.PAGE, read_at=None
    )
    if keys is not None:
        unread = unread.filter(pk__in=keys)
    unread.update(read_at=timezone.now())


@transaction.atomic
def acknowledge(*, reminder: Reminder, actor: User) -> None:
    """Record that the actor looks after an event, or after all events of a list.

    It is escalated no further and is unread for no one. The first one counts.

    Raises:
        PermissionDenied: Only operators and admins look after the events of the team.
    """
    if not (can_acknowledge(actor) and reminder.for_team):
        raise PermissionDenied(
            _("Only operators and admins can acknowledge the team's notifications.")
        )
    now = timezone.now()
    members = reminder.members.filter(state=State.GROUPED).select_related("instance")
    events = {
        item.event: str(item.instance or item.cloud or item.batch or item.subject)
        for item in (members if reminder.is_list else [reminder])
    }
    events = {
        event: label
        for event, label in events.items()
        if not Acknowledgement.objects.filter(event=event).exists()
    }
    # The unique key decides if two people acknowledge at once.
    Acknowledgement.objects.bulk_create(
        (Acknowledgement(event=event, person=actor, at=now) for event in events),
        ignore_conflicts=True,
    )
    known = Reminder.objects.filter(
        event__in=events, for_team=True, person__isnull=False
    )
    known.filter(medium=Reminder.Medium.PAGE, read_at=None).update(read_at=now)
    unsent = Q(state=State.WAITING) | Q(
        state=State.GROUPED, part_of__state=State.WAITING
    )
    known.filter(unsent).exclude(medium=Reminder.Medium.PAGE).update(
        state=State.CANCELLED, note=messages.ACKNOWLEDGED(person=str(actor))
    )
    open_members = Reminder.objects.filter(
        part_of=OuterRef("pk"), state=State.GROUPED, read_at=None
    )
    lists = Reminder.objects.filter(
        ~Exists(open_members), members__in=known, is_list=True, read_at=None
    )
    Reminder.objects.filter(pk__in=list(lists.values_list("pk", flat=True))).update(
        read_at=now
    )
    if events:
        record_event(
            actor,
            "reminder.acknowledged",
            reminder.instance or reminder,
            after={"kind": reminder.kind, "subject": sorted(events.values())[:20]},
        )


@transaction.atomic
def replace_roster(*, roster: Roster, actor: User) -> list[OnCall]:
    """Replace the roster; return its shifts.

    Raises:
        PermissionDenied: Only admins set up who is on call.
    """
    require_channel_manager(actor)
    OnCall.objects.all().delete()
    people = User.objects.filter(is_active=True)
    shifts = OnCall.objects.bulk_create(
        OnCall(
            name=shift.name[:200],
            person=shift.person_among(people),
            starts_at=shift.starts_at,
            ends_at=shift.ends_at,
        )
        for shift in roster
    )
    record_event(
        actor=actor,
        action="on_call.replaced",
        target_kind="on_call",
        target=None,
        target_label="",
        after={"shifts": len(shifts), "names": sorted({item.name for item in shifts})},
    )
    return shifts


def _values(settings: NotificationSettings) -> dict[str, Any]:
    names = _SETTINGS + (_PREFERENCES if isinstance(settings, Preferences) else ())
    values: dict[str, Any] = {name: getattr(settings, name) for name in names}
    values["cloud"] = str(settings.cloud or "")
    values["team"] = str(settings.team or "")
    if isinstance(settings, Channel):
        values |= {
            "address": settings.masked_address,
            "active": settings.active,
            "name": settings.name,
        }
    for name in ("quiet_from", "quiet_until"):
        values[name] = f"{values[name]:%H:%M}" if values[name] else ""
    return values


def require_channel_manager(actor: User) -> None:
    if not can_manage_channels(actor):
        raise PermissionDenied(_("Only admins can manage notification channels."))
