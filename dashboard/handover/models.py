"""Handovers from shift to shift, their notes, and links to wallboards."""

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
    """Something that people type into, saved while they do.

    Attributes:
        revision: Raised by each change; whoever saves says on which one they typed.
        changed_by: Who typed last.
        page: Random name of the page, once opened, that the last change came from.
        client_seq: How far the save_token on that page was.
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
    """Reads of handovers."""

    def visible_to(self, user: "User") -> Self:
        """What is published is everybody's; drafts are theirs who hand over."""
        if can_hand_over(user):
            return self
        return self.published() if can_see_fleet(user) else self.none()

    def published(self) -> Self:
        """Those that are frozen, newest first."""
        return self.exclude(published_at=None).order_by("-published_at", "-pk")

    def drafts(self) -> Self:
        """Those that are still written on, newest first."""
        return self.filter(published_at=None).order_by("-pk")


class Handover(Autosaved):
    """What one shift tells the next: facts about the fleet, and notes.

    A draft draws its facts anew whenever it is looked at. Publishing freezes facts,
    summary and notes into ``document``; from then on nothing else is shown.

    Attributes:
        number: What it is called by, given when it is published, so that a later one
            has a higher number; None while a draft.
        since: When the shift began: what was changed from then on is told.
        ahead_hours: How far the look at coming stops goes.
        summary: Free words at its head.
        version: Counts the changes of all its parts, notes too.
        document: The snapshot (``document.to_json``); None while a draft.
        digest: Of the snapshot, SHA-256; also in the audit trail.
        taken_over_at: When the incoming person took over.
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
        """Its page: the draft, or what was published."""
        return reverse("handover:handover", args=[self.pk])

    @property
    def title(self) -> str:
        """What it is called, in the reader's language."""
        if self.number:
            return gettext("Handover %(number)s") % {"number": self.number}
        return gettext("Draft %(draft)s") % {"draft": self.pk}

    @property
    def window(self) -> str:
        """What its facts are of, for comparing."""
        return f"{self.since.astimezone(UTC).isoformat()}+{self.ahead_hours}"


class Note(Autosaved):
    """One thing to know: what it is, whose it is, and what is to be done next.

    Attributes:
        owner: Who looks after it; free text, since that may be nobody with an account.
        is_removed: Kept, so that nobody's words vanish under their hands.
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
        """Where on the draft's page it is: the id of its form."""
        return f"note-{self.pk}"

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in it."""
        return not (self.text or self.owner or self.next_action)


class WallLink(models.Model):
    """Leave to read one wallboard without an account, until it is revoked.

    The address holds ``key`` and a signature over it (``walls.token``); the table alone
    opens nothing.

    Attributes:
        name: What the wall is called, on it and in the list of links.
        key: Random; never used twice, so that a revoked address stays dead.
        view: The saved view it was made for, as long as that exists.
        query: What that view shows, as it was then; empty for the whole fleet.
        masked: Whether names of instances and owners are hidden.
        zone: Time zone of its clock and moments.
        scheme: Its colours.
        seen_at: When a screen last asked for it, to a few minutes.
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
