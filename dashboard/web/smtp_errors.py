import smtplib
import socket
import ssl

from django.utils.translation import gettext_lazy as _

from .stored_messages import Message, MessageCode, define

ANSWERED = define("smtp.answered", _("The mail server answered %(code)s."))
_NO_STARTTLS = define(
    "smtp.no_starttls",
    _(
        "The mail server does not support STARTTLS. Use an smtps:// URL, or set "
        "CURFEW_MAIL_STARTTLS=false to send unencrypted mail."
    ),
)
_UNTRUSTED = define(
    "smtp.untrusted",
    _("The certificate of the mail server is not trusted (%(reason)s)."),
)
_UNREACHABLE = define("smtp.unreachable", _("The mail server cannot be reached."))
_BY_TYPE: dict[type[Exception], MessageCode] = {
    smtplib.SMTPAuthenticationError: define(
        "smtp.wrong_password",
        _("The mail server rejects the user and password in CURFEW_MAIL_URL."),
    ),
    smtplib.SMTPNotSupportedError: define(
        "smtp.no_passwords",
        _(
            "The mail server does not accept a username and password; remove them from "
            "CURFEW_MAIL_URL."
        ),
    ),
    smtplib.SMTPRecipientsRefused: define(
        "smtp.recipient_refused",
        _("The mail server refuses the recipient."),
    ),
    smtplib.SMTPServerDisconnected: define(
        "smtp.disconnected", _("The mail server closed the connection.")
    ),
    ssl.SSLError: define(
        "smtp.no_tls",
        _(
            "The mail server does not support TLS on this port. Use smtps:// with port "
            "465 and smtp:// with port 587."
        ),
    ),
    socket.gaierror: define(
        "smtp.unknown_host",
        _("The name of the mail server cannot be looked up."),
    ),
    ConnectionRefusedError: define(
        "smtp.connection_refused",
        _("The mail server refuses the connection."),
    ),
    TimeoutError: define("smtp.timed_out", _("The mail server does not answer.")),
}


def smtp_problem(error: Exception) -> Message:
    match error:
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
            return _NO_STARTTLS()
        case ssl.SSLCertVerificationError():
            return _UNTRUSTED(reason=error.verify_message)
    for type_, message in _BY_TYPE.items():
        if isinstance(error, type_):
            return message()
    if isinstance(error, smtplib.SMTPResponseException):
        return ANSWERED(code=error.smtp_code)
    return _UNREACHABLE()
