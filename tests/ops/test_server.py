"""The web server's own processes: replaced when they die, stopped in order."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dashboard.ops.managed_process import PROJECT
from dashboard.ops.ports import LOOPBACK, free_port

from .processes import running, wait_until
from .serving import Serving, answers, connect

pytestmark = pytest.mark.stack


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path) as serving:
        yield serving


def workers(site: Serving) -> list[int]:
    """The processes that serve."""
    assert site.web.pid
    children = Path(f"/proc/{site.web.pid}/task/{site.web.pid}/children").read_text()
    return [pid for pid in map(int, children.split()) if running(pid)]


def test_a_worker_that_dies_is_replaced(site: Serving) -> None:
    [first] = workers(site)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: workers(site) not in ([], [first]))
    wait_until(lambda: answers(site.port))
    assert "; restarting" in site.web.log_path.read_text()


def test_the_workers_do_not_outlive_what_started_them(site: Serving) -> None:
    [worker] = workers(site)
    assert site.web.pid
    os.kill(site.web.pid, signal.SIGKILL)
    wait_until(lambda: not running(worker))


def test_an_answer_on_its_way_is_finished_first(site: Serving) -> None:
    site.prepare(instances=4_000)
    ask = (
        "GET /instances/export.json HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Cookie: {site.session}\r\n\r\n"
    )
    with connect(site.port, receives=4_096) as client:
        client.sendall(ask.encode())
        answer = client.recv(65_536)
        site.web.ask_to_stop()
        while part := client.recv(65_536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length
    assert len(body) == int(length[1]) > 1_000_000
    wait_until(lambda: site.web.exit_code is not None)
    assert site.web.exit_code == 0


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind((LOOPBACK, free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "dashboard.ops.server", "--port", str(port)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"Cannot listen on 127.0.0.1, port {port}: Address already in use\n"
    )


def test_several_workers_share_the_port(tmp_path: Path) -> None:
    with Serving(tmp_path, workers=2) as site:
        pids = workers(site)
        assert len(pids) == 2
        os.kill(pids[0], signal.SIGKILL)
        # The other one takes what comes now, all of it once the kernel has noticed.
        wait_until(lambda: not running(pids[0]))
        with httpx.Client(base_url=f"http://127.0.0.1:{site.port}") as browser:
            assert browser.get("/healthz").text == "ok"


def test_a_reload_replaces_the_workers_without_a_pause(tmp_path: Path) -> None:
    with Serving(tmp_path, workers=2) as site:
        before = set(workers(site))
        assert site.web.pid
        os.kill(site.web.pid, signal.SIGHUP)

        def replaced() -> bool:
            url = f"http://127.0.0.1:{site.port}/healthz"
            assert httpx.get(url, timeout=60).text == "ok"
            now = set(workers(site))
            return len(now) == 2 and not now & before

        wait_until(replaced, every=0.05)
