import smtplib
import socket
import ssl

from django.utils.translation import gettext_lazy

from .stored_messages import Message, define

WRONG_PASSWORD = define(
    "smtp.wrong_password",
    gettext_lazy("The mail server rejects the user and password in CURFEW_MAIL_URL."),
)
NO_STARTTLS = define(
    "smtp.no_starttls",
    gettext_lazy(
        "The mail server offers no STARTTLS. Use an smtps:// address, or set "
        "CURFEW_MAIL_STARTTLS=false to send in clear."
    ),
)
NO_PASSWORDS = define(
    "smtp.no_passwords",
    gettext_lazy(
        "The mail server takes no user and password; remove them from CURFEW_MAIL_URL."
    ),
)
RECIPIENT_REFUSED = define(
    "smtp.recipient_refused", gettext_lazy("The mail server refuses the recipient.")
)
ANSWERED = define("smtp.answered", gettext_lazy("The mail server answered %(code)s."))
UNTRUSTED = define(
    "smtp.untrusted",
    gettext_lazy("The certificate of the mail server is not trusted (%(reason)s)."),
)
NO_TLS = define(
    "smtp.no_tls",
    gettext_lazy(
        "The mail server speaks no TLS on this port. smtps:// is for port 465, "
        "smtp:// for port 587."
    ),
)
UNKNOWN_HOST = define(
    "smtp.unknown_host",
    gettext_lazy("The name of the mail server cannot be looked up."),
)
CONNECTION_REFUSED = define(
    "smtp.connection_refused",
    gettext_lazy("The mail server refuses the connection."),
)
TIMED_OUT = define("smtp.timed_out", gettext_lazy("The mail server does not answer."))
DISCONNECTED = define(
    "smtp.disconnected", gettext_lazy("The mail server closed the connection.")
)
UNREACHABLE = define(
    "smtp.unreachable", gettext_lazy("The mail server cannot be reached.")
)


def smtp_problem(error: Exception) -> Message:
    match error:
        case smtplib.SMTPAuthenticationError():
            return WRONG_PASSWORD()
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
            return NO_STARTTLS()
        case smtplib.SMTPNotSupportedError():
            return NO_PASSWORDS()
        case smtplib.SMTPRecipientsRefused():
            return RECIPIENT_REFUSED()
        case smtplib.SMTPResponseException():
            return ANSWERED(code=error.smtp_code)
        case ssl.SSLCertVerificationError():
            return UNTRUSTED(reason=error.verify_message)
        case ssl.SSLError():
            return NO_TLS()
        case socket.gaierror():
            return UNKNOWN_HOST()
        case ConnectionRefusedError():
            return CONNECTION_REFUSED()
        case TimeoutError():
            return TIMED_OUT()
        case smtplib.SMTPServerDisconnected():
            return DISCONNECTED()
    return UNREACHABLE()
