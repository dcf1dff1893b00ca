from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import MessageField


class Digest(models.Model):
    """The mail to one person about one week, or why there was none.

    The row is committed before anything is sent, and there is one at most.

    Attributes:
        week: The Monday of the week that it is about.
        next_at: When one that is ``WAITING`` is tried again.
        lease_until: When one that is ``SENDING`` counts as lost.
        tried_at: Of the last claim.
        tries: Number of claims.
        note: Reason of the state, if any.
    """

    class State(models.TextChoices):
        SENDING = "sending", _("Sending")
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        UNKNOWN = "unknown", _("May have been sent")
        FAILED = "failed", _("Not sent")
        EMPTY = "empty", _("Nothing to say")

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="digests"
    )
    week = models.DateField()
    state = models.CharField(max_length=8, choices=State)
    tries = models.PositiveSmallIntegerField(default=1)
    tried_at = models.DateTimeField(db_index=True)
    next_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    note = MessageField()

    class Meta:
        ordering: ClassVar = ["-week"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["person", "week"], name="digest_once")
        ]

    def __str__(self) -> str:
        return f"{self.person_id}: {self.week}"
