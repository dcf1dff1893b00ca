"""A whole Curfew in processes that may be killed.

Two of them: ``embedded`` has the processes and the environment of ``serve`` (SQLite,
the embedded broker, one worker), ``production`` what the documents advise (PostgreSQL,
Redis, a worker for edits and one for the rest).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.agents import Agent
from tests.ops.processes import wait_until

from .evidence import RENEW, Acceptance, Evidence, Stranger, cloud_values
from .person import Person
from .processes import Kind, Processes


class Stack(Processes):
    """Its life, its people, its cloud and its database.

    Attributes:
        ask: Has something done in its database (``agent``).
        accepted: The edits that people were told are accepted.
        before: The editable values of all instances in the cloud at the start.
        figures: What a test has measured; shown at the end of all tests.
    """

    def __init__(self, kind: Kind, folder: Path) -> None:
        super().__init__(kind, folder)
        self.accepted: list[Acceptance] = []
        self.strangers: list[Stranger] = []
        self.figures: list[str] = []
        self.demoted: dict[str, int] = {}
        self.before: dict[str, dict[str, Any]] = {}
        self._unused: list[dict[str, Any]] = []
        self._used_notebooks: set[str] = set()
        self._agent = Agent(
            "tests.faults.agent", self.environment, folder / "agent.log"
        )
        self.ask = self._agent.ask

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
        self._agent.close()
        for child in (self.beat, *self.workers, self.web):
            self.kill(child)
        self.emulator.stop()
        self.cloud.close()
        with suppress(ProcessLookupError):
            self.thaw(self.broker.child)
        self.broker.stop()
        if self.postgres:
            self.postgres.remove()

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
        wait_until(lambda: self.ask("mirror_is_whole"))

    def finish(self) -> None:
        """Mend, and wait until every edit has ended and no late write can come."""
        self.mend()
        self.wait_until_all_ended(seconds=300)
        wait_until(lambda: self.ask("watched_queues") == 0, seconds=300)

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
        listed += self.cloud.get("notebooks").json()
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
                and one["generation"] == "demanager"
            ]
        theirs = [one for one in self._unused if owner in {"", one["owner_name"]}]
        assert theirs, "the fleet is used up"
        self._unused.remove(theirs[-1])
        found: str = theirs[-1]["instance_id"]
        return found

    def take_notebook(self) -> str:
        """The id of a notebook that no other test has used, and that runs for long."""
        soon_ms = int(time.time() * 1000) + 1_800_000
        for one in self.ask("instances"):
            is_timed = one["status"] == "RUNNING" and one["lease_type"] == "timing"
            is_new = one["instance_id"] not in self._used_notebooks
            if is_timed and is_new and (one["stop_timestamp_ms"] or 0) > soon_ms:
                self._used_notebooks.add(one["instance_id"])
                found: str = one["instance_id"]
                return found
        raise AssertionError("the notebooks are used up")

    def renewals(self, notebook: str) -> list[dict[str, Any]]:
        """The renewals that arrived for a notebook, late effects aside."""
        entries = self.log(route=RENEW, instance_id=notebook)
        return [entry for entry in entries if entry["late_for"] is None]

    def strange_change(self, instance: str, description: str) -> None:
        """Change an instance as somebody at the cloud's console would."""
        values = {"description": description}
        self.cloud.post(f"instances/{instance}", json=values).raise_for_status()
        self.strangers.append(Stranger(instance, values, int(time.time() * 1000)))

    def force(self, instance: str, **state: Any) -> None:
        """Put an instance in the cloud into any state, past all rules."""
        self.cloud.post(f"instances/{instance}", json=state).raise_for_status()

    def tag(self, notebook: str, **tags: str) -> None:
        """Give a notebook other tags in the cloud."""
        path = f"notebooks/{notebook}"
        self.cloud.post(path, json={"tags": tags}).raise_for_status()

    @contextmanager
    def recovery(self, row: str) -> Iterator[None]:
        """Enter it at the last blow, and leave it when all is as it should be."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.figures.append(f"{row} recovered in {took:.1f} s")

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
