"""Messages that reminders store: why each is in its state, and how a try ended."""

from django.utils.translation import gettext_lazy

from dashboard.web.stored_messages import define

# Why nothing was sent, or why it no longer matters.
OUT_OF_DATE = define("reminders.out_of_date", gettext_lazy("No longer applies."))
TOO_LATE = define("reminders.too_late", gettext_lazy("Too late to be of use."))
QUIET_HOURS = define(
    "reminders.quiet_hours", gettext_lazy("Waiting for the end of quiet hours.")
)
CHANNEL_OFF = define("reminders.channel_off", gettext_lazy("The channel is off."))
ACCOUNT_DEACTIVATED = define(
    "reminders.account_deactivated", gettext_lazy("The account was deactivated.")
)
NO_MAIL = define(
    "reminders.no_mail", gettext_lazy("There is no mail server or no email address.")
)
MAIL_OFF = define(
    "reminders.mail_off", gettext_lazy("The recipient turned off email notifications.")
)

# How a try ended.
NOTHING_SENT = define("reminders.nothing_sent", gettext_lazy("Nothing was sent."))
INTERNAL_ERROR = define(
    "reminders.internal_error",
    gettext_lazy("Something went wrong in Curfew, and it has been logged."),
)
INTERRUPTED = define(
    "reminders.interrupted", gettext_lazy("Interrupted while sending.")
)
WORKER_ENDED = define(
    "reminders.worker_ended", gettext_lazy("The worker stopped while sending.")
)
WORKER_ENDED_NO_RETRY = define(
    "reminders.worker_ended_no_retry",
    gettext_lazy(
        "The worker ended while sending. It may have been sent and is not sent again."
    ),
)
ADDRESS_UNREADABLE = define(
    "reminders.address_unreadable",
    gettext_lazy(
        "The address was encrypted with another key. Set up the channel again."
    ),
)
ADDRESS_UNSUPPORTED = define(
    "reminders.address_unsupported",
    gettext_lazy("The address is no longer supported. Set up the channel again."),
)

# Webhooks.
ONLY_HTTPS = define("reminders.only_https", gettext_lazy("Only https is allowed."))
ONLY_PORT_443 = define(
    "reminders.only_port_443", gettext_lazy("Only port 443 is allowed.")
)
HOST_NOT_PUBLIC = define(
    "reminders.host_not_public", gettext_lazy("The host is not publicly reachable.")
)
ADDRESS_NOT_PUBLIC = define(
    "reminders.address_not_public",
    gettext_lazy("The address is not publicly reachable."),
)
RESOLVES_TO_PRIVATE = define(
    "reminders.resolves_to_private",
    gettext_lazy("The host name leads to an address in a private network."),
)
HOST_UNKNOWN = define(
    "reminders.host_unknown", gettext_lazy("The host name cannot be looked up.")
)
HOST_UNREACHABLE = define(
    "reminders.host_unreachable", gettext_lazy("The host cannot be reached.")
)
CERTIFICATE_INVALID = define(
    "reminders.certificate_invalid",
    gettext_lazy("The certificate of the host is not valid."),
)
CONNECTION_BROKE = define(
    "reminders.connection_broke", gettext_lazy("Connection lost while sending.")
)
WEBHOOK_ANSWERED = define(
    "reminders.webhook_answered", gettext_lazy("The webhook answered %(status)s.")
)

# Mail.
MAIL_CONNECTION_BROKE = define(
    "reminders.mail_connection_broke",
    gettext_lazy("Connection to the mail server lost while sending."),
)
