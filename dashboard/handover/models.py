from datetime import UTC
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from dashboard.accounts.permissions import can_hand_over, can_see_fleet
from dashboard.saved.models import SavedView

if TYPE_CHECKING:
    from dashboard.accounts.models import User


class Autosaved(models.Model):
    """A row that is saved while someone types into it.

    Attributes:
        revision: Raised by each change; a save names the one it was typed on.
        page: Random name of the opened page that the last change came from.
        client_seq: Number of that save on that page.
    """

    revision = models.PositiveIntegerField(default=1)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    changed_at = models.DateTimeField(auto_now_add=True)
    page = models.CharField(max_length=32, blank=True)
    client_seq = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class HandoverQuerySet(models.QuerySet["Handover"]):
    def visible_to(self, user: "User") -> Self:
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

    A draft reads its facts whenever it is shown. Publishing freezes facts, summary and
    notes into ``document``; from then on only that is shown.

    Attributes:
        number: Set when it is published, so that a later one has a higher number; None
            while a draft.
        since: Start of the shift; changes after it are listed.
        ahead_hours: Length of the period for coming stops.
        version: Counts the changes of all its parts, notes too.
        document: The snapshot (``document.to_json``); None while a draft.
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
    def title(self) -> str:
        if self.number:
            return gettext("Handover %(number)s") % {"number": self.number}
        return gettext("Draft %(draft)s") % {"draft": self.pk}

    @property
    def window(self) -> str:
        """Return the period of the facts, for comparison."""
        return f"{self.since.astimezone(UTC).isoformat()}+{self.ahead_hours}"


class Note(Autosaved):
    """A note with an owner and a next action.

    Attributes:
        owner: Free text, since the owner may have no account.
        is_removed: The row stays, so that text typed meanwhile is not lost.
    """

    TEXT_LENGTH: ClassVar = 2_000
    LINE_LENGTH: ClassVar = 300

    handover = models.ForeignKey(
        Handover, on_delete=models.CASCADE, related_name="notes"
    )
    text = models.TextField(blank=True)
    owner = models.CharField(max_length=LINE_LENGTH, blank=True)
    next_action = models.CharField(max_length=LINE_LENGTH, blank=True)
    is_removed = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def place(self) -> str:
        """Return the id of its form on the draft's page."""
        return f"note-{self.pk}"

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.owner or self.next_action)


class WallLink(models.Model):
    """Permission to read one wallboard without an account, until it is revoked.

    The URL contains ``key`` and a signature over it (``wallboard_services.token``); the
    table alone opens nothing.

    Attributes:
        key: Random and never reused, so that a revoked URL stays invalid.
        view: The saved view it was made for, while that exists.
        query: The filter of that view at the time; empty for the whole fleet.
        masked: Whether names of instances and owners are hidden.
        zone: Time zone of its clock and times.
        seen_at: When a screen last polled, to a few minutes.
    """

    class Scheme(models.TextChoices):
        DARK = "dark", gettext_lazy("Dark")
        LIGHT = "light", gettext_lazy("Light")
        SYSTEM = "system", gettext_lazy("System")

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
