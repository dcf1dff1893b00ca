"""The web server as ``manage.py run`` starts it, alone or behind a real proxy."""

import json
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from dashboard.ops.broker import EmbeddedBroker
from dashboard.ops.managed_process import PROJECT, ManagedProcess
from dashboard.ops.ports import free_port
from tests.agents import Agent
from tests.conftest import missing

from . import processes
from .processes import wait_until

PROXIES = ("caddy", "haproxy", "nginx")
OPERATIONS = PROJECT / "docs" / "operations.md"


class Serving:
    """A web server of its own, a database with a fleet, and no cloud.

    Attributes:
        port: Where it listens.
        session: Cookie header of somebody who is signed in.
        environment: What it adds to our own.
        ask: Has something done in its database (``serving_agent``).
    """

    def __init__(
        self, folder: Path, *, workers: int = 1, threads: int = 4, **settings: str
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._options = ("--workers", str(workers), "--threads", str(threads))
        self._settings = settings
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._stack.close()

    def prepare(self, *, instances: int) -> None:
        """Fill the database."""
        key = self.ask("prepare", instances=instances)
        self.session = f"sessionid={key}"

    def log(self) -> list[dict[str, Any]]:
        """The lines of its log that are events."""
        lines = self.web.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _start(self) -> None:
        enter = self._stack.enter_context
        broker = enter(
            EmbeddedBroker(port=free_port(), data_dir=self.folder / "broker")
        )
        environment = self.environment = {
            "CURFEW_SECRET_KEY": "only-for-tests-of-the-server-" * 2,
            "CURFEW_DATABASE_URL": f"sqlite:///{self.folder / 'curfew.sqlite3'}",
            "CURFEW_REDIS_URL": broker.url,
            "DJANGO_SETTINGS_MODULE": "tests.ops.serving_settings",
            "PYTHONWARNINGS": "ignore",
            **self._settings,
        }
        agent = Agent("tests.ops.serving_agent", environment, self.folder / "agent.log")
        self._stack.callback(agent.close)
        self.ask = agent.ask
        self.web = ManagedProcess(
            name="web",
            command=[
                *(sys.executable, "-m", "dashboard.ops.server"),
                *("--port", str(self.port), *self._options),
            ],
            log_path=self.folder / "web.log",
            pid_path=self.folder / "web.pid",
            env=environment,
        )
        self.web.start()
        self._stack.callback(self.web.stop)
        wait_until(lambda: answers(self.port))


def answers(port: int, prefix: str = "") -> bool:
    """Whether somebody there says to be alive."""
    return processes.answers(f"http://127.0.0.1:{port}{prefix}/healthz", timeout=5)


@contextmanager
def behind(
    proxy: str, port: int, folder: Path, *, own: int | None = None, prefix: str = ""
) -> Iterator[int]:
    """The proxy in front of a web server, as docs/operations.md has it, but for TLS.

    Args:
        own: Where the proxy listens; a free port by default.
        prefix: The path below which the site is, as in ``/curfew``.

    Yields:
        The port where it listens.
    """
    program = shutil.which(proxy, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        missing(proxy)
    own = own or free_port()
    folder.mkdir()
    lines = documented(proxy, prefix=prefix).replace(
        "127.0.0.1:8000", f"127.0.0.1:{port}"
    )
    config = folder / "config"
    config.write_text(_FRAMES[proxy](lines, own, folder))
    child = ManagedProcess(
        name=proxy,
        command=[program, *_OPTIONS[proxy], str(config)],
        log_path=folder / "log",
        pid_path=folder / "child.pid",
        env={"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
    )
    child.start()
    try:

        def ready() -> bool:
            assert child.exit_code is None, "\n".join(child.last_lines())
            return answers(own, prefix)

        wait_until(ready)
        yield own
    finally:
        child.stop()


def documented(proxy: str, *, prefix: str = "") -> str:
    """The lines that docs/operations.md advises, for a site below a path if asked."""
    text = OPERATIONS.read_text()
    fence = "caddyfile" if proxy == "caddy" else proxy
    found = re.search(rf"```{fence}\n(.*?)```", text, re.S)
    assert found
    lines = found[1]
    if prefix:
        row = re.search(rf"^\| {proxy} \| `(.+)` \| `(.+)` \|$", text, re.M)
        assert row
        assert row[1] in lines
        lines = lines.replace(row[1], row[2].replace("/curfew", prefix))
    return lines


def _caddy(lines: str, port: int, folder: Path) -> str:
    site = lines.replace("curfew.example.org {", f"http://127.0.0.1:{port} {{")
    return site.replace("{\n", "{\n    admin off\n", 1)


def _haproxy(lines: str, port: int, folder: Path) -> str:
    return re.sub(r"bind :443.*", f"bind 127.0.0.1:{port}", lines)


def _nginx(lines: str, port: int, folder: Path) -> str:
    site = re.sub(r"\n *ssl_certificate.*", "", lines)
    site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    site = site.replace("server_name curfew.example.org", "server_name 127.0.0.1")
    paths = "".join(
        f"    {name}_temp_path {folder / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\npid {folder / 'pid'};\nerror_log stderr;\n"
        "events { worker_connections 4096; }\n"
        f"http {{\n    access_log off;\n{paths}{site}\n}}\n"
    )


_FRAMES = {"caddy": _caddy, "haproxy": _haproxy, "nginx": _nginx}
_OPTIONS = {
    "caddy": ("run", "--adapter", "caddyfile", "--config"),
    "haproxy": ("-db", "-f"),
    "nginx": ("-c",),
}


def connect(port: int, *, receives: int = 0) -> socket.socket:
    """A connection; ``receives``: bytes that its system takes without being asked."""
    client = socket.socket()
    if receives:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    return client
