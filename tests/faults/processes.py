"""The processes of a stack, and the hand that kills, freezes and starts them."""

import argparse
import os
import re
import resource
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import httpx
import redis

from dashboard.ops.data_directory import DataDirectory
from dashboard.ops.managed_process import ManagedProcess
from dashboard.ops.ports import LOOPBACK, free_port
from dashboard.ops.serve import embedded_parts
from dashboard.ops.stack import Stack as ServeStack
from dashboard.ops.supervisor import Supervisor
from tests.ops.processes import answers, wait_until
from tests.servers import PostgresServer, redis_program

Kind = Literal["embedded", "production"]
WATCH_SECONDS = 12
APP = "tests.faults.worker_app"


class Processes:
    """Real processes, each of which a test may kill, freeze and start again.

    Attributes:
        cloud: The emulator's control plane.
        url: Address of the web server.
        armed: While this file exists, a worker dies at the line that it names
            (``worker_app``).
        worker: The one that delivers edits.
        refresher: The one that reads the cloud; the same where there is one only.
        ended: Name and exit code of those that have ended by themselves.
    """

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.armed = folder / "armed"
        files = DataDirectory(folder)
        files.create()
        options = argparse.Namespace(host=LOOPBACK, port=free_port(), workers=1)
        # The environment of ``serve``, in which production replaces the database.
        key = {"CURFEW_SECRET_KEY": "only-for-tests-" * 4}
        parts = key | embedded_parts(files, options, given=key)
        self.postgres: PostgresServer | None = None
        if kind == "production":
            self.postgres = PostgresServer({"max_connections": "60"}, is_migrated=True)
            parts["CURFEW_DATABASE_URL"] = self.postgres.url
        secure = folder / "secure.yaml"
        secure.write_text("{}\n")
        self.environment = parts | {
            "CURFEW_REFRESH_SECONDS": "10",
            # High, so that the faults are measured and not the rate limit.
            "CURFEW_UPSTREAM_RATE": "500",
            "CURFEW_WRITES_PER_MINUTE": "0",
            "CURFEW_TEST_WATCH_SECONDS": str(WATCH_SECONDS),
            "CURFEW_TEST_ARMED": str(self.armed),
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml"),
            "OS_CLIENT_SECURE_FILE": str(secure),
        }
        embedded = ServeStack(
            files=files,
            # Each test decides when what it has killed starts again.
            supervisor=Supervisor(say=print, stop_asked=lambda: False),
            options=options,
            broker_url=parts["CURFEW_REDIS_URL"],
            environment=self.environment,
            celery_app=APP,
        )
        assert embedded.broker
        self.broker = embedded.broker
        if kind == "production":
            self.broker.child.command[0] = redis_program()
        cloud_url = f"http://127.0.0.1:{(cloud_port := free_port())}"
        self.cloud = httpx.Client(
            base_url=f"{cloud_url}/_emulator/", trust_env=False, timeout=60
        )
        self.emulator = self._child(
            "emulator",
            *("-m", "dashboard.emulator", "--port", str(cloud_port)),
            # Enough for every test of a session to have instances of its own.
            *(
                "--fleet",
                "240",
                # Percent of these.
                "--notebooks",
                "17",
                "--clouds-file",
                str(folder / "clouds.yaml"),
            ),
        )
        self.url = embedded.address.rstrip("/")
        self.web, self.beat = embedded.web, embedded.beat
        self.workers = [embedded.worker]
        if kind == "production":
            self.workers = [
                self.new_worker("worker", "edits", 4),
                self.new_worker("refresher", "refresh,default", 2),
            ]
        self.worker, self.refresher = self.workers[0], self.workers[-1]
        self.ended: list[tuple[str, int]] = []

    def new_worker(self, name: str, queues: str, processes: int) -> ManagedProcess:
        """A worker of its own, not started."""
        return self._child(
            name,
            *("-m", "celery", "--app", APP, "worker"),
            *("--queues", queues, "--concurrency", str(processes)),
            *("--without-gossip", "--without-mingle", "--hostname", name),
        )

    def new_beat(self, name: str) -> ManagedProcess:
        """A beat of its own, not started."""
        return self._child(
            name,
            *("-m", "celery", "--app", APP, "beat"),
            *("--pidfile", ""),
        )

    def _child(self, name: str, *arguments: str) -> ManagedProcess:
        return ManagedProcess(
            name=name,
            command=[sys.executable, *arguments],
            log_path=self.folder / f"{name}.log",
            pid_path=self.folder / f"{name}.pid",
            env=self.environment,
        )

    def children(self) -> Iterable[ManagedProcess]:
        """All processes, for their logs."""
        database = [self.postgres.child] if self.postgres else []
        return [
            *(self.emulator, self.broker.child, *database),
            *(self.web, *self.workers, self.beat),
        ]

    def kill(self, child: ManagedProcess) -> None:
        """``kill -9`` a process and all that it has started."""
        if child.pid:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            wait_until(lambda: child.exit_code is not None)
            child.stop()

    def pool_children(self, worker: ManagedProcess) -> list[int]:
        """The processes that a process has started: a worker's run its tasks."""
        listed = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def freeze(self, child: ManagedProcess) -> None:
        """Stop the clock of a process and all that it has started."""
        assert child.pid
        os.killpg(child.pid, signal.SIGSTOP)

    def thaw(self, child: ManagedProcess) -> None:
        """Let it go on."""
        if child.pid:
            os.killpg(child.pid, signal.SIGCONT)

    def fill_disk(self) -> None:
        """Let no process of ours write to any file, its log included."""
        self._limit_files(0)

    def free_disk(self) -> None:
        """Let all write again."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size: int) -> None:
        # Past it a write is refused (EFBIG), as it is on a full disk (ENOSPC).
        limits = size, resource.RLIM_INFINITY
        for child in (self.web, self.beat, *self.workers):
            assert child.pid
            for pid in (child.pid, *self.pool_children(child)):
                with suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)

    def supervise(self) -> None:
        """Start again what has ended by itself, as the supervisor in production."""
        for child in (self.web, self.beat, *self.workers):
            if child.exit_code is not None:
                self.ended.append((child.name, child.exit_code))
                child.stop()
                child.start()

    def kill_broker(self, *, empty: bool = False) -> None:
        """``kill -9`` the broker; ``empty`` takes its append-only file away, too."""
        self.kill(self.broker.child)
        if empty:
            for path in self.broker.data_dir.glob("appendonlydir/*"):
                path.unlink()

    def set_broker(self, **options: str) -> None:
        """Change options of the running broker."""
        with redis.Redis.from_url(self.broker.url) as client:
            for name, value in options.items():
                client.config_set(name, value)

    def start_workers(self) -> None:
        """Start those that do not run, and wait until they take tasks."""
        dead = [one for one in self.workers if one.pid is None]
        before = {one.name: self._starts(one) for one in dead}
        for worker in dead:
            worker.start()

        def ready() -> bool:
            for worker in dead:
                assert worker.exit_code is None, "\n".join(worker.last_lines())
            return all(self._starts(worker) > before[worker.name] for worker in dead)

        wait_until(ready)

    def _starts(self, worker: ManagedProcess) -> int:
        """How often a worker has said that it is ready."""
        if not worker.log_path.exists():
            return 0
        return len(
            re.findall(r"\bready\.", worker.log_path.read_text(errors="replace"))
        )

    def web_answers(self) -> bool:
        """Whether the web server answers at all."""
        return answers(f"{self.url}/healthz")
