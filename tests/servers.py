"""PostgreSQL and Redis as a site would run them, each a throw-away server of a test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psycopg
import redis

from dashboard.ops.ports import free_port

from .conftest import missing
from .ops.processes import wait_until

PASSWORD = "only-for-this-test"


class Server(ABC):
    """A server process on the loopback interface, with its files in a folder.

    ``stop`` and ``start`` keep the files; leaving the context removes them.

    Attributes:
        port: Where it listens; the same after a restart.
        folder: Its data and its log.
        process: The running one; None while it is stopped.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="curfew-server-"))
        self.process: subprocess.Popen[bytes] | None = None
        # Servers refuse root; then their programs' own user runs them.
        self._account: dict[str, Any] = {}

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "server.log"

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
                **self._account,
            )

        def ready() -> bool:
            assert self.process
            assert self.process.poll() is None, self.log.read_text()
            return self.answers()

        wait_until(ready)

    def stop(self) -> None:
        """End it in order; clients are thrown out."""
        self._end(self._polite)

    def kill(self) -> None:
        """``kill -9`` all of it."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Have it stand still, connections open."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGCONT)

    _polite = signal.SIGTERM

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be used."""

    @abstractmethod
    def _command(self) -> Sequence[str]: ...

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None


class PostgresServer(Server):
    """A new PostgreSQL cluster with one empty database, ``curfew``.

    Skips the test where PostgreSQL's server programs are not installed.
    """

    _polite = signal.SIGINT  # "fast": does not wait for its clients

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Make the cluster.

        Args:
            settings: For ``postgresql.conf``.
        """
        programs = postgres_programs()
        if programs is None:
            missing("PostgreSQL")
        assert programs
        super().__init__()
        self._programs = programs
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            # Outlives kill -9 all the same; only a power cut would tell.
            "fsync": "off",
            **(settings or {}),
        }
        if os.geteuid() == 0:
            account = pwd.getpwnam(_postgres_user())
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._account = {
                "user": account.pw_uid,
                "group": account.pw_gid,
                "extra_groups": [],
            }
        self._make_cluster()

    @property
    def url(self) -> str:
        """For ``CURFEW_DATABASE_URL``."""
        return self.url_of("curfew")

    def url_of(self, database: str) -> str:
        """Address of one of its databases."""
        return f"postgres://curfew:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, with its database."""
        super().start()
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            found = connection.execute(
                "SELECT FROM pg_database WHERE datname = 'curfew'"
            )
            if found.fetchone() is None:
                connection.execute("CREATE DATABASE curfew")

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def dump(self) -> str:
        """All that the database holds, as SQL."""
        return subprocess.run(
            [self._programs / "pg_dump", "--dbname", self.url],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def _make_cluster(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [
                *(self._programs / "initdb", "--pgdata", self.folder / "data"),
                *("--username", "curfew", "--pwfile", secret),
                *("--auth", "scram-sha-256", "--encoding", "UTF8"),
                *("--locale", "C", "--no-sync"),
            ],
            check=True,
            cwd=self.folder,
            capture_output=True,
            **self._account,
        )

    def _command(self) -> Sequence[str]:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        return [str(self._programs / "postgres"), "-D", "data", *options]


class RedisServer(Server):
    """A system Redis with a password, an append-only file and no eviction.

    Skips the test where Redis is not installed.
    """

    def __init__(self) -> None:
        """Choose its place; nothing is started yet."""
        program = shutil.which("redis-server")
        if program is None:
            missing("Redis")
        assert program
        super().__init__()
        self._program = program

    @property
    def url(self) -> str:
        """For ``CURFEW_REDIS_URL``."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        """Whether it answers a PING."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        """A new client of the broker's database."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def dump(self) -> bytes:
        """All that it holds or ever held: the append-only file."""
        return b"".join(
            path.read_bytes()
            for path in sorted(self.folder.rglob("*.aof"))
            + list(self.folder.glob("*.rdb"))
        )

    def _command(self) -> Sequence[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "requirepass": PASSWORD,
            "appendonly": "yes",
            # Plain commands from the first byte on, so that a test can read the file.
            "aof-use-rdb-preamble": "no",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        flags = [part for key, value in options.items() for part in (f"--{key}", value)]
        return [self._program, *flags]


def postgres_programs() -> Path | None:
    """Where PostgreSQL's server programs are: Debian keeps them off the PATH."""
    for folder in sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: int(path.parent.name),
        reverse=True,
    ):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _postgres_user() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"
