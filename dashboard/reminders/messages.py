"""Messages that reminders store: why each is in its state, and how a try ended."""

from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

# Why nothing was sent, or why it no longer matters.
OUT_OF_DATE = define("reminders.out_of_date", _("No longer applies."))
TOO_LATE = define("reminders.too_late", _("Too late to be useful."))
QUIET_HOURS = define("reminders.quiet_hours", _("Waiting for the end of quiet hours."))
ACKNOWLEDGED = define("reminders.acknowledged", _("%(person)s has acknowledged it."))
TAKEN_OVER = define("reminders.taken_over", _("%(person)s took over the shift."))
ONE_A_MINUTE = define(
    "reminders.one_a_minute", _("Waiting: a channel gets one message a minute.")
)
MISSED_STOP = define(
    "reminders.missed_stop", _("Schedule “%(schedule)s” missed a stop")
)
MISSED_START = define(
    "reminders.missed_start", _("Schedule “%(schedule)s” missed a start")
)
CHANNEL_OFF = define("reminders.channel_off", _("The channel is off."))
ACCOUNT_DEACTIVATED = define(
    "reminders.account_deactivated", _("The account was deactivated.")
)
NO_MAIL = define("reminders.no_mail", _("There is no mail server or no email address."))
MAIL_OFF = define(
    "reminders.mail_off", _("The recipient turned off email notifications.")
)

# How a try ended.
NOTHING_SENT = define("reminders.nothing_sent", _("Nothing was sent."))
INTERNAL_ERROR = define(
    "reminders.internal_error",
    _("Something went wrong in Curfew, and it has been logged."),
)
INTERRUPTED = define("reminders.interrupted", _("Interrupted while sending."))
WORKER_ENDED = define("reminders.worker_ended", _("The worker stopped while sending."))
WORKER_ENDED_NO_RETRY = define(
    "reminders.worker_ended_no_retry",
    _(
        "The worker stopped while sending. The notification may have been sent and is "
        "not sent again."
    ),
)
ADDRESS_UNREADABLE = define(
    "reminders.address_unreadable",
    _("The URL was encrypted with another key. Set up the channel again."),
)
ADDRESS_UNSUPPORTED = define(
    "reminders.address_unsupported",
    _("The URL is no longer supported. Set up the channel again."),
)

# Webhooks.
ONLY_HTTPS = define("reminders.only_https", _("Only https is allowed."))
ONLY_PORT_443 = define("reminders.only_port_443", _("Only port 443 is allowed."))
HOST_NOT_PUBLIC = define(
    "reminders.host_not_public", _("The host is not publicly reachable.")
)
ADDRESS_NOT_PUBLIC = define(
    "reminders.address_not_public",
    _("The address is not publicly reachable."),
)
RESOLVES_TO_PRIVATE = define(
    "reminders.resolves_to_private",
    _("The host name leads to an address in a private network."),
)
HOST_UNKNOWN = define("reminders.host_unknown", _("The host name cannot be looked up."))
HOST_UNREACHABLE = define(
    "reminders.host_unreachable", _("The host cannot be reached.")
)
CERTIFICATE_INVALID = define(
    "reminders.certificate_invalid",
    _("The certificate of the host is not valid."),
)
CONNECTION_BROKE = define(
    "reminders.connection_broke", _("Connection lost while sending.")
)
WEBHOOK_ANSWERED = define(
    "reminders.webhook_answered",
    _("The webhook returned status %(status)s."),
)

# Mail.
MAIL_REFUSED = define(
    "reminders.mail_refused", _("The mail server answered %(code)s: %(reason)s")
)
MAIL_CONNECTION_BROKE = define(
    "reminders.mail_connection_broke",
    _("Connection to the mail server lost while sending."),
)
