"""PostgreSQL and Redis as a site would run them, each a throw-away server of a test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg
import redis

from dashboard.ops.managed_process import ManagedProcess
from dashboard.ops.ports import free_port

from . import migrated
from .ops.processes import wait_until
from .programs import missing

PASSWORD = "only-for-this-test"


class Server(ABC):
    """A server on the loopback interface, with its files in a folder.

    ``stop`` and ``start`` keep the files; leaving the context removes them.

    Attributes:
        port: Where it listens; the same after a restart.
        folder: Its data and its log.
        child: The process.
    """

    def __init__(self) -> None:
        self.port = free_port()
        # Not pytest's, whose folders the server's own user cannot enter.
        self.folder = Path(tempfile.mkdtemp(prefix="curfew-server-"))
        self.child = ManagedProcess(
            name=type(self).__name__,
            command=[],
            log_path=self.folder / "server.log",
            pid_path=self.folder / "server.pid",
        )

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its files."""
        self.remove()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.child.start()

        def ready() -> bool:
            assert self.child.exit_code is None, "\n".join(self.child.last_lines())
            return self.answers()

        wait_until(ready)

    def stop(self) -> None:
        """End it in order; clients are thrown out."""
        self._end(self._polite)

    def remove(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """``kill -9`` all of it."""
        self._signal_all(signal.SIGKILL)
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Have it stand still, connections open."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal_all(signal.SIGCONT)

    _polite = signal.SIGTERM

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be used."""

    def _signal_all(self, number: signal.Signals) -> None:
        """Each of its processes: PostgreSQL's have sessions of their own."""
        server = self.child.pid
        assert server
        _signal(server, signal.SIGSTOP)  # now it starts no more of them
        started = Path(f"/proc/{server}/task/{server}/children").read_text()
        for pid in [*map(int, started.split()), server]:
            _signal(pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self.child.pid is None:
            return
        _signal(self.child.pid, number)
        with suppress(AssertionError):
            wait_until(lambda: self.child.exit_code is not None, seconds=20)
        self.child.stop()


class PostgresServer(Server):
    """A new PostgreSQL cluster with one empty database, ``curfew``.

    Skips the test where PostgreSQL's server programs are not installed.
    """

    _polite = signal.SIGINT  # "fast": does not wait for its clients

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        superuser: str = "curfew",
        is_migrated: bool = False,
    ) -> None:
        """Make the cluster.

        Args:
            settings: For ``postgresql.conf``.
            superuser: Its first role. By another name than ``curfew`` the database is
                left to be made.
            is_migrated: Whether the database has all tables, see ``migrated``.
        """
        self._superuser = superuser
        self._programs = _postgres_programs()
        super().__init__()
        self._as_server: list[str] = []
        if os.geteuid() == 0:  # it refuses to run as root
            account = _postgres_user()
            shutil.chown(self.folder, account, account)
            self._as_server = ["setpriv", f"--reuid={account}", f"--regid={account}"]
            # Changing the user takes the tether to our own process away.
            self._as_server += ["--clear-groups", "--pdeathsig=QUIT"]
        if is_migrated:
            version = self._programs.parent.name
            template = migrated.kept(f"postgresql-{version}", _make_migrated)
            _copy(template, self.folder / "data")
        else:
            self._make_cluster()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            # Outlives kill -9 all the same; only a power cut would tell.
            "fsync": "off",
            **(settings or {}),
        }
        self.child.command = self._program(
            "postgres",
            *("-D", str(self.folder / "data")),
            *(f"--{name}={value}" for name, value in options.items()),
        )

    @property
    def url(self) -> str:
        """For ``CURFEW_DATABASE_URL``."""
        return self.url_of("curfew")

    def url_of(self, database: str) -> str:
        """Address of one of its databases."""
        return (
            f"postgres://{self._superuser}:{PASSWORD}@127.0.0.1:{self.port}/{database}"
        )

    def start(self) -> None:
        """Start it, with its database."""
        super().start()
        if self._superuser != "curfew":
            return
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

    def crash(self) -> None:
        """End every process of it at once, as "immediate" shutdown does."""
        self._end(signal.SIGQUIT)

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
            self._program(
                "initdb",
                *("--pgdata", str(self.folder / "data"), "--no-sync"),
                *("--username", self._superuser, "--pwfile", str(secret)),
                *("--auth", "scram-sha-256", "--encoding", "UTF8"),
                # Small, since clusters are copied.
                *("--wal-segsize", "1"),
                *("--locale", "C.UTF-8"),
            ),
            check=True,
            cwd=self.folder,
            capture_output=True,
        )

    def _program(self, name: str, *arguments: str) -> list[str]:
        return [*self._as_server, str(self._programs / name), *arguments]


def _make_migrated(path: Path) -> None:
    with PostgresServer() as server:
        migrated.run_migrations(server.url)
        server.stop()
        _copy(server.folder / "data", path)


def _copy(cluster: Path, to: Path) -> None:
    """Copy the files of a cluster that does not run, with their owner."""
    subprocess.run(["cp", "--archive", cluster, to], check=True)


class RedisServer(Server):
    """A system Redis with a password, an append-only file and no eviction.

    Skips the test where Redis is not installed.
    """

    def __init__(self) -> None:
        """Choose its place; nothing is started yet."""
        program = redis_program()
        super().__init__()
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
        self.child.command = [program, *flags]

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


def redis_program() -> str:
    """Where Redis is; skips the test where it is not."""
    program = shutil.which("redis-server")
    if program is None:
        missing("Redis")
    return program


def _postgres_programs() -> Path:
    """Where PostgreSQL's server programs are: Debian keeps them off the PATH."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda folder: int(folder.parent.name),
    )
    for folder in reversed(folders):
        if (folder / "initdb").exists():
            return folder
    on_path = shutil.which("initdb")
    if on_path is None:
        missing("PostgreSQL")
    return Path(on_path).resolve().parent


def _postgres_user() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
