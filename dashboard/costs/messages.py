"""Stored messages about costs and prices."""

from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

COSTS = define("costs.report", _("costs"))
FETCH_TOOK_TOO_LONG = define(
    "costs.fetch_took_too_long",
    _("The cloud's billing service took too long. Fetch the prices again."),
)
FETCH_FAILED = define(
    "costs.fetch_failed",
    _(
        "The prices could not be fetched because of an unexpected error in Curfew, "
        "which has been logged."
    ),
)
