from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ApiToken(models.Model):
    """A token with which a program acts for its owner, with at most their rights.

    The text itself is shown once and not stored. Only its SHA-256 is: 256 random bits
    cannot be guessed, so a slow hash would add nothing.

    Attributes:
        digest: SHA-256 of the text, in hexadecimal.
        ending: The last characters of the text, to tell tokens apart.
        last_used_at: To the minute.
    """

    class Scope(models.TextChoices):
        READ = "read", _("Read instances, changes and batches")
        WRITE = "write", _("Change, start and stop")
        AUDIT = "audit", _("Read the audit trail")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True)
    ending = models.CharField(max_length=4)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.GenericIPAddressField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    def is_live(self, now: datetime) -> bool:
        """Return whether the token is accepted at this moment.

        It is not while its owner is inactive, or first has to choose a password or set
        up a second factor.
        """
        return self.is_valid(now) and not self.owner.lacks_second_factor

    def is_valid(self, now: datetime) -> bool:
        """Return the same, ignoring the second factor."""
        return (
            self.revoked_at is None
            and self.expires_at > now
            and self.owner.is_active
            and self.owner.one_time_until is None
        )
