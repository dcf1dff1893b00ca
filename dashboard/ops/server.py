"""The web server: worker processes of uvicorn on one port, replaced when they die.

    python -m dashboard.ops.server --port 8000 --workers 2 --threads 8

Each worker listens by itself (``SO_REUSEPORT``), so that the kernel deals new
connections out among them: of workers that share one socket the first to wake takes
all that wait.
"""

import argparse
import importlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from .managed_process import dying_with_parent

APPLICATION = "dashboard.asgi:make_application"
LOGS = Path(__file__).resolve().parents[1] / "server_logs.json"
"""The server's own few lines are JSON, too."""

PROTOCOL = "dashboard.web.protocol:BoundedProtocol"
"""By name: the application's process imports it."""

KEEP_ALIVE_SECONDS = 130
"""Longer than proxies keep idle connections (Caddy: 2 minutes).

Otherwise one could send a request into a connection that is closing.
"""

BACKLOG = 2_048
MOST_FILES = 65_536
STOP_SECONDS = 10
"""For the requests in progress when the server is asked to stop."""

RESTART_SECONDS = 1


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="dashboard.ops.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--application", default=APPLICATION, help=argparse.SUPPRESS)
    parser.add_argument("--is-worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.is_worker:
        work(options)
        return 0
    return Workers(arguments, options).run()


class Workers:
    def __init__(self, arguments: Sequence[str], options: argparse.Namespace) -> None:
        own = [sys.executable, "-m", "dashboard.ops.server", *arguments]
        self._command = dying_with_parent([*own, "--is-worker"])
        self._options = options
        self._running: list[subprocess.Popen[bytes]] = []
        self._is_stopping = False

    def run(self) -> int:
        """Keep the workers running until SIGTERM or SIGINT.

        Returns:
            The exit status: 1 when the port is taken.
        """
        try:
            # Workers share it with each other, but with no other server.
            listening(self._options.host, self._options.port, shared=False).close()
        except OSError as error:
            sys.stderr.write(
                f"Port {self._options.port} of {self._options.host} cannot be had: "
                f"{error.strerror or error}\n"
            )
            return 1
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        self._running = [self._start() for _ in range(self._options.workers)]
        while not self._is_stopping:
            self._replace_the_dead()
            time.sleep(0.1)
        return self._stop()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command)  # noqa: S603 (our own command)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True

    def _replace_the_dead(self) -> None:
        for place, worker in enumerate(self._running):
            if worker.poll() is None:
                continue
            sys.stderr.write(
                f"A worker of the web server ended ({worker.returncode}); "
                "another one is started.\n"
            )
            time.sleep(RESTART_SECONDS)
            if not self._is_stopping:
                self._running[place] = self._start()

    def _stop(self) -> int:
        for worker in self._running:
            worker.terminate()
        deadline = time.monotonic() + STOP_SECONDS + 2
        for worker in self._running:
            try:
                worker.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        return 0


def work(options: argparse.Namespace) -> None:
    allow_many_files()
    module, _, name = options.application.partition(":")
    config = uvicorn.Config(
        partial(_load, module, name, options.threads),
        factory=True,
        interface="asgi3",
        http=PROTOCOL,
        ws="none",
        lifespan="off",
        loop="asyncio",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        # ``web.address`` evaluates the proxies' headers.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=str(LOGS),
        log_level="error",
    )
    server = uvicorn.Server(config)
    server.run([listening(options.host, options.port, shared=True)])
    # Threads that still run have had their time.
    sys.stderr.flush()
    os._exit(0)


def _load(module: str, name: str, threads: int) -> Any:
    return getattr(importlib.import_module(module), name)(threads=threads)


def listening(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return a socket that is bound, but not listening yet.

    Args:
        shared: Whether others that say the same may bind to the address, too.

    Raises:
        OSError: The address is not available.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def allow_many_files() -> None:
    """Raise the soft limit of open files: each connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
