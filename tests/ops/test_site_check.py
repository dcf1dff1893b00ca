"""doctor tries the address that people use, proxies and all."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from dashboard.metrics import proxy_report
from dashboard.ops.managed_process import PROJECT
from dashboard.ops.ports import free_port
from dashboard.system import checks, site_check
from dashboard.system.faults import FaultError

from .serving import Serving, behind


@pytest.fixture
def proxies(settings: Any) -> Any:
    """Set how many proxies are trusted."""

    def trust(number: int) -> None:
        settings.CURFEW = settings.CURFEW.model_copy(update={"trusted_proxies": number})

    return trust


@contextmanager
def way(answer: Any, *, ends_slow_bodies: bool = True) -> Iterator[str]:
    """Something that answers so; its address."""
    enough = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = answer if isinstance(answer, str) else json.dumps(answer)
            self.send_response(302 if text.startswith("https:") else 200)
            if text.startswith("https:"):
                self.send_header("Location", text)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            if not ends_slow_bodies:
                enough.wait(60)
            self.send_response(408)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        enough.set()
        server.shutdown()
        serving.join()
        server.server_close()


GOOD = {"address": "198.51.100.9", "forwarded_for": ["198.51.100.9"]}


def test_all_is_well(proxies: Any) -> None:
    proxies(1)
    with way(GOOD) as url:
        found = str(site_check.check(url))
    assert found.startswith("Forged client addresses are ignored")


@pytest.mark.parametrize(
    ("trusted", "answer", "says"),
    [
        (
            1,
            {"address": "192.0.2.1", "forwarded_for": ["192.0.2.1"]},
            "drop headers with an underscore",
        ),
        (
            1,
            {"address": "198.51.100.9", "forwarded_for": ["192.0.2.1", "198.51.100.9"]},
            "drop headers with an underscore",
        ),
        (
            1,
            {"address": None, "forwarded_for": []},
            "Configure it to set X-Forwarded-For",
        ),
        (
            1,
            {"address": "192.0.2.2", "forwarded_for": ["192.0.2.2"]},
            "Configure it to set X-Forwarded-For",
        ),
        (
            2,
            {"address": "192.0.2.2", "forwarded_for": ["192.0.2.2", "198.51.100.9"]},
            "Lower it",
        ),
        (
            1,
            {"address": "10.0.0.1", "forwarded_for": ["198.51.100.9", "10.0.0.1"]},
            "Raise it",
        ),
        (1, "https://curfew.example.org/", "X-Forwarded-Proto: https"),
        (1, "<html>", "it leads to something else"),
        (1, ["odd"], "it leads to something else"),
    ],
)
def test_what_is_wrong_on_the_way(
    proxies: Any, trusted: int, answer: Any, says: str
) -> None:
    proxies(trusted)
    with way(answer) as url, pytest.raises(FaultError, match=says):
        site_check.check(url)


def test_a_proxy_may_add_to_what_the_client_has_sent(proxies: Any) -> None:
    proxies(1)
    added = {"address": "198.51.100.9", "forwarded_for": ["192.0.2.2", "198.51.100.9"]}
    with way(added) as url:
        assert site_check.check(url)


def test_a_request_that_is_never_ended(
    proxies: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_check, "SLOW_BODY_SECONDS", 0)
    proxies(1)
    with (
        way(GOOD, ends_slow_bodies=False) as url,
        pytest.raises(FaultError, match="is not ended within"),
    ):
        site_check.check(url)


def test_a_loopback_address_may_lead_nowhere() -> None:
    # In a container it leads into the container.
    found = str(site_check.check(f"http://127.0.0.1:{free_port()}"))
    assert found.startswith("Not checked: nothing answers")


def test_without_an_address_nothing_is_tried() -> None:
    (finding,) = checks.examine("site")
    assert finding.healthy
    assert finding.sentence == "Not checked: CURFEW_URL is not set."


def test_only_doctor_is_told_how_a_request_arrived(client: Client) -> None:
    assert client.get(proxy_report.PATH).status_code == 404
    assert (
        client.get(
            proxy_report.PATH, headers={proxy_report.HEADER: "doctor:x:y"}
        ).status_code
        == 404
    )
    answer = client.get(
        proxy_report.PATH, headers={proxy_report.HEADER: proxy_report.sign()}
    )
    assert answer.json() == {"address": "127.0.0.1", "forwarded_for": []}


@pytest.mark.stack
def test_by_the_command_with_a_real_proxy(tmp_path: Path) -> None:
    with (
        Serving(tmp_path, CURFEW_TRUSTED_PROXIES="1", CURFEW_HTTPS="false") as site,
        behind("haproxy", site.port, tmp_path / "proxy") as port,
    ):
        found = {
            at: subprocess.run(
                [sys.executable, "manage.py", "doctor", "--only", "site"],
                cwd=PROJECT,
                env=os.environ
                | site.environment
                | {"CURFEW_URL": f"http://127.0.0.1:{at}"},
                capture_output=True,
                text=True,
                check=False,
            )
            for at in (port, site.port)
        }
    assert found[port].stdout.startswith("✓ site: Forged client addresses")
    assert found[port].returncode == 0
    assert "no proxy reports the client" in found[site.port].stdout
    assert found[site.port].returncode == 1
