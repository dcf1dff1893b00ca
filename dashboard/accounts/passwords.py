"""What a password may not be, and passwords for one use."""

import secrets
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

# Without letters and digits that are read for one another.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 7, 4


class ContextWordsValidator:
    """Refuse passwords that are little more than words everybody here knows."""

    WORDS = ("curfew", "modelarts", "notebook", "jupyter")
    REST = 8
    """Characters wanted beside such words."""

    def validate(self, password: str, user: "AbstractBaseUser | None" = None) -> None:
        """Check a new password.

        Raises:
            ValidationError: Without these words and the person's own name too little of
                it is left.
        """
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
        """For the form."""
        return gettext(
            "The password must be more than your name and words such "
            "as Curfew or notebook."
        )


def one_time_password() -> str:
    """A random password, about 138 bits, that can be read out over the phone."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP))
        for _ in range(_GROUPS)
    )
    return "-".join(groups)
