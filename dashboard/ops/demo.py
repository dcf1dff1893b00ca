"""The demo: everything Curfew needs, on one machine, started by one command.

``prepare_environment`` runs before Django reads its settings, the rest after. Nothing
here is fit for production, and ``manage.py run`` uses none of it.
"""

import argparse
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from dashboard.config import SECRETS

from .broker import EmbeddedBroker
from .demo_files import DemoError, Files
from .managed_process import PROJECT, ManagedProcess
from .ports import LOOPBACK, free_port
from .supervisor import Supervisor

STARTED = time.monotonic()
PASSWORD = "curfew-demo"  # noqa: S105 (published on purpose)
NOT_FOR_THE_DEMO = (
    *("CURFEW_CLOUDS", "CURFEW_DEBUG", "CURFEW_CSRF_TRUSTED_ORIGINS"),
    *("CURFEW_METRICS_TOKEN", "CURFEW_TRUSTED_PROXIES"),
    *("CURFEW_OIDC_ISSUER", "CURFEW_MAIL_URL", "CURFEW_MAIL_STARTTLS"),
    *("CURFEW_CLOUD_PROXY", "CURFEW_WEBHOOK_HOSTS"),
    *(f"CURFEW_{field.upper()}_FILE" for field in SECRETS),
)
ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 (compared, not bound)


@dataclass(frozen=True)
class Person:
    name: str
    role: str
    can: str
    cloud_users: tuple[str, ...] = ()


PEOPLE = (
    Person("ada", "admin", "acts on every instance, and on people"),
    Person("oskar", "operator", "acts on every instance"),
    Person("anna", "scientist", "acts on anna.schmidt's", ("anna.schmidt",)),
    Person("li", "scientist", "acts on li.wei's", ("li.wei",)),
    Person("vera", "viewer", "sees everything, changes nothing"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default=LOOPBACK, help="address to listen on (%(default)s)"
    )
    parser.add_argument(
        "--port", type=_port, default=8000, help="port of the web server (%(default)s)"
    )
    parser.add_argument(
        "--fleet",
        type=_count,
        default=60,
        metavar="N",
        help="instances in the emulated cloud (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="makes another fleet (%(default)s)"
    )
    parser.add_argument(
        "--speed",
        type=_factor,
        default=1.0,
        metavar="X",
        help="how much faster the emulated cloud's time runs (%(default)s)",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=PROJECT / "var" / "demo",
        help="where the demo keeps its files, new at each start (var/demo)",
    )
    parser.add_argument(
        "--hostile",
        action="store_true",
        help="make every text of the emulated cloud an attack, for tests",
    )
    parser.add_argument(
        "--verbose-logs", action="store_true", help="show the processes' logs, too"
    )


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65_535:
        raise argparse.ArgumentTypeError("must be between 1 and 65535")
    return port


def _count(text: str) -> int:
    count = int(text)
    if not 0 <= count <= 10_000:
        raise argparse.ArgumentTypeError("must be between 0 and 10000")
    return count


def _factor(text: str) -> float:
    factor = float(text)
    if not 0 < factor <= 10_000:
        raise argparse.ArgumentTypeError("must be above 0 and at most 10000")
    return factor


def prepare_environment(arguments: Sequence[str]) -> None:
    """Set the environment of the demo for this process and all it starts.

    Call it before Django's settings are read. Ends the process for ``--help`` and, with
    a sentence, for invalid options.

    Args:
        arguments: The command line behind ``demo``.
    """
    parser = argparse.ArgumentParser(
        prog="manage.py demo", description="Start everything, with an emulated cloud."
    )
    add_arguments(parser)
    # Django parses its own options (--verbosity …).
    options, _ = parser.parse_known_args(arguments)
    files = Files(options.data_dir.resolve())
    try:
        files.claim()
    except DemoError as error:
        raise SystemExit(str(error)) from None
    # Credentials and names of real clouds must not reach the demo.
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    for name in NOT_FOR_THE_DEMO:
        os.environ.pop(name, None)
    hosts = (
        "*"
        if options.host in ANY_ADDRESS
        else f"localhost,{LOOPBACK},{_in_address(options.host)}"
    )
    os.environ |= {
        "CURFEW_SECRET_KEY": secrets.token_urlsafe(48),
        "CURFEW_DATABASE_URL": f"sqlite:///{files.database}",
        "CURFEW_REDIS_URL": f"redis://{LOOPBACK}:{free_port()}/0",
        "CURFEW_ALLOWED_HOSTS": hosts,
        "CURFEW_HTTPS": "false",
        "CURFEW_URL": _address(options.host, options.port),
        "OS_CLIENT_CONFIG_FILE": str(files.clouds),
        "OS_CLIENT_SECURE_FILE": str(files.secure),
    }
    os.environ.setdefault("CURFEW_REFRESH_SECONDS", "5")


def _address(host: str, port: int) -> str:
    reached = LOOPBACK if host in ANY_ADDRESS else host
    return f"http://{_in_address(reached)}:{port}"


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check_port(host: str, port: int) -> None:
    """Check that the port is free for the web server.

    Raises:
        DemoError: It is not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the server does: lingering connections of an earlier run do no harm.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DemoError(
                f"Cannot listen on {host}, port {port} ({error.strerror}). Choose "
                f"another, for example: manage.py demo --port {port % 65_535 + 1}"
            ) from None


class Demo:
    def __init__(
        self,
        *,
        options: argparse.Namespace,
        broker_port: int,
        supervisor: Supervisor,
    ) -> None:
        self.options = options
        self.files = Files(options.data_dir.resolve())
        self.supervisor = supervisor
        self.emulator_port = free_port()
        self.address = f"{_address(options.host, options.port)}/"
        self.broker = EmbeddedBroker(port=broker_port, data_dir=self.files.broker)
        self.broker.child.pid_path = self.files.pids / "broker.pid"
        manage = str(PROJECT / "manage.py")
        self.emulator = self._child(
            "emulator",
            "-m",
            "dashboard.emulator",
            *("--port", str(self.emulator_port)),
            *("--fleet", str(options.fleet)),
            *("--seed", str(options.seed)),
            *("--speed", str(options.speed)),
            *("--clouds-file", str(self.files.clouds)),
            *(["--hostile"] if options.hostile else []),
        )
        self.web = self._child(
            "web", manage, "run", "--host", options.host, "--port", str(options.port)
        )
        celery = ("-m", "celery", "--app", "dashboard")
        self.worker = self._child(
            "worker",
            *celery,
            "worker",
            *("--queues", "edits,refresh,default"),
            *("--concurrency", "4"),
            # There is no other worker to talk to.
            *("--without-gossip", "--without-mingle"),
        )
        self.beat = self._child(
            "beat",
            *celery,
            "beat",
            *("--pidfile", ""),
        )

    def _child(self, name: str, *arguments: str) -> ManagedProcess:
        return ManagedProcess(
            name=name,
            command=[sys.executable, *arguments],
            log_path=self.files.logs / f"{name}.log",
            pid_path=self.files.pids / f"{name}.pid",
        )

    def forget_earlier_run(self) -> None:
        for child in (
            self.web,
            self.worker,
            self.beat,
            self.emulator,
            self.broker.child,
        ):
            child.reap()
        self.files.clear()

    def start_broker_and_emulator(self) -> None:
        self.supervisor.start(self.broker.child)
        self.supervisor.start(self.emulator)
        self.supervisor.wait_for(self.broker.child, self.broker.answers, seconds=20)

    def wait_for_emulator(self) -> None:
        """Wait until the emulated cloud answers and has written its clouds.yaml."""
        answers = _answering(f"http://{LOOPBACK}:{self.emulator_port}/v3")
        self.supervisor.wait_for(
            self.emulator,
            lambda: self.files.clouds.stat().st_size > 0 and answers(),
            seconds=60,
        )

    def start_web(self) -> None:
        self.supervisor.start(self.web)

    def wait_for_web(self) -> None:
        self.supervisor.wait_for(
            self.web, _answering(f"{self.address}healthz"), seconds=60
        )

    def start_worker_and_beat(self) -> None:
        self.supervisor.start(self.worker)
        self.supervisor.start(self.beat)


def _answering(url: str) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False).status_code < 500
        except httpx.TransportError:
            return False

    return answers


def welcome(demo: Demo, wall: str) -> str:
    """Return the URL and the accounts, in a box; ``wall`` is a wallboard's URL."""
    heads = ("name", "password", "role", "")
    rows = [
        heads,
        *((person.name, PASSWORD, person.role, person.can) for person in PEOPLE),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    text = [
        f"Curfew is ready: {demo.address}",
        "",
        *table,
        "",
        f"Started in {time.monotonic() - STARTED:.0f} s.  Ctrl-C stops everything.",
    ]
    width = max(map(len, text))
    return "\n".join(
        [
            "",
            f"╭─{'─' * width}─╮",
            *(f"│ {line.ljust(width)} │" for line in text),
            f"╰─{'─' * width}─╯",
            f"Logs: {demo.files.logs}",
            f"Wallboard: {wall}",
            "",
        ]
    )
