"""Validation of passwords, and one-time passwords."""

import secrets
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

# Without letters and digits that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 7, 4


class ContextWordsValidator:
    """Refuses passwords that consist mainly of the username and obvious words."""

    WORDS = ("curfew", "modelarts", "notebook", "jupyter")
    REST = 8
    """Characters required besides such words."""

    def validate(self, password: str, user: "AbstractBaseUser | None" = None) -> None:
        name = user.get_username().casefold() if user else ""
        rest = password.casefold()
        for word in (*self.WORDS, name):
            rest = rest.replace(word, "") if word else rest
        if len(rest) < min(self.REST, len(password)):
            raise ValidationError(
                gettext(
                    "Your name and words such as Curfew or notebook are easy to guess."
                )
            )

    def get_help_text(self) -> str:
        return gettext(
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
