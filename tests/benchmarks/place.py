"""The processes that are measured, on the loopback interface, stopped at the end."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from dashboard.ops.broker import EmbeddedBroker
from dashboard.ops.managed_process import PROJECT, ManagedProcess
from dashboard.ops.ports import free_port
from tests.agents import Agent
from tests.ops.processes import wait_until
from tests.servers import PostgresServer


class Place:
    """A fleet of some size, mirrored, and a web server in front of it.

    Args:
        fleet: Number of instances.
        notebooks: Percent of them that are notebooks, of the newer generation.
        postgres: PostgreSQL instead of SQLite.
        rate: Requests a second to each cloud.
        clouds: Number of clouds, which share the instances evenly.
        is_read: Whether the fleet is in the database; if not, the workers read it.
        settings: Environment variables of all processes.

    Attributes:
        port: The web server's.
        cloud_url: The emulator's; of several clouds, that of the first.
        web: The web server.
        pids: Of each part that was started, its processes.
    """

    def __init__(
        self,
        fleet: int,
        *,
        notebooks: int = 50,
        postgres: bool = False,
        rate: float = 1_000,
        clouds: int = 1,
        is_read: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._stack = ExitStack()
        self._notebooks = notebooks
        self._fleet, self._postgres, self._rate = fleet, postgres, rate
        self._clouds, self._is_read, self._settings = clouds, is_read, settings or {}
        self.pids: dict[str, list[int]] = {}
        self.port, cloud_port = free_port(), free_port()
        self.cloud_url = f"http://127.0.0.1:{cloud_port}"
        self._cloud_port = cloud_port
        self.sessions: list[str] = []

    def __enter__(self) -> Self:
        """Start all, read the fleet, sign somebody in."""
        try:
            self._start()
        except BaseException as error:
            for log in sorted(self.folder.glob("*.log")):
                error.add_note(f"{log.name}: …{log.read_text()[-2_000:]}")
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all."""
        self._stack.close()

    def _start(self) -> None:
        enter = self._stack.enter_context
        self.folder = Path(enter(tempfile.TemporaryDirectory(prefix="curfew-bench-")))
        database = f"sqlite:///{self.folder / 'curfew.sqlite3'}"
        if self._postgres:
            server = enter(PostgresServer(is_migrated=True))
            assert server.child.pid
            database, self.pids["PostgreSQL"] = server.url, [server.child.pid]
        broker = enter(EmbeddedBroker(port=free_port(), data_dir=self.folder / "redis"))
        clouds = self.folder / "clouds.yaml"
        (self.folder / "secure.yaml").write_text("{}\n")
        self.environment = {
            "CURFEW_SECRET_KEY": "only-for-benchmarks-" * 3,
            "CURFEW_DATABASE_URL": database,
            "CURFEW_REDIS_URL": broker.url,
            "CURFEW_UPSTREAM_RATE": str(self._rate),
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "OS_CLIENT_CONFIG_FILE": str(clouds),
            "OS_CLIENT_SECURE_FILE": str(self.folder / "secure.yaml"),
            "PYTHONWARNINGS": "ignore",
            **self._settings,
        }
        files = [self._start_cloud(number) for number in range(self._clouds)]
        wait_until(lambda: all(file.exists() and file.stat().st_size for file in files))
        configured = [yaml.safe_load(file.read_text())["clouds"] for file in files]
        merged = {name: cloud for some in configured for name, cloud in some.items()}
        clouds.write_text(yaml.safe_dump({"clouds": merged}, sort_keys=False))
        agent = Agent(
            "tests.benchmarks.agent", self.environment, self.folder / "agent.log"
        )
        self._stack.callback(agent.close)
        self.ask = agent.ask
        self.cloud = enter(httpx.Client(base_url=self.cloud_url, trust_env=False))
        self.sessions = self.ask("prepare", is_read=self._is_read)["sessions"]
        self.web = self.child(
            "web",
            *("-m", "dashboard.ops.server", "--port", str(self.port)),
            *("--application", "tests.benchmarks.application:make_application"),
        )
        wait_until(self._answers)

    def _start_cloud(self, number: int) -> Path:
        """Start an emulator; return the file that it writes its address to."""
        name = f"cloud-{number + 1:02}" if number else "demo"
        file = self.folder / f"{name}.yaml"
        self.child(
            f"emulator {name}",
            *("-m", "dashboard.emulator", "--name", name),
            *("--port", str(free_port() if number else self._cloud_port)),
            *("--fleet", str(self._fleet // self._clouds)),
            *("--notebooks", str(self._notebooks), "--seed", str(number + 1)),
            *("--serves", "both" if self._notebooks else "demanager"),
            *("--clouds-file", str(file)),
        )
        return file

    def child(self, name: str, *arguments: str) -> ManagedProcess:
        """Start a process with the place's settings; stopped with the place."""
        child = ManagedProcess(
            name=name,
            command=[sys.executable, *arguments],
            log_path=self.folder / f"{name}.log",
            pid_path=self.folder / f"{name}.pid",
            env=self.environment,
        )
        child.start()
        self._stack.callback(child.stop)
        assert child.pid
        self.pids.setdefault(name.split()[0], []).append(child.pid)
        return child

    def start_workers(
        self,
        *,
        processes: int = 4,
        queues: Sequence[str] = ("edits,refresh,default",),
    ) -> None:
        """Deliver and sweep from now on.

        Args:
            processes: Of each worker.
            queues: Of each worker, those that it serves.
        """
        app = ("-m", "celery", "--app", "dashboard")
        logs = []
        for served in queues:
            name = f"worker-{served.replace(',', '-')}"
            logs.append(
                self.child(
                    name,
                    *(*app, "worker", "--queues", served, "--hostname", f"{name}@%h"),
                    *("--concurrency", str(processes)),
                    *("--without-gossip", "--without-mingle"),
                ).log_path
            )
        schedule = str(self.folder / "schedule")
        self.child("beat", *app, "beat", "--schedule", schedule, "--pidfile", "")
        wait_until(lambda: all("ready." in log.read_text() for log in logs))

    def headers(self, number: int = 0, **more: str) -> dict[str, str]:
        """Of somebody who is signed in."""
        return {"Cookie": f"sessionid={self.sessions[number]}", **more}

    def _answers(self) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/_bare", trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def log(self, route: str, after: int = 0) -> list[dict[str, Any]]:
        """What the cloud was asked."""
        query = {"route": route, "after": str(after)}
        found: list[dict[str, Any]] = self.cloud.get(
            "/_emulator/log", params=query
        ).json()
        return found


def measure_on(database: str, module: str, numbers: list[int]) -> dict[str, Any]:
    """Return what a module prints as JSON when it is run with a new database.

    Args:
        database: ``SQLite`` or ``PostgreSQL``.
        module: Its name.
        numbers: Its arguments.
    """
    with ExitStack() as stack:
        if database == "SQLite":
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="curfew-bench-")
            )
            url = f"sqlite:///{folder}/curfew.sqlite3"
        else:
            url = stack.enter_context(PostgresServer(is_migrated=True)).url
        environment = {
            "CURFEW_SECRET_KEY": "only-for-benchmarks-" * 3,
            "CURFEW_DATABASE_URL": url,
            "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
        }
        ended = subprocess.run(
            [sys.executable, "-m", module, *map(str, numbers)],
            cwd=PROJECT,
            env=os.environ | environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def timed(begun: float) -> float:
    """Seconds since."""
    return time.perf_counter() - begun
