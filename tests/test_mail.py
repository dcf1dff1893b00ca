"""Mail goes to a server that proves itself, or nowhere."""

import ssl
from typing import Any

import pytest
from django.core.mail import EmailMessage, mailers

from dashboard import mail


def test_without_a_server_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    backend = mail.Unsent()
    assert backend.send_messages([EmailMessage("a", "b", to=["c@example.org"])]) == 0
    assert "mail not sent" in caplog.text
    assert "c@example.org" not in caplog.text


@pytest.mark.parametrize(
    ("url", "tls_at_once"),
    [("smtp://u:p%40w@mail.example.org", False), ("smtps://mail.example.org", True)],
)
def test_a_server_proves_itself(settings: Any, url: str, tls_at_once: bool) -> None:
    settings.MAILERS = {"default": mail.mailer(url)}
    backend: Any = mailers["default"]
    assert (backend.use_ssl, backend.use_tls) == (tls_at_once, not tls_at_once)
    assert backend.ssl_context.verify_mode == ssl.CERT_REQUIRED
    assert backend.ssl_context.check_hostname


@pytest.mark.parametrize("subject", ["a\nBcc: d@example.org", "a\r\nX: y"])
def test_no_header_is_smuggled_in(subject: str) -> None:
    for fields in (
        {"subject": subject, "to": ["c@example.org"]},
        {"subject": "a", "to": [f"{subject}@example.org"]},
        {"subject": "a", "to": ["c@example.org"], "from_email": subject},
    ):
        with pytest.raises(ValueError, match=r"(?i)newline|header|linefeed"):
            EmailMessage(body="b", **fields).message()
