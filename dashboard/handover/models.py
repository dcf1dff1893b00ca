from datetime import UTC
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_hand_over, can_see_fleet
from dashboard.saved.models import SavedView
from dashboard.web.stored_messages import Message

from .messages import SHIFT


class Autosaved(models.Model):
    """A row that is saved while someone types into it.

    Attributes:
        revision: Raised by each change; a save names the one that was edited.
        client_id: Random name of the open page that the last change came from.
        client_seq: Number of that save on that page.
    """

    revision = models.PositiveIntegerField(default=1)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    changed_at = models.DateTimeField(auto_now_add=True)
    client_id = models.CharField(max_length=32, blank=True)
    client_seq = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class HandoverQuerySet(models.QuerySet["Handover"]):
    def visible_to(self, user: User) -> Self:
        """Return all published handovers, and drafts for those who hand over."""
        if can_hand_over(user):
            return self
        return self.published() if can_see_fleet(user) else self.none()

    def published(self) -> Self:
        return self.exclude(published_at=None).order_by("-published_at", "-pk")

    def drafts(self) -> Self:
        return self.filter(published_at=None).order_by("-pk")


class Handover(Autosaved):
    """What one shift leaves for the next: facts about the fleet, and notes.

    A draft reads its facts whenever it is shown. Publishing stores facts, summary and
    notes in ``document``; from then on only that is shown.

    Attributes:
        number: Grows in the order of publication; None for a draft.
        since: Start of the shift; changes after it are listed.
        ahead_hours: Length of the period for coming stops.
        zone: Time zone in which the shift has its name; empty for the reader's.
        view: The saved view that it is about, if that still exists.
        scope: The name of that view at the time; empty for the whole fleet.
        query: The filter of that view at the time.
        version: Counts the changes of all its parts, including notes.
        document: The snapshot (``document.to_json``); None for a draft.
        digest: SHA-256 of the snapshot; also in the audit trail.
    """

    SUMMARY_LENGTH: ClassVar = 4_000
    AHEAD_HOURS: ClassVar = (4, 8, 12, 24, 48)

    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="handovers"
    )
    number = models.PositiveIntegerField(null=True, unique=True)
    since = models.DateTimeField()
    ahead_hours = models.PositiveSmallIntegerField(default=8)
    zone = models.CharField(max_length=64, blank=True, default="", db_default="")
    view = models.ForeignKey(
        SavedView, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    scope = models.CharField(
        max_length=SavedView.NAME_LENGTH, blank=True, default="", db_default=""
    )
    query = models.CharField(
        max_length=SavedView.QUERY_LENGTH, blank=True, default="", db_default=""
    )
    summary = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, db_index=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    document = models.JSONField(null=True)
    digest = models.CharField(max_length=64, blank=True)
    taken_over_at = models.DateTimeField(null=True)
    taken_over_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = HandoverQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Handover {self.number}" if self.number else f"Draft {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("handover:handover", args=[self.pk])

    @property
    def title(self) -> Message:
        """Return the name of its shift, such as "Night shift, Mon 30 Nov"."""
        since = self.since.astimezone(UTC).isoformat()
        return SHIFT(since=since, zone=self.zone, scope=self.scope)

    @property
    def window(self) -> str:
        """Return the period and the scope, to find out whether they changed."""
        since = self.since.astimezone(UTC).isoformat()
        return f"{since}+{self.ahead_hours}+{self.view_id or ''}"


class NoteQuerySet(models.QuerySet["Note"]):
    def actions(self) -> Self:
        """Return the notes that name an owner or a next action."""
        return self.filter(is_removed=False).exclude(owner="", next_action="")

    def carried_into(self, handover: Handover) -> Self:
        """Return the actions that earlier handovers of the same scope leave to a draft.

        These are open, or were done during its shift.
        """
        earlier = models.Q(
            handover__published_at__isnull=False, handover__query=handover.query
        )
        is_left = models.Q(done_at=None) | models.Q(done_at__gte=handover.since)
        actions = self.actions().filter(earlier, is_left).order_by("pk")
        people = actions.select_related("handover", "done_by", "changed_by")
        return people.defer("handover__document", "handover__summary")


class Note(Autosaved):
    """A note; with an owner or a next action it is an action.

    An action carries over into the following handovers until it is done. That is the
    only part of a published note that changes.

    Attributes:
        owner: Free text, since the owner may have no account.
        instance_name, cloud_name, instance_id: The instance that it is about, if any.
        is_removed: The row stays, so that nobody loses text typed meanwhile.
    """

    TEXT_LENGTH: ClassVar = 2_000
    LINE_LENGTH: ClassVar = 300

    handover = models.ForeignKey(
        Handover, on_delete=models.CASCADE, related_name="notes"
    )
    text = models.TextField(blank=True)
    owner = models.CharField(max_length=LINE_LENGTH, blank=True)
    next_action = models.CharField(max_length=LINE_LENGTH, blank=True)
    instance_name = models.CharField(
        max_length=512, blank=True, default="", db_default=""
    )
    cloud_name = models.CharField(max_length=255, blank=True, default="", db_default="")
    instance_id = models.CharField(
        max_length=255, blank=True, default="", db_default=""
    )
    is_removed = models.BooleanField(default=False)
    done_at = models.DateTimeField(null=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = NoteQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def place(self) -> str:
        """Return the id of its form on the page of the draft."""
        return f"note-{self.pk}"

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.owner or self.next_action)

    @property
    def is_action(self) -> bool:
        return bool(self.owner or self.next_action)

    @property
    def instance_url(self) -> str:
        if self.instance_id:
            return reverse("instances:detail", args=[self.cloud_name, self.instance_id])
        return ""


class WallLink(models.Model):
    """Permission to read one wallboard without an account, until it is revoked.

    The URL contains ``key`` and a signature over it (``wallboard_services.token``); the
    table alone opens nothing.

    Attributes:
        key: Random and never reused, so that a revoked URL stays invalid.
        view: The saved view it was made for, if that still exists.
        query: The filter of that view at the time; empty for the whole fleet.
        masked: Whether the names of instances and owners are hidden.
        zone: Time zone of its clock and times.
        seen_at: When a screen last polled, to a few minutes.
    """

    class Scheme(models.TextChoices):
        DARK = "dark", _("Dark")
        LIGHT = "light", _("Light")
        SYSTEM = "system", _("System")

    NAME_LENGTH: ClassVar = 60

    name = models.CharField(max_length=NAME_LENGTH)
    key = models.CharField(max_length=32, unique=True)
    view = models.ForeignKey(
        SavedView, null=True, on_delete=models.SET_NULL, related_name="walls"
    )
    query = models.CharField(max_length=SavedView.QUERY_LENGTH, blank=True)
    masked = models.BooleanField(default=False)
    zone = models.CharField(max_length=64, default="UTC")
    scheme = models.CharField(max_length=8, choices=Scheme, default=Scheme.DARK)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return self.name
