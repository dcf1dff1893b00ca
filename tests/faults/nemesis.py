"""What kills, freezes and restarts the processes of a stack, at random."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from dashboard.ops.managed_process import ManagedProcess
from tests.ops.processes import wait_until

from .stack import Stack


class Nemesis:
    """Strikes every two to four seconds, and brings back what it killed.

    Runs in the main thread alone, since our processes die with the thread that started
    them.

    Attributes:
        killed_ms: When the worker that delivers edits was killed.
    """

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        self.stack = stack
        self.chance = chance
        self.strikes: Counter[str] = Counter()
        self.killed_ms: list[float] = []
        self.blows: list[Callable[[], None]] = [
            self.kill_worker,
            self.kill_worker,
            self.kill_pool_child,
            self.terminate_worker,
            self.kill_broker,
            self.empty_broker,
            self.freeze_broker,
            self.kill_beat,
        ]
        if stack.postgres:
            self.blows.append(self.crash_database)

    def strike_until(self, over: Callable[[], bool]) -> None:
        """Strike, until it is over."""
        while not over():
            pause = time.monotonic() + self.chance.uniform(2, 4)
            while not over() and time.monotonic() < pause:
                self.stack.supervise()
                time.sleep(0.1)
            if not over():
                blow = self.chance.choice(self.blows)
                self.strikes[blow.__name__.replace("_", " ")] += 1
                blow()

    def report(self) -> str:
        """What was done."""
        done = ", ".join(f"{what} {count}x" for what, count in self.strikes.items())
        return f"{self.strikes.total()} blows ({done})"

    def kill_worker(self) -> None:
        """``kill -9``, all of it."""
        worker = self._worker()
        if worker is self.stack.worker:
            self.killed_ms.append(time.time() * 1000)
        self.stack.kill(worker)
        worker.start()

    def kill_pool_child(self) -> None:
        """What the kernel does when memory is short."""
        for pid in self.stack.pool_children(self._worker())[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def terminate_worker(self) -> None:
        """A deployment: SIGTERM, ten seconds of grace, start."""
        worker = self._worker()
        worker.ask_to_stop()
        with suppress(AssertionError):
            wait_until(lambda: worker.exit_code is not None, seconds=10)
        self.stack.kill(worker)
        worker.start()

    def kill_broker(self) -> None:
        """``kill -9``; back with what its append-only file holds."""
        self.stack.kill_broker()
        self.stack.broker.start()

    def empty_broker(self) -> None:
        """``kill -9``; back with nothing."""
        self.stack.kill_broker(empty=True)
        self.stack.broker.start()

    def freeze_broker(self) -> None:
        """Two seconds without an answer, connections open."""
        self.stack.freeze(self.stack.broker.child)
        thaw = time.monotonic() + 2
        wait_until(lambda: time.monotonic() > thaw)
        self.stack.thaw(self.stack.broker.child)

    def kill_beat(self) -> None:
        """No sweeps, until it is back."""
        self.stack.kill(self.stack.beat)
        self.stack.beat.start()

    def crash_database(self) -> None:
        """Every connection gone, then recovery from the log."""
        assert self.stack.postgres
        self.stack.postgres.crash()
        self.stack.postgres.start()

    def _worker(self) -> ManagedProcess:
        return self.chance.choice(self.stack.workers)
