"""Where webhooks may go, what they say, and how the end of a try is judged."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import requests
import time_machine
from django.conf import settings as django_settings

from dashboard.reminders import network, webhooks
from dashboard.reminders.texts import Notification
from dashboard.reminders.webhooks import WebhookError, recognise, send

from .conftest import SLACK
from .sinks import WebhookSink

MESSAGE = Notification("notebook-1 stops at 14:05 (15 min)", "Instance: notebook-1")
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
        (TEAMS, "teams"),
        (DISCORD, "discord"),
        (MATTERMOST, "mattermost"),
        ("https://example.org/incoming?key=secret", "json"),
        ("https://8.8.8.8/hook", "json"),
    ],
)
def test_each_is_recognised(address: str, service: str) -> None:
    found = recognise(address)
    assert found.service == service
    assert "abcdefgh" not in found.shown
    assert "secret" not in found.shown


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
def test_where_nothing_is_sent(address: str) -> None:
    with pytest.raises(WebhookError):
        recognise(address)


def test_an_address_of_teams_gives_no_orders() -> None:
    ordered = f"{TEAMS}&template=/etc/passwd&image=https://evil.example/x"
    assert recognise(ordered).service == "teams"
    [teams] = [one for one in webhooks.SERVICES if one.name == "teams"]
    plugin = webhooks.speaker(teams, ordered)
    assert plugin is not None
    assert not plugin.template
    assert "evil" not in plugin.url()
    assert plugin.signature == "abcdefghij"


@pytest.mark.parametrize(
    "resolved", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd12::1"]
)
def test_a_name_that_leads_inside_is_not_followed(resolved: str) -> None:
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
def test_what_json_says(sink: WebhookSink) -> None:
    outcome = send(f"{sink.url}?key=a%20b", "json", MESSAGE, alarm=True)
    assert outcome.kind == "sent"
    [(path, body)] = sink.arrived
    assert path == "/hook/secret-token-0123456789?key=a+b"
    said = json.loads(body)
    assert said["title"] == MESSAGE.subject
    assert said["message"] == MESSAGE.text
    assert said["type"] == "failure"


@pytest.mark.usefixtures("allowed")
def test_the_name_is_looked_up_once_and_kept(sink: WebhookSink) -> None:
    """A second answer of the name server finds nobody who asks."""
    answers = [
        [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", sink.port))],
        [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", sink.port))],
    ]
    genuine, asked = socket.getaddrinfo, []

    def lookup(host: str, *rest: Any, **options: Any) -> Any:
        if host != "localhost":
            return genuine(host, *rest, **options)
        asked.append(host)
        return answers[len(asked) - 1]

    url = sink.url.replace("127.0.0.1", "localhost")
    with patch.object(socket, "getaddrinfo", side_effect=lookup):
        outcome = send(url, "json", MESSAGE, alarm=False)
    # The certificate is that of the address: the name is what was asked for in TLS.
    assert outcome.kind == "not_sent"
    assert "not valid" in str(outcome.detail)
    assert asked == ["localhost"]


@pytest.mark.usefixtures("allowed")
def test_a_stranger_s_certificate(tmp_path: Path) -> None:
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
def test_what_an_answer_means(sink: WebhookSink, status: int, kind: str) -> None:
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
def test_a_query_gives_no_orders(sink: WebhookSink) -> None:
    url = f"{sink.url}?method=GET&verify=no&redirect=yes&+X-Evil=1&:message=gone"
    send(url, "json", MESSAGE, alarm=False)
    [(path, body)] = sink.arrived
    assert "verify=no" in path
    assert json.loads(body)["message"] == MESSAGE.text


@pytest.mark.parametrize(
    ("address", "service", "orders"),
    [
        (SLACK, "slack", "footer=no&blocks=yes"),
        (DISCORD, "discord", "tts=yes&thread=1"),
        (MATTERMOST, "mattermost", "channels=other&icon_url=https://evil.example/x"),
    ],
)
def test_nor_does_one_that_apprise_would_take_them_from(
    address: str, service: str, orders: str
) -> None:
    with time_machine.travel(0, tick=False):
        said = heard(address, service)
        assert heard(f"{address}?{orders}", service) == said


def heard(address: str, service: str) -> list[tuple[str, Any]]:
    """Where a message would be sent, and what would be."""
    said: list[tuple[str, Any]] = []

    def listen(watch: Any, request: requests.PreparedRequest, options: Any) -> Any:
        said.append((str(request.url), json.loads(request.body or "{}")))
        answer = requests.Response()
        answer.status_code, answer._content = 200, b"ok"
        return answer

    with patch.object(network, "_send_watched", side_effect=listen):
        send(address, service, MESSAGE, alarm=False)
    assert said
    return said


@pytest.mark.usefixtures("allowed")
def test_a_host_that_is_away() -> None:
    url = "https://127.0.0.1:1/hook"
    assert send(url, "json", MESSAGE, alarm=False).kind == "not_sent"


@pytest.mark.usefixtures("allowed")
def test_no_proxy_is_asked(sink: WebhookSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert send(sink.url, "json", MESSAGE, alarm=False).kind == "sent"


@pytest.mark.usefixtures("allowed")
def test_an_endless_answer_is_cut(sink: WebhookSink) -> None:
    sink.body = b"x" * (4 * network.MAX_BYTES)
    read: list[int] = []

    def kept(*given: Any) -> requests.Response:
        answer = genuine(*given)
        read.append(len(answer.content))
        return answer

    genuine = network._read
    with patch.object(network, "_read", side_effect=kept):
        assert send(sink.url, "json", MESSAGE, alarm=False).kind == "sent"
    assert read == [network.MAX_BYTES]


def test_slack_and_teams_are_spoken_to_in_their_words() -> None:
    [(slack, one)] = heard(SLACK, "slack")
    [(teams, other)] = heard(TEAMS, "teams")
    assert slack == SLACK
    assert MESSAGE.text in json.dumps(one)
    assert teams.startswith("https://prod-1.westeurope.logic.azure.com")
    assert "sig=abcdefghij" in teams
    assert "AdaptiveCard" in json.dumps(other)
    assert all("apprise" not in json.dumps(body).lower() for body in (one, other))


def test_others_who_use_requests_are_let_be() -> None:
    assert network._watch.get() is None
    session = requests.Session()
    adapter = session.get_adapter("https://example.org")
    assert isinstance(adapter, network.WatchedAdapter)
    with patch.object(requests.adapters.HTTPAdapter, "send", return_value="x") as sent:
        adapter.send(requests.Request("GET", "http://10.0.0.1/").prepare())
    sent.assert_called_once()


def test_services_are_labelled() -> None:
    assert set(webhooks.LABELS) == {"slack", "teams", "discord", "mattermost", "json"}
