"""Preferences, channels and what was read: the only writers of them."""

import uuid
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_manage_channels
from dashboard.audit.services import record_event
from dashboard.web.encryption import encrypt

from . import tasks, webhooks
from .drafts import OF_USE
from .models import Channel, NotificationSettings, Preferences, Reminder

WANTED = (
    *("lead_times", "on_failure", "on_failed_edit", "scope", "owner"),
    *("quiet_from", "quiet_until", "time_zone"),
)


@transaction.atomic
def save_preferences(*, preferences: Preferences) -> Preferences:
    """Keep what a person wants to be told, as ``forms.PreferencesForm`` has it."""
    former = Preferences.objects.filter(user=preferences.user).first()
    before = _values(former) if former else {}
    preferences.save()
    after = _values(preferences)
    if before != after:
        record_event(
            actor=preferences.user,
            action="reminder.settings_changed",
            target_kind="user",
            target_id=str(preferences.user.pk),
            target_label=preferences.user.get_username(),
            before=before,
            after=after,
        )
    return preferences


@transaction.atomic
def save_channel(*, channel: Channel, actor: User, address: str = "") -> Channel:
    """Set up a channel, or change one.

    Args:
        channel: As ``forms.ChannelForm`` has it.
        actor: Who does it.
        address: The webhook; empty keeps the one that it has.

    Raises:
        PermissionDenied: Not theirs to set up.
        webhooks.WebhookError: Nothing may be sent there.
    """
    _require_right(actor)
    former = Channel.objects.filter(pk=channel.pk).first()
    if address:
        channel.service, channel.shown = webhooks.recognise(address)
        channel.sealed = encrypt(address, webhooks.PURPOSE)
    channel.save()
    _record(
        actor,
        "channel.changed" if former else "channel.added",
        channel,
        before=_values(former) if former else {},
        after=_values(channel),
    )
    return channel


@transaction.atomic
def remove_channel(*, channel: Channel, actor: User) -> None:
    """Forget a channel, its address and what was sent there."""
    _require_right(actor)
    _record(actor, "channel.removed", channel, before=_values(channel))
    channel.delete()


@transaction.atomic
def test_channel(*, channel: Channel, actor: User) -> Reminder:
    """Have a word sent there; the log tells what came of it."""
    _require_right(actor)
    now = timezone.now()
    reminder = Reminder.objects.create(
        key=f"c{channel.pk}:test:{uuid.uuid4()}",
        channel=channel,
        medium=Reminder.Medium.WEBHOOK,
        kind=Reminder.Kind.TEST,
        moment=now,
        created_at=now,
        due_at=now,
        expires_at=now + OF_USE,
    )
    _record(actor, "channel.tested", channel)
    transaction.on_commit(partial(tasks.enqueue, reminder.pk), robust=True)
    return reminder


def mark_read(*, user: User, keys: list[int] | None = None) -> int:
    """Take entries of a person's own as read; all of them without ``keys``."""
    unread = Reminder.objects.filter(
        person=user, medium=Reminder.Medium.PAGE, read_at=None
    )
    if keys is not None:
        unread = unread.filter(pk__in=keys)
    return unread.update(read_at=timezone.now())


def _values(wants: NotificationSettings) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(wants, name) for name in WANTED}
    values["cloud"] = str(wants.cloud or "")
    if isinstance(wants, Preferences):
        names = ("in_page", "by_mail", "on_stopped")
        values |= {name: getattr(wants, name) for name in names}
    elif isinstance(wants, Channel):
        values |= {"address": wants.shown, "active": wants.active, "name": wants.name}
    for name in ("quiet_from", "quiet_until"):
        values[name] = f"{values[name]:%H:%M}" if values[name] else ""
    return values


def _require_right(actor: User) -> None:
    if not can_manage_channels(actor):
        raise PermissionDenied


def _record(actor: User, action: str, channel: Channel, **values: Any) -> None:
    record_event(
        actor=actor,
        action=action,
        target_kind="channel",
        target_id=str(channel.pk),
        target_label=channel.name,
        **values,
    )
