"""Mail goes to a server that proves itself, or nowhere."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage, mailers

from dashboard import mail
from dashboard.ops.ports import free_port
from dashboard.web.smtp_errors import smtp_problem
from tests.reminders.sinks import MailSink


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


def open_at(url: str, settings: Any, **options: Any) -> str:
    """Why no connection comes about; empty when one does."""
    settings.MAILERS = {"default": mail.mailer(url, **options)}
    backend: Any = mailers["default"]
    try:
        backend.open()
    except Exception as error:
        return str(smtp_problem(error))
    backend.close()
    return ""


def test_a_relay_without_starttls_is_named_and_usable_when_told(
    settings: Any, tmp_path: Path
) -> None:
    with MailSink(tmp_path, in_clear=True) as relay:
        url = f"smtp://127.0.0.1:{relay.port}"
        assert "does not support STARTTLS" in open_at(url, settings)
        assert open_at(url, settings, starttls=False) == ""
        mailers["default"].send_messages([EmailMessage("a", "b", to=["c@example.org"])])
        assert len(relay.arrived) == 1


def test_each_failure_to_connect_has_its_sentence(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MailSink(tmp_path, in_clear=True) as relay:
        plain = f"127.0.0.1:{relay.port}"
        problem = open_at(f"smtp://u:canary@{plain}", settings, starttls=False)
        assert "does not accept a username and password" in problem
        assert "does not support TLS on this port" in open_at(
            f"smtps://{plain}", settings
        )
    with MailSink(tmp_path) as server:
        sealed = f"127.0.0.1:{server.port}"
        assert "is not trusted" in open_at(f"smtps://{sealed}", settings)
        monkeypatch.setenv("SSL_CERT_FILE", str(server.trusted))
        assert open_at(f"smtps://{sealed}", settings) == ""
    nowhere = f"smtp://127.0.0.1:{free_port()}"
    assert "refuses the connection" in open_at(nowhere, settings)
    assert "cannot be looked up" in open_at("smtp://mail.invalid", settings)


def test_every_mail_says_that_a_program_wrote_it(settings: Any, tmp_path: Path) -> None:
    with MailSink(tmp_path, in_clear=True) as relay:
        url = f"smtp://127.0.0.1:{relay.port}"
        settings.MAILERS = {"default": mail.mailer(url, starttls=False)}
        EmailMessage("a", "b", to=["c@example.org"]).send()
        [arrived] = relay.arrived
    assert "Auto-Submitted: auto-generated" in arrived
    assert "X-Auto-Response-Suppress: All" in arrived
