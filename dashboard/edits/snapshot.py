"""What a form was opened on: a signed note that travels with the form.

Without it nobody could tell a field that the person changed from one that somebody else
changed in the meantime.
"""

import secrets
from dataclasses import asdict, dataclass
from typing import Any, Self

from django.core import signing

from dashboard.instances.models import Instance

from .merge import expected_values

MAX_AGE_SECONDS = 24 * 3600
"""After a day a form says more about yesterday than about the instance."""


class SnapshotError(ValueError):
    """The note is forged, belongs to another instance, or is too old."""


@dataclass(frozen=True)
class Settings:
    """The fields of an instance that may be edited; named as in ``Edit.patch``.

    Attributes:
        description: As the cloud holds it, whatever its line breaks.
        auto_stop_enable: None when the cloud did not say.
        auto_stop_duration: **Seconds**; None when the cloud did not say.
        auto_stop_prompt: None when the cloud did not say.
    """

    description: str
    auto_stop_enable: bool | None
    auto_stop_duration: int | None
    auto_stop_prompt: bool | None

    def as_dict(self) -> dict[str, Any]:
        """By field name, as ``services.submit_edit`` wants its ``base``."""
        return asdict(self)


@dataclass(frozen=True)
class FormSnapshot:
    """The settings that a form showed, and a name for that form.

    Attributes:
        settings: What the person saw.
        nonce: Makes the same form sent twice one edit.
    """

    settings: Settings
    nonce: str

    @classmethod
    def now(cls, instance: Instance) -> Self:
        """For a form that is opened now: the mirror, and the edits under way."""
        return cls(Settings(**expected_values(instance)), secrets.token_urlsafe(12))

    @classmethod
    def read(cls, token: str, instance: Instance) -> Self:
        """Read what ``token`` wrote.

        Raises:
            SnapshotError: See the class.
        """
        try:
            note = signing.loads(token, salt=_salt(instance), max_age=MAX_AGE_SECONDS)
            return cls(Settings(**note["settings"]), note["nonce"])
        except (signing.BadSignature, KeyError, TypeError, ValueError) as error:
            raise SnapshotError from error

    def token(self, instance: Instance) -> str:
        """For the form's hidden field ``seen``."""
        note = {"settings": self.settings.as_dict(), "nonce": self.nonce}
        return signing.dumps(note, salt=_salt(instance), compress=True)


def _salt(instance: Instance) -> str:
    return f"edits.snapshot.{instance.pk}"
