"""A whole Curfew in processes that may be killed, and the hand that kills them.

Two of them: ``embedded`` is what the demo runs on (SQLite, the embedded broker, one
worker), ``production`` what the documents advise (PostgreSQL, Redis, a worker for edits
and one for the rest).
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import httpx
import redis

from dashboard.ops.broker import EmbeddedBroker
from dashboard.ops.child import PROJECT, Child
from dashboard.ops.ports import free_port
from tests.ops.processes import wait_until

from .evidence import Acceptance, Evidence, Stranger, cloud_values
from .person import Person
from .postgres import Postgres

Kind = Literal["embedded", "production"]
SETTLE_SECONDS = 12


class Stack:
    """Real processes, each of which a test may kill, freeze and start again.

    Attributes:
        cloud: The emulator's control plane.
        url: Address of the web server.
        armed: While this file exists, a worker dies between recording and
            acknowledging (``worker_app``).
    """

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.armed = folder / "armed"
        self.broker = EmbeddedBroker(port=free_port(), data_dir=folder / "broker")
        self.postgres: Postgres | None = None
        database = f"sqlite:///{folder / 'database' / 'curfew.sqlite3'}"
        if kind == "production":
            program = shutil.which("redis-server")
            assert program
            self.broker.child.command[0] = program
            self.postgres = Postgres(folder)
            database = self.postgres.url
        secure = folder / "secure.yaml"
        secure.write_text("{}\n")
        self.environment = {
            "CURFEW_SECRET_KEY": "only-for-tests-" * 4,
            "CURFEW_DATABASE_URL": database,
            "CURFEW_REDIS_URL": self.broker.url,
            "CURFEW_REFRESH_SECONDS": "10",
            # High, so that the faults are measured and not the rate limit.
            "CURFEW_UPSTREAM_RATE": "500",
            "CURFEW_WRITES_PER_MINUTE": "0",
            "CURFEW_TEST_SETTLE_SECONDS": str(SETTLE_SECONDS),
            "CURFEW_TEST_ARMED": str(self.armed),
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml"),
            "OS_CLIENT_SECURE_FILE": str(secure),
        }
        cloud_url = f"http://127.0.0.1:{(cloud_port := free_port())}"
        self.cloud = httpx.Client(
            base_url=f"{cloud_url}/_emulator/", trust_env=False, timeout=60
        )
        self.emulator = self._child(
            "emulator",
            *("-m", "dashboard.emulator", "--port", str(cloud_port)),
            # Enough for every test of a session to have instances of its own.
            *("--fleet", "200", "--clouds-file", str(folder / "clouds.yaml")),
        )
        self.url = f"http://127.0.0.1:{(web_port := free_port())}"
        self.web = self._child("web", "manage.py", "run", "--port", str(web_port))
        queues = {"embedded": {"worker": ("edits,refresh,default", 4)}}
        queues["production"] = {
            "worker": ("edits", 4),
            "refresher": ("refresh,default", 2),
        }
        self.workers = [
            self.new_worker(name, names, processes)
            for name, (names, processes) in queues[kind].items()
        ]
        self.worker = self.workers[0]
        self.beat = self.new_beat("beat")
        self.ended: list[tuple[str, int]] = []
        self.accepted: list[Acceptance] = []
        self.strangers: list[Stranger] = []
        self.demoted: dict[str, int] = {}
        self.before: dict[str, dict[str, Any]] = {}
        self._unused: list[dict[str, Any]] = []
        self._agent: subprocess.Popen[str] | None = None
        self._agent_lock = threading.Lock()

    def new_worker(self, name: str, queues: str, processes: int) -> Child:
        """A worker of its own, not started."""
        return self._child(
            name,
            *("-m", "celery", "--app", "tests.faults.worker_app", "worker"),
            *("--queues", queues, "--concurrency", str(processes)),
            *("--without-gossip", "--without-mingle", "--hostname", name),
        )

    def new_beat(self, name: str) -> Child:
        """A beat of its own, not started."""
        return self._child(
            name,
            *("-m", "celery", "--app", "tests.faults.worker_app", "beat"),
            *("--schedule", str(self.folder / f"{name}-schedule"), "--pidfile", ""),
        )

    def _child(self, name: str, *arguments: str) -> Child:
        return Child(
            name=name,
            command=[sys.executable, *arguments],
            log_path=self.folder / f"{name}.log",
            pid_path=self.folder / f"{name}.pid",
            env=self.environment,
        )

    # -- life of the whole ------------------------------------------------------------

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        self.emulator.start()
        self.broker.start()
        if self.postgres:
            self.postgres.start()
        clouds = self.folder / "clouds.yaml"
        wait_until(lambda: clouds.exists() and clouds.stat().st_size > 0)
        self.ask("prepare")
        self.web.start()
        self.beat.start()
        self.start_workers()
        wait_until(self.web_answers)
        self.before = self.values()

    def stop(self) -> None:
        """Stop everything, whatever state it is in."""
        agent, self._agent = self._agent, None
        if agent and agent.stdin and agent.stdout:
            agent.stdin.close()
            agent.wait(timeout=60)
            agent.stdout.close()
        for child in (self.beat, *self.workers, self.web):
            self.kill(child)
        self.emulator.stop()
        self.cloud.close()
        with suppress(ProcessLookupError):
            self.thaw(self.broker.child)
        self.broker.stop()
        if self.postgres:
            self.postgres.remove()

    def children(self) -> Iterable[Child]:
        """All processes, for their logs."""
        database = [self.postgres.child] if self.postgres else []
        return [
            *(self.emulator, self.broker.child, *database),
            *(self.web, *self.workers, self.beat),
        ]

    def mend(self) -> None:
        """Bring everything that a test has left dead back to life; forget faults."""
        self.clear_faults()
        self.armed.unlink(missing_ok=True)
        if self.broker.child.exit_code is not None or not self.broker.child.pid:
            self.broker.start()
        if self.postgres and self.postgres.child.pid is None:
            self.postgres.start()
        self.supervise()
        for child in (self.web, self.beat):
            if child.pid is None:
                child.start()
        self.start_workers()
        wait_until(self.web_answers)

    def settle(self) -> None:
        """Mend, and wait until every edit has ended and no late write can come."""
        self.mend()
        self.wait_until_all_ended(seconds=300)
        wait_until(lambda: self.ask("unsettled") == 0, seconds=300)

    # -- processes --------------------------------------------------------------------

    def kill(self, child: Child) -> None:
        """``kill -9`` a process and all that it has started."""
        if child.pid:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            wait_until(lambda: child.exit_code is not None)
            child.stop()

    def pool_children(self, worker: Child) -> list[int]:
        """The processes of a worker that run its tasks."""
        listed = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def freeze(self, child: Child) -> None:
        """Stop the clock of a process and all that it has started."""
        assert child.pid
        os.killpg(child.pid, signal.SIGSTOP)

    def thaw(self, child: Child) -> None:
        """Let it go on."""
        if child.pid:
            os.killpg(child.pid, signal.SIGCONT)

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

    def _starts(self, worker: Child) -> int:
        """How often a worker has said that it is ready."""
        if not worker.log_path.exists():
            return 0
        return len(
            re.findall(r"\bready\.", worker.log_path.read_text(errors="replace"))
        )

    def web_answers(self) -> bool:
        """Whether the web server answers at all."""
        try:
            return (
                httpx.get(
                    f"{self.url}/healthz", trust_env=False, timeout=20
                ).status_code
                == 200
            )
        except httpx.TransportError:
            return False

    # -- people and the cloud ---------------------------------------------------------

    def sign_in(self, name: str) -> Person:
        """Somebody at a browser."""
        return Person(name, self.url)

    def fault(self, kind: str, **how: Any) -> None:
        """Add a line to the emulator's script."""
        self.cloud.post("faults", json={"kind": kind, **how}).raise_for_status()

    def struck(self) -> int:
        """How many requests the faults of the present script have hit."""
        script = self.cloud.get("faults").json()
        return sum(line["struck"] for line in script)

    def wait_for_strike(self) -> None:
        """Wait until a fault of the present script has hit a request."""
        wait_until(lambda: self.struck() > 0)

    def clear_faults(self) -> None:
        """Let the cloud be well."""
        self.cloud.delete("faults").raise_for_status()

    def log(self, **query: Any) -> list[dict[str, Any]]:
        """What the cloud was asked."""
        found: list[dict[str, Any]] = self.cloud.get("log", params=query).json()
        return found

    def puts(self, instance: str) -> list[dict[str, Any]]:
        """The changes that arrived for an instance."""
        return self.log(route="update", instance_id=instance)

    def in_cloud(self, instance: str) -> dict[str, Any]:
        """An instance's editable values in the cloud."""
        return cloud_values(self.cloud.get(f"instances/{instance}").json())

    # -- the database -----------------------------------------------------------------

    def ask(self, order: str, **arguments: Any) -> Any:
        """Have the agent do something in the stack's database.

        Raises:
            RuntimeError: It could not; the message has the reason.
        """
        with self._agent_lock:
            agent = self._running_agent()
            assert agent.stdin
            assert agent.stdout
            agent.stdin.write(json.dumps([order, arguments]) + "\n")
            agent.stdin.flush()
            line = agent.stdout.readline()
        answer = json.loads(line) if line else {"error": "the agent has ended"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def _running_agent(self) -> subprocess.Popen[str]:
        if self._agent is None:
            with (self.folder / "agent.log").open("a") as log:
                self._agent = subprocess.Popen(
                    [sys.executable, "-m", "tests.faults.agent"],
                    cwd=PROJECT,
                    env=os.environ | self.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        return self._agent

    def edit(self, edit: str) -> dict[str, Any]:
        """How an edit stands."""
        found: dict[str, Any] = self.ask("edits", ids=[edit])[0]
        return found

    def wait_for(self, edit: str, state: str, *, seconds: float = 150) -> None:
        """Wait until an edit has reached a state; fail if it ends in another."""

        def reached() -> bool:
            self.supervise()
            now = self.edit(edit)
            if now["state"] in {"failed", "conflict", "cancelled", "superseded"}:
                assert now["state"] == state, now
            return bool(now["state"] == state)

        wait_until(reached, seconds=seconds)

    def wait_until_all_ended(self, *, seconds: float = 150) -> None:
        """Wait until no edit is under way."""

        def ended() -> bool:
            self.supervise()
            return bool(self.ask("open_edits") == 0)

        wait_until(ended, seconds=seconds)

    def wait_for_put(
        self, instance: str, holds: Callable[[dict[str, Any]], bool] = bool
    ) -> dict[str, Any]:
        """Wait until a change of this instance has arrived; return its log entry."""
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            found[:] = [entry for entry in self.puts(instance) if holds(entry)]
            return bool(found)

        wait_until(arrived)
        return found[0]

    def values(self) -> dict[str, dict[str, Any]]:
        """Every instance's editable values in the cloud."""
        listed = self.cloud.get("instances").json()
        return {one["id"]: cloud_values(one) for one in listed}

    def take_instance(self, *, owner: str = "") -> str:
        """The id of an instance that no other test has used, and that can be edited.

        Args:
            owner: Whose it is in the cloud, if that matters.
        """
        if not self._unused:
            assert not self.accepted, "the fleet is used up"
            self._unused = [
                one
                for one in self.ask("instances")
                if one["status"] in {"RUNNING", "STOPPED"}
            ]
        theirs = [one for one in self._unused if owner in {"", one["owner_name"]}]
        assert theirs, "the fleet is used up"
        self._unused.remove(theirs[-1])
        found: str = theirs[-1]["instance_id"]
        return found

    def strange_change(self, instance: str, description: str) -> None:
        """Change an instance as somebody at the cloud's console would."""
        values = {"description": description}
        self.cloud.post(f"instances/{instance}", json=values).raise_for_status()
        self.strangers.append(Stranger(instance, values, int(time.time() * 1000)))

    def evidence(self) -> Evidence:
        """What all witnesses say now, of all that happened here."""
        return Evidence(
            **self.ask("collect"),
            log=self.log(),
            before=self.before,
            after=self.values(),
            accepted=self.accepted,
            strangers=self.strangers,
            demoted=self.demoted,
        )
