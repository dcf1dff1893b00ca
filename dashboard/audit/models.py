"""The append-only record of who did what."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy

from dashboard.web.stored_messages import MessageField

READ_PERMISSION = "audit.view_auditevent"


class AuditEvent(models.Model):
    """One thing that a person, the cloud or Curfew did, or was refused.

    Actor and target are kept as text too, so that the entry outlives both. Written by
    ``services.record_event`` alone; the database itself refuses every change and
    deletion (``guard``).

    Attributes:
        actor: The account that acted. Without a constraint: deleting an account must
            not touch its entries, so this may name a row that is gone.
        actor_label: The actor's name; in English where the name is a message.
        actor_message: The actor's name where it is a message; else empty.
        action: What was done, as ``object.verb``.
        outcome: Whether it was done, refused or came to nothing.
        target_label: The target's name; in English where the name is a message.
        target_message: The target's name where it is a message; else empty.
        instance: The instance it is about, as ``Instance.reference``; may be empty.
        before: Values before.
        after: Values after, or those asked for.
        reason: Why.
        request_id: Of the request that led there; also in the logs.
        address: Where that request came from.
        via: By what the actor acted, such as ``token laptop``; empty for the pages.
    """

    class Outcome(models.TextChoices):
        DONE = "done", gettext_lazy("Done")
        REFUSED = "refused", gettext_lazy("Refused")
        FAILED = "failed", gettext_lazy("Failed")

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="audit_events",
    )
    actor_label = models.CharField(max_length=150)
    actor_message = MessageField()
    action = models.CharField(max_length=64, db_index=True)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.DONE)
    target_kind = models.CharField(max_length=32)
    target_id = models.CharField(max_length=255)
    target_label = models.CharField(max_length=255)
    target_message = MessageField()
    instance = models.CharField(max_length=511, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = MessageField()
    request_id = models.CharField(max_length=64, blank=True)
    address = models.GenericIPAddressField(null=True)
    via = MessageField()

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        indexes: ClassVar = [
            models.Index(fields=["target_kind", "target_id", "-at"]),
            models.Index(fields=["instance", "-at"], name="audit_by_instance"),
            models.Index(fields=["actor_label", "-at"], name="audit_by_person"),
        ]
        permissions: ClassVar = [("export_auditevent", "Can export audit events")]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.action} {self.target_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; an event that exists is never changed.

        Raises:
            TypeError: The event was saved before.
        """
        if not self._state.adding:
            raise TypeError("An audit event is never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse.

        Raises:
            TypeError: Always.
        """
        raise TypeError("An audit event is never deleted.")

    @property
    def actor_name(self) -> str:
        """Who acted, in the active language."""
        return str(self.actor_message) or self.actor_label

    @property
    def target_name(self) -> str:
        """What it was done to, in the active language."""
        return str(self.target_message) or self.target_label
