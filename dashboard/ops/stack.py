"""The processes of one Curfew on one machine."""

import argparse
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from dashboard.paths import MANAGE

from .broker import EmbeddedBroker
from .data_directory import DataDirectory, StartError
from .managed_process import ManagedProcess
from .ports import LOOPBACK
from .supervisor import Supervisor

ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 (compared, not bound)

WORKER_GRACE_SECONDS = 35
"""Longer than the time limit of a task, which a worker finishes before it ends."""

WEB_GRACE_SECONDS = 15
"""Longer than the server's own grace period for requests."""


def add_arguments(parser: argparse.ArgumentParser, *, data_dir: Path) -> None:
    parser.add_argument(
        "--host", default=LOOPBACK, help="address to listen on (%(default)s)"
    )
    parser.add_argument(
        "--port",
        type=between(1, 65_535),
        default=8000,
        help="port of the web server (%(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=between(1, 64),
        default=1,
        metavar="N",
        help="processes of the web server (%(default)s)",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=data_dir,
        metavar="FOLDER",
        help="folder for everything that is stored (%(default)s)",
    )
    parser.add_argument(
        "--verbose-logs", action="store_true", help="also print the processes' logs"
    )


def between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be between {least} and {most}")
        return int(text)

    return number


def site_address(host: str, port: int) -> str:
    """Return the URL of the web server for a browser on this machine."""
    reached = LOOPBACK if host in ANY_ADDRESS else host
    return f"http://{in_url(reached)}:{port}"


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check_port(host: str, port: int) -> None:
    """Check that the port is free for the web server.

    Raises:
        StartError: It is not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the server does: lingering connections of an earlier run do no harm.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(
                f"Cannot listen on {host}, port {port} ({error.strerror}). Choose "
                f"another, for example: --port {port % 65_535 + 1}"
            ) from None


class Stack:
    """Broker, web server, worker and beat.

    Attributes:
        broker: None if the settings name another one.
    """

    def __init__(
        self,
        *,
        files: DataDirectory,
        supervisor: Supervisor,
        options: argparse.Namespace,
        broker_url: str | None,
        environment: Mapping[str, str] | None = None,
        celery_app: str = "dashboard",
    ) -> None:
        """Prepare the processes without starting them.

        Args:
            options: What ``add_arguments`` declares.
            broker_url: URL of the embedded broker; None if there is none.
            environment: Added to our own, for the processes.
        """
        self.files = files
        self.supervisor = supervisor
        self._environment = environment
        self.address = f"{site_address(options.host, options.port)}/"
        self.broker = self._embedded_broker(broker_url) if broker_url else None
        self.web = self.child(
            "web",
            *(*MANAGE, "run"),
            *("--host", options.host, "--port", str(options.port)),
            *("--workers", str(options.workers)),
            grace_seconds=WEB_GRACE_SECONDS,
        )
        celery = ("-m", "celery", "--app", celery_app)
        self.worker = self.child(
            "worker",
            *celery,
            "worker",
            *("--queues", "edits,refresh,default"),
            *("--concurrency", "4"),
            # There is no other worker to talk to.
            *("--without-gossip", "--without-mingle"),
            grace_seconds=WORKER_GRACE_SECONDS,
        )
        self.beat = self.child("beat", *celery, "beat", "--pidfile", "")

    def child(
        self, name: str, *arguments: str, grace_seconds: float = 5
    ) -> ManagedProcess:
        return ManagedProcess(
            name=name,
            command=[sys.executable, *arguments],
            log_path=self.files.logs / f"{name}.log",
            pid_path=self.files.pids / f"{name}.pid",
            env=self._environment,
            grace_seconds=grace_seconds,
        )

    def _embedded_broker(self, url: str) -> EmbeddedBroker:
        parts = urlsplit(url)
        broker = EmbeddedBroker(
            port=parts.port or 0,
            password=parts.password or "",
            data_dir=self.files.broker,
        )
        broker.child.log_path = self.files.logs / "broker.log"
        broker.child.pid_path = self.files.pids / "broker.pid"
        return broker

    def forget_earlier_run(self) -> None:
        """Stop what an earlier run has left behind, as on systems without tethers."""
        for child in (self.web, self.worker, self.beat):
            child.reap()
        if self.broker:
            self.broker.child.reap()

    def start_broker(self) -> str | None:
        if self.broker is None:
            return "not needed"
        self.broker.prepare()
        self.supervisor.start(self.broker.child, is_backing=True)
        self.supervisor.wait_for(self.broker.child, self.broker.answers, seconds=20)
        return None

    def start_web(self) -> None:
        self.supervisor.start(self.web)

    def wait_for_web(self) -> None:
        self.supervisor.wait_for(
            self.web, answering(f"{self.address}healthz"), seconds=120
        )

    def start_worker_and_beat(self) -> None:
        self.supervisor.start(self.worker)
        self.supervisor.start(self.beat)

    def reload(self) -> None:
        """Let all processes read the settings again, without a pause of the site."""
        self.web.send(signal.SIGHUP)
        self.supervisor.restart(self.worker, self.beat)


def answering(url: str) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False).status_code < 500
        except httpx.TransportError:
            return False

    return answers
