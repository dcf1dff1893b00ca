"""Kinds and states of edits, for the apps below ``edits``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from dashboard.accounts.models import User
from dashboard.web.stored_messages import Message


class EditKind(TextChoices):
    UPDATE = "update", _("Change")
    START = "start", _("Start")
    STOP = "stop", _("Stop")
    EXTEND = "extend", _("Extend")


class EditState(TextChoices):
    QUEUED = "queued", _("Queued")
    SENDING = "sending", _("Sending")
    RETRYING = "retrying", _("Retrying")
    APPLIED = "applied", _("Applied")
    FAILED = "failed", _("Failed")
    CONFLICT = "conflict", _("Conflict")
    SUPERSEDED = "superseded", _("Superseded")
    CANCELLED = "cancelled", _("Cancelled")


OPEN_STATES = frozenset({EditState.QUEUED, EditState.SENDING, EditState.RETRYING})
RETRYABLE_STATES = frozenset({EditState.FAILED, EditState.CONFLICT})


class InstanceEdit(Protocol):
    """An edit as the apps below ``edits`` read it; ``edits.models.Edit`` is one."""

    def __hash__(self) -> int: ...
    @property
    def pk(self) -> UUID: ...
    @property
    def seq(self) -> int: ...
    @property
    def actor(self) -> User | None: ...
    @property
    def actor_message(self) -> Message: ...
    @property
    def policy_name(self) -> str: ...
    @property
    def schedule_name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def patch(self) -> Mapping[str, Any]: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def finished_at(self) -> datetime | None: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def is_under_way(self) -> bool: ...
    @property
    def waits_for_next_start(self) -> bool: ...
    @property
    def may_be_undone(self) -> bool: ...
    @property
    def actor_name(self) -> str: ...
