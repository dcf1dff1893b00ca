"""The append-only record of who did what."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import MessageField

READ_PERMISSION = "audit.view_auditevent"


class AuditEvent(models.Model):
    """Something that a person, the cloud or Curfew did, or was refused.

    Actor and target are also stored as text, so that the event outlives both. Only
    ``services.record_event`` writes events; the database refuses changes and deletions
    (``triggers``).

    Attributes:
        actor: The account; has no constraint, since deleting an account must not change
            its events. The account may no longer exist.
        actor_label: The actor's name; in English where the name is a message.
        actor_message: The actor's name where it is a message; else empty.
        action: ``object.verb``.
        target_label: The target's name; in English where the name is a message.
        target_message: The target's name where it is a message; else empty.
        instance: ``Instance.reference`` of the instance concerned; may be empty.
        after: The new values, or the requested ones.
        request_id: Also in the logs.
        via: How the actor acted, such as ``token laptop``; empty for the pages.
    """

    class Outcome(models.TextChoices):
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")

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
        if not self._state.adding:
            raise TypeError("An audit event is never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("An audit event is never deleted.")

    @property
    def actor_name(self) -> str:
        """The actor's name in the active language."""
        return str(self.actor_message) or self.actor_label

    @property
    def target_name(self) -> str:
        """The target's name in the active language."""
        return str(self.target_message) or self.target_label
