"""The signed values that a form showed first, in a hidden field of the form.

They tell a field that the person changed from one that another person has changed.
"""

import secrets
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from django.core import signing

from dashboard.instances.models import Instance

from .extension import base_of
from .merge import expected_values

MAX_AGE_SECONDS = 24 * 3600
"""After a day the values are too old to be compared."""


class SnapshotError(ValueError):
    """The snapshot is forged, belongs to another instance, or is too old."""


@dataclass(frozen=True)
class Settings:
    """The editable fields of an instance, as in ``Edit.patch``.

    The duration is in **seconds**. None means that the cloud did not report the value.
    """

    description: str
    auto_stop_enable: bool | None
    auto_stop_duration: int | None
    auto_stop_prompt: bool | None
    name: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class FormSnapshot:
    """The settings that a form showed, and a nonce that names the form.

    The same form sent twice is one edit.
    """

    settings: Settings
    nonce: str

    @classmethod
    def now(cls, instance: Instance) -> Self:
        """Return the snapshot of a form that is opened now."""
        values = expected_values(instance)
        settings = {one.name: values[one.name] for one in fields(Settings)}
        return cls(Settings(**settings), secrets.token_urlsafe(12))

    @classmethod
    def read(cls, token: str, instance: Instance) -> Self:
        """Return the snapshot in a token.

        Raises:
            SnapshotError: The token is invalid.
        """
        data = _loads(token, _salt(instance))
        try:
            return cls(Settings(**data["settings"]), data["nonce"])
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError from error

    def token(self, instance: Instance) -> str:
        """Return the value of the form's hidden field ``seen``."""
        return signing.dumps(asdict(self), salt=_salt(instance), compress=True)


@dataclass(frozen=True)
class LeaseSnapshot:
    """The lease that a form showed, and a nonce that names the form.

    Attributes:
        base: As ``extension.base_of``.
    """

    base: dict[str, Any]
    nonce: str

    @classmethod
    def now(cls, instance: Instance) -> Self:
        """Return the snapshot of a form that is opened now."""
        return cls(base_of(instance), secrets.token_urlsafe(12))

    @classmethod
    def read(cls, token: str, instance: Instance) -> Self:
        """Return the snapshot in a token.

        Raises:
            SnapshotError: The token is invalid.
        """
        data = _loads(token, f"{_salt(instance)}.lease")
        try:
            return cls(dict(data["base"]), str(data["nonce"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError from error

    def token(self, instance: Instance) -> str:
        """Return the value of the form's hidden field ``seen``."""
        salt = f"{_salt(instance)}.lease"
        return signing.dumps(asdict(self), salt=salt, compress=True)


def _loads(token: str, salt: str) -> Any:
    try:
        return signing.loads(token, salt=salt, max_age=MAX_AGE_SECONDS)
    except (signing.BadSignature, ValueError) as error:
        raise SnapshotError from error


def _salt(instance: Instance) -> str:
    return f"edits.snapshot.{instance.pk}"
