"""Where webhooks may go, their payloads, and the outcomes of requests."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpcore
import pytest
from django.conf import settings as django_settings

from dashboard.outbound import transport
from dashboard.reminders import network, webhooks
from dashboard.reminders.notification import Notification
from dashboard.reminders.outcome import SENT
from dashboard.reminders.webhooks import WebhookError, mask, recognize, send

from .conftest import SLACK
from .sinks import WebhookSink

MESSAGE = Notification("notebook <1> stops", "Owner: <!channel> & @everyone")
TEAMS = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/0123456789abcdef/"
    "triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers&sig=abcdefghij"
)

DISCORD = "https://discord.com/api/webhooks/1234567/abcdefghijklmnop"
MATTERMOST = f"https://mattermost.example.org/hooks/{'a' * 26}"


@pytest.fixture
def allowed(settings: Any) -> None:
    """``CURFEW_WEBHOOK_HOSTS`` names this machine."""
    settings.CURFEW = django_settings.CURFEW.model_copy(
        update={"webhook_hosts": ["127.0.0.1", "localhost"]}
    )


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookSink]:
    """A webhook whose certificate is trusted."""
    with WebhookSink(tmp_path) as sink:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(sink.trusted))
        yield sink


@pytest.mark.parametrize(
    ("address", "service"),
    [
        (SLACK, "slack"),
        ("https://hooks.slack.com/triggers/T1/2/abcdefgh", "slack"),
        (TEAMS, "teams"),
        (
            "https://default1.2.environment.api.powerplatform.com/powerautomate/"
            "automations/direct/workflows/0123456789/triggers/manual/paths/invoke?sig=1",
            "teams",
        ),
        (DISCORD, "discord"),
        (f"{DISCORD}?thread_id=12", "discord"),
        ("https://discord.com.example.org/api/webhooks/1/a", "json"),
        (MATTERMOST, "mattermost"),
        ("https://example.org/incoming?key=secret", "json"),
        ("https://8.8.8.8/hook", "json"),
    ],
)
def test_each_service_is_recognized(address: str, service: str) -> None:
    assert recognize(address) == service
    assert "abcdefgh" not in mask(address)
    assert "secret" not in mask(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://example.org/hook",
        "ftp://example.org/",
        "slack://a/b/c",
        "json://127.0.0.1/",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@example.org/",
        "https://example.org:8443/",
        "https://example.org:99999/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://localhost/",
        "https://localhost./",
        "https://redis/",
        "https://metadata.google.internal/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[::7f00:1]/",
        "https://[::808:808]/",
        "https://[fec0::1]/",
        "https://[2001:db9::5efe:a00:1]/",
        "https://[2001:db9::200:5efe:a00:1]/",
        "https://168.63.129.16/",
        "https://[::ffff:168.63.129.16]/",
        "https://example.org/a b",
        "https://example.org/\r\nHost: x",
        "https://example.org/" + "a" * 2_000,
    ],
)
def test_forbidden_addresses(address: str) -> None:
    with pytest.raises(WebhookError):
        recognize(address)


@pytest.mark.parametrize(
    "resolved", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd12::1"]
)
def test_a_name_that_resolves_to_a_private_address_is_refused(resolved: str) -> None:
    family = socket.AF_INET6 if ":" in resolved else socket.AF_INET
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443)),
        (family, socket.SOCK_STREAM, 6, "", (resolved, 443)),
    ]
    with patch.object(socket, "getaddrinfo", return_value=answers):
        outcome = send("https://rebind.example.org/h", "json", MESSAGE, alarm=False)
    assert outcome.kind == "refused"
    assert "private network" in str(outcome.detail)


@pytest.mark.usefixtures("allowed")
def test_the_json_payload(sink: WebhookSink) -> None:
    outcome = send(f"{sink.url}?key=a%20b", "json", MESSAGE, alarm=True)
    assert outcome.kind == "sent"
    [(path, body)] = sink.arrived
    assert path == "/hook/secret-token-0123456789?key=a%20b"
    payload = json.loads(body)
    assert payload["title"] == MESSAGE.subject
    assert payload["message"] == MESSAGE.text
    assert payload["type"] == "failure"


def test_a_name_is_looked_up_only_once() -> None:
    """A name server that changes its answer changes nothing."""
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))
    connected: list[str] = []

    def connect(self: Any, host: str, *_: Any) -> Any:
        connected.append(host)
        raise httpcore.ConnectError

    with (
        patch.object(socket, "getaddrinfo", return_value=[public]) as lookup,
        patch.object(httpcore.SyncBackend, "connect_tcp", connect),
    ):
        outcome = send("https://example.org/hook", "json", MESSAGE, alarm=False)
    assert outcome.kind == "not_sent"
    assert (connected, lookup.call_count) == (["93.184.216.34"], 1)


@pytest.mark.usefixtures("allowed")
def test_tls_names_the_host_not_its_address(sink: WebhookSink) -> None:
    url = sink.url.replace("127.0.0.1", "localhost")
    names: list[str] = []
    genuine = ssl.SSLContext.wrap_socket

    def wrap(self: ssl.SSLContext, *given: Any, **options: Any) -> ssl.SSLSocket:
        names.append(options.get("server_hostname", ""))
        return genuine(self, *given, **options)

    with (
        patch.object(network, "is_allowed", side_effect=[True, False]),
        patch.object(transport, "public_addresses", return_value=["127.0.0.1"]),
        patch.object(ssl.SSLContext, "wrap_socket", wrap),
    ):
        outcome = send(url, "json", MESSAGE, alarm=False)
    # The certificate is that of the address.
    assert outcome.kind == "not_sent"
    assert "not valid" in str(outcome.detail)
    assert "localhost" in names


@pytest.mark.usefixtures("allowed")
def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    with WebhookSink(tmp_path) as sink:
        outcome = send(sink.url, "json", MESSAGE, alarm=False)
        assert (outcome.kind, sink.arrived) == ("not_sent", [])


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "sent"),
        (204, "sent"),
        (400, "refused"),
        (404, "refused"),
        (429, "not_sent"),
        (500, "unknown"),
        (502, "unknown"),
        (503, "not_sent"),
    ],
)
def test_statuses_of_a_webhook(sink: WebhookSink, status: int, kind: str) -> None:
    sink.status, sink.body = status, b""
    assert send(sink.url, "json", MESSAGE, alarm=False).kind == kind
    assert len(sink.arrived) == 1


@pytest.mark.usefixtures("allowed")
def test_no_redirect_is_followed(sink: WebhookSink) -> None:
    sink.status = 307
    sink.headers["Location"] = f"https://127.0.0.1:{sink.port}/elsewhere"
    outcome = send(sink.url, "json", MESSAGE, alarm=False)
    assert (outcome.kind, len(sink.arrived)) == ("refused", 1)


@pytest.mark.usefixtures("allowed")
def test_a_query_has_no_special_meaning(sink: WebhookSink) -> None:
    url = f"{sink.url}?method=GET&verify=no&redirect=yes&+X-Evil=1&:message=gone"
    send(url, "json", MESSAGE, alarm=False)
    [(path, body)] = sink.arrived
    assert "verify=no" in path
    assert json.loads(body)["message"] == MESSAGE.text


def posted(address: str, service: str, *, alarm: bool = False) -> Any:
    """The payload for an address."""
    with patch.object(network, "post", return_value=SENT) as post:
        assert send(address, service, MESSAGE, alarm=alarm) == SENT
    assert post.call_args.args[0] == address
    return post.call_args.args[1]


@pytest.mark.usefixtures("allowed")
def test_an_unreachable_host() -> None:
    url = "https://127.0.0.1:1/hook"
    assert send(url, "json", MESSAGE, alarm=False).kind == "not_sent"


@pytest.mark.usefixtures("allowed")
def test_webhooks_use_no_proxy(
    sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert send(sink.url, "json", MESSAGE, alarm=False).kind == "sent"


@pytest.mark.usefixtures("allowed")
def test_the_body_of_an_answer_is_not_read(sink: WebhookSink) -> None:
    sink.body = b"x" * (2 * transport.MAX_BYTES)
    sink.headers["Content-Encoding"] = "gzip"
    assert send(sink.url, "json", MESSAGE, alarm=False).kind == "sent"


@pytest.mark.usefixtures("allowed")
def test_a_host_that_never_answers(
    sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()
    sink.before_answer = lambda: given_up.wait(10) and None
    monkeypatch.setattr(network, "TOTAL_SECONDS", 0.5)
    outcome = send(sink.url, "json", MESSAGE, alarm=False)
    given_up.set()
    assert (outcome.kind, len(sink.arrived)) == ("unknown", 1)


def test_slack_gets_an_attachment_with_a_color() -> None:
    payload = posted(SLACK, "slack", alarm=True)
    assert payload["text"] == "notebook &lt;1&gt; stops"
    [attachment] = payload["attachments"]
    assert attachment["text"] == "Owner: &lt;!channel&gt; &amp; @everyone"
    assert attachment["color"] != posted(SLACK, "slack")["attachments"][0]["color"]


def test_a_workflow_of_slack_gets_one_variable() -> None:
    payload = posted("https://hooks.slack.com/triggers/T1/2/ab", "slack")
    assert payload == {"text": f"{MESSAGE.subject}: {MESSAGE.text}"}


def test_teams_gets_an_adaptive_card() -> None:
    payload = posted(TEAMS, "teams")
    assert payload["type"] == "message"
    [attachment] = payload["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["type"] == "AdaptiveCard"
    assert [block["text"] for block in card["body"]] == list(MESSAGE)


def test_discord_calls_no_one() -> None:
    assert posted(DISCORD, "discord") == {
        "content": f"{MESSAGE.subject}\n{MESSAGE.text}",
        "allowed_mentions": {"parse": []},
    }


def test_mattermost_gets_text() -> None:
    payload = posted(MATTERMOST, "mattermost")
    assert payload["text"] == f"{MESSAGE.subject}\n{MESSAGE.text}"


def test_an_address_of_another_service_is_refused() -> None:
    assert send(DISCORD, "slack", MESSAGE, alarm=False).kind == "refused"
    assert send("https://[::1/", "json", MESSAGE, alarm=False).kind == "refused"


def test_services_are_labelled() -> None:
    assert set(webhooks.LABELS) == {"slack", "teams", "discord", "mattermost", "json"}
