"""Kinds and states of edits, for every app that reads them."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy


class EditKind(TextChoices):
    UPDATE = "update", gettext_lazy("Change")
    START = "start", gettext_lazy("Start")
    STOP = "stop", gettext_lazy("Stop")


class EditState(TextChoices):
    QUEUED = "queued", gettext_lazy("Queued")
    SENDING = "sending", gettext_lazy("Sending")
    RETRYING = "retrying", gettext_lazy("Retrying")
    APPLIED = "applied", gettext_lazy("Applied")
    FAILED = "failed", gettext_lazy("Failed")
    CONFLICT = "conflict", gettext_lazy("Conflict")
    SUPERSEDED = "superseded", gettext_lazy("Superseded")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")


OPEN_STATES = frozenset({EditState.QUEUED, EditState.SENDING, EditState.RETRYING})
RETRYABLE_STATES = frozenset({EditState.FAILED, EditState.CONFLICT})


class InstanceEdit(Protocol):
    """An edit as the pages of its instance read it; ``edits.models.Edit`` is one."""

    def __hash__(self) -> int: ...
    @property
    def pk(self) -> UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def finished_at(self) -> datetime | None: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def waits_for_next_start(self) -> bool: ...
    @property
    def by(self) -> str: ...
