from datetime import datetime
from decimal import Decimal

from django.template.defaultfilters import date
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _, ngettext

from dashboard.costs.templatetags.costs import hours, money
from dashboard.web.stored_messages import define
from dashboard.web.templatetags.pages import grouped
from dashboard.web.time_zones import time_zone

_SHIFTS: tuple[tuple[int, Promise], ...] = (
    (4, _("Night shift, %(day)s")),
    (12, _("Morning shift, %(day)s")),
    (20, _("Evening shift, %(day)s")),
    (24, _("Night shift, %(day)s")),
)
"""By the hour before which the shift started, on the wall clock."""


def _shift_title(since: str, zone: str, scope: str) -> str:
    tz = time_zone(zone) if zone else timezone.get_current_timezone()
    start = datetime.fromisoformat(since).astimezone(tz)
    name = next(name for end, name in _SHIFTS if start.hour < end)
    # Translators: The day of a shift, as a Django date format.
    title = name % {"day": date(start, gettext("D j M"))}
    return f"{title} · {scope}" if scope else title


SHIFT = define("handover.shift", _shift_title)
"""The title of a handover: start of the shift, a time zone, the name of a view."""

# Names in the audit trail.
HANDOVER = define("handover.handover", _("Handover %(number)s"))
DRAFT = define("handover.draft", _("Draft %(number)s"))

# Before the time of a line.
STOPS = define("handover.stops", _("stops"))
WAS_DUE = define("handover.was_due", _("was due"))
SINCE = define("handover.since", _("since"))
DISCOVERED = define("handover.discovered", _("discovered"))
LAST_SYNCED = define("handover.last_synced", _("last synced"))

# Facts about several instances.
OVERDUE = define("handover.overdue", _("Overdue"))
DUE = define("handover.due", _("Due to stop"))
BY = define("handover.by", _("by"))
STARTED = define("handover.started", _("Started"))
BEFORE = define("handover.before", _("before"))
FAILED = define("handover.failed", _("Failed"))
UNKNOWN = define("handover.unknown", _("Unknown status"))
PARTLY_READ = define("handover.partly_read", _("Some fields could not be read"))
NEW = define("handover.new", _("New"))


def _ran(instances: int, seconds: int) -> str:
    text = ngettext(
        "%(number)s instance ran %(hours)s",
        "%(number)s instances ran %(hours)s",
        instances,
    )
    return text % {"number": grouped(instances), "hours": hours(seconds)}


def _saved(number: int, unknown: int, seconds: int, amounts: list[str]) -> str:
    text = ngettext(
        "%(number)s stop has saved %(what)s",
        "%(number)s stops have saved %(what)s",
        number,
    )
    what = " \N{MIDDLE DOT} ".join([hours(seconds), *_amounts(amounts)])
    said = text % {"number": grouped(number), "what": what}
    if not unknown:
        return said
    note = gettext("unknown for %(number)s") % {"number": grouped(unknown)}
    return said + gettext(" (%(text)s)") % {"text": note}


def _cost(amounts: list[str]) -> str:
    return gettext("Cost: %(amounts)s") % {
        "amounts": " \N{MIDDLE DOT} ".join(_amounts(amounts))
    }


def _amounts(amounts: list[str]) -> list[str]:
    pairs = (text.split() for text in amounts)
    return [money(Decimal(amount), currency) for amount, currency in pairs]


# What a shift has cost. Amounts are texts such as "4.20 EUR", times are seconds.
RAN = define("handover.ran", _ran)
RAN_UNKNOWN = define(
    "handover.ran_unknown",
    lambda seconds: gettext("Unknown: %(hours)s") % {"hours": hours(seconds)},
)
COST = define("handover.cost", _cost)
NO_PRICE = define(
    "handover.no_price",
    lambda seconds: gettext("No price: %(hours)s") % {"hours": hours(seconds)},
)
SAVED = define("handover.saved", _saved)

MISSING = define("handover.missing", _("Missing from the cloud"))
UNREADABLE = define("handover.unreadable", _("some fields could not be read"))
REQUEST = define("handover.request", _("“%(policy)s”: %(reason)s"))

APPROVAL = define("handover.approval", _("%(number)s instances, waiting for approval"))

NOT_CONFIGURED = define(
    "handover.not_configured",
    _("No longer configured. Its instances are not updated."),
)
INCOMPLETE = define(
    "handover.incomplete",
    _("Incomplete: ModelArts counts %(counted)s instances, but listed %(listed)s."),
)
OWN_ONLY = define(
    "handover.own_only",
    _(
        "Lists only the notebooks of its own ModelArts account, so the counts are "
        "incomplete."
    ),
)
NEVER_SYNCED = define("handover.never_synced", _("Never synced."))
SYNCED_RARELY = define("handover.synced_rarely", _("Not synced recently."))
CHANGES_PAUSED = define("handover.changes_paused", _("Changes are paused."))
