"""The web server: worker processes of uvicorn on one port, replaced when they die.

    python -m dashboard.ops.server --port 8000 --workers 2 --threads 8

Each worker has its own listening socket (``SO_REUSEPORT``), so that the kernel spreads
new connections. With one shared socket, the first worker to wake would accept all that
wait.
"""

import argparse
import importlib
import os
import resource
import select
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
"""Log configuration of uvicorn: JSON lines like ours."""

PROTOCOL = "dashboard.web.protocol:BoundedProtocol"

KEEP_ALIVE_SECONDS = 130
"""Longer than proxies keep idle connections (Caddy: 2 minutes).

Otherwise one could send a request into a connection that is closing.
"""

BACKLOG = 2_048
MAX_FILES = 65_536
STOP_SECONDS = 10
"""For the requests in progress when the server is asked to stop."""

RESTART_SECONDS = 1
READY_SECONDS = 30
"""How long a reload waits for a new worker before it stops the old one."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="dashboard.ops.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--application", default=APPLICATION, help=argparse.SUPPRESS)
    parser.add_argument("--is-worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ready", type=int, help=argparse.SUPPRESS)
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
        self._is_reloading = False

    def run(self) -> int:
        """Keep the workers running until SIGTERM or SIGINT.

        Returns:
            The exit status: 1 when the port is taken.
        """
        try:
            # Workers share the port with each other, but not with another server.
            listening(self._options.host, self._options.port, shared=False).close()
        except OSError as error:
            sys.stderr.write(
                f"Cannot listen on {self._options.host}, port {self._options.port}: "
                f"{error.strerror or error}\n"
            )
            return 1
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGHUP, self._ask_to_reload)
        self._running = [self._start() for _ in range(self._options.workers)]
        while not self._is_stopping:
            self._replace_the_dead()
            if self._is_reloading:
                self._is_reloading = False
                self._reload()
            time.sleep(0.1)
        return self._stop()

    def _start(self, *, ready: int | None = None) -> subprocess.Popen[bytes]:
        if ready is None:
            return subprocess.Popen(self._command)  # noqa: S603 (our own command)
        command = [*self._command, "--ready", str(ready)]
        return subprocess.Popen(command, pass_fds=[ready])  # noqa: S603

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True

    def _ask_to_reload(self, number: int, frame: FrameType | None) -> None:
        self._is_reloading = True

    def _reload(self) -> None:
        """Replace the workers by new ones, which read the settings again.

        An old one stops once the new one accepts connections, so the site has no pause.
        """
        for place, old in enumerate(self._running):
            reading, writing = os.pipe()
            self._running[place] = self._start(ready=writing)
            os.close(writing)
            # It is closed when the worker is ready, or has failed.
            select.select([reading], [], [], READY_SECONDS)
            os.close(reading)
            self._end([old])

    def _replace_the_dead(self) -> None:
        for place, worker in enumerate(self._running):
            if worker.poll() is None:
                continue
            sys.stderr.write(
                f"A worker of the web server ended ({worker.returncode}); restarting.\n"
            )
            time.sleep(RESTART_SECONDS)
            if not self._is_stopping:
                self._running[place] = self._start()

    def _stop(self) -> int:
        self._end(self._running)
        return 0

    def _end(self, workers: Sequence[subprocess.Popen[bytes]]) -> None:
        for worker in workers:
            worker.terminate()
        deadline = time.monotonic() + STOP_SECONDS + 2
        for worker in workers:
            try:
                worker.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


class Server(uvicorn.Server):
    """Says on a pipe that it accepts connections."""

    def __init__(self, config: uvicorn.Config, *, ready: int | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None:
            os.close(self._ready)


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
    server = Server(config, ready=options.ready)
    server.run([listening(options.host, options.port, shared=True)])
    # Do not wait for threads that are still running after the grace period.
    sys.stderr.flush()
    os._exit(0)


def _load(module: str, name: str, threads: int) -> Any:
    return getattr(importlib.import_module(module), name)(threads=threads)


def listening(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return a socket that is bound, but not listening yet.

    Args:
        shared: Whether other sockets with this option may bind to the same address.

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
    most = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
