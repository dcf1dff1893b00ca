"""Stored messages of the setup."""

from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

BY_LINK = define("setup.by_link", _("with the setup link"))
READ_TOOK_TOO_LONG = define(
    "setup.read_took_too_long",
    _(
        "The cloud did not answer in time. Check the address and whether this machine "
        "reaches it, then check again."
    ),
)
READ_FAILED = define(
    "setup.read_failed",
    _(
        "This cloud could not be read because of an unexpected error in Curfew, which "
        "has been logged."
    ),
)
FORM_IS_GONE = define(
    "setup.form_is_gone",
    _("What was entered is no longer there. Enter the cloud again."),
)
NOT_SAVED = define(
    "setup.not_saved",
    _("The cloud could be read but not saved: %(reason)s."),
)
