"""Validation of passwords, and one-time passwords."""

import secrets

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# Without letters and digits that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 7, 4


class ContextWordsValidator:
    """Refuses passwords that consist mainly of the username and obvious words."""

    WORDS = ("curfew", "modelarts", "notebook", "jupyter")
    MIN_OTHER_CHARACTERS = 8

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        name = user.get_username().casefold() if user else ""
        other = password.casefold()
        for word in filter(None, (*self.WORDS, name)):
            other = other.replace(word, "")
        if len(other) < min(self.MIN_OTHER_CHARACTERS, len(password)):
            raise ValidationError(
                _("Your name and words such as Curfew or notebook are easy to guess.")
            )

    def get_help_text(self) -> str:
        return _(
            "The password must be more than your name and words such "
            "as Curfew or notebook."
        )


def one_time_password() -> str:
    """Return a random password of about 138 bits that is easy to read aloud."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP))
        for _ in range(_GROUPS)
    )
    return "-".join(groups)
