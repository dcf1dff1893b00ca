"""Everything at once, at random, for a while; then the checker.

``CURFEW_CHAOS_EDITS`` (120) says how many edits, ``CURFEW_CHAOS_SEED`` repeats a run as
far as processes can be repeated.
"""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from .checker import violations
from .evidence import RENEW, Evidence
from .figures import figures
from .nemesis import Nemesis
from .person import Person, SaveError
from .stack import Stack

EDITS = int(os.environ.get("CURFEW_CHAOS_EDITS", "120"))
SEED = int(os.environ.get("CURFEW_CHAOS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 (no secret)
INSTANCES, NOTEBOOKS = 20, 6
SUBMITTERS = ("oskar", "olga", "ada")
#: What befalls about three of ten requests.
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503, "retry_after": "1"},
    {"kind": "status", "status": 429, "retry_after": "1"},
    {"kind": "status", "status": 502, "applied": True},
    {"kind": "status", "status": 504, "applied": True},
    {"kind": "drop"},
    {"kind": "drop", "applied": True},
    {"kind": "reset", "applied": True},
    {"kind": "hang", "applied": True},
    {"kind": "delay", "latency_seconds": 2.5},
    {"kind": "truncate"},
    {"kind": "wrong_types"},
    {"kind": "empty", "applied": True},
    {"kind": "late", "seconds": 4, "method": "PUT"},
    {"kind": "late", "seconds": 2, "method": "PUT", "hang": True},
    {"kind": "late", "seconds": 4, "route": RENEW},
]


class Submitter:
    """One person who changes random instances, and how long that took each time."""

    def __init__(
        self, person: Person, instances: list[str], notebooks: list[str], seed: str
    ) -> None:
        self.person = person
        self.instances = instances
        self.notebooks = notebooks
        self.random = random.Random(seed)  # noqa: S311 (no secret)
        self.seconds: list[float] = []
        self.unsure = 0

    def submit(self, stack: Stack, number: int) -> None:
        """Save one form, again and again until some answer says that it is accepted."""
        if self.random.random() < 0.25:
            self.extend(stack, number)
            return
        instance = self.random.choice(self.instances)
        change: dict[str, Any] = {"description": f"chaos {number}"}
        hours = self.random.randint(2, 23) if self.random.random() < 0.4 else None
        form = None
        while True:
            try:
                form = form or self.person.open(instance)
                if hours and form.hours not in {"", str(hours)}:
                    change = {"hours": hours}
                began = time.monotonic()
                stack.accepted.append(form.save(**change))
                self.seconds.append(time.monotonic() - began)
            except SaveError as error:
                if error.status == 422 and "another change came first" in error.text:
                    form = None
                    continue
                if error.status < 500:
                    raise
            except httpx.TransportError:
                self.unsure += 1
            else:
                break
            time.sleep(0.1)
        time.sleep(self.random.uniform(0, 0.6))

    def extend(self, stack: Stack, number: int) -> None:
        """Ask for an end, a little later with each number, until that is accepted."""
        notebook = self.random.choice(self.notebooks)
        this_minute = datetime.now(UTC).replace(second=0, microsecond=0)
        until = this_minute + timedelta(hours=20, minutes=number * 3 % 2_900)
        form = None
        while True:
            try:
                form = form or self.person.extension(notebook)
                began = time.monotonic()
                stack.accepted.append(form.extend(until))
                self.seconds.append(time.monotonic() - began)
            except SaveError as error:
                if error.status == 409 and "in the meantime" in error.text:
                    form = None
                    continue
                if error.status == 422 and "already lasts longer" in error.text:
                    return
                if error.status < 500:
                    raise
            except httpx.TransportError:
                self.unsure += 1
            else:
                break
            time.sleep(0.1)


@pytest.mark.stack
@pytest.mark.timeout(900 + EDITS * 4)
def test_chaos(stack: Stack) -> None:
    chance = random.Random(SEED)  # noqa: S311 (no secret)
    instances = [stack.take_instance() for _ in range(INSTANCES)]
    notebooks = [stack.take_notebook() for _ in range(NOTEBOOKS)]
    for fault in FAULTS:
        # Each is offered the requests that those before it left alone.
        stack.fault(**fault, probability=0.3 / len(FAULTS))
    submitters = [
        Submitter(stack.sign_in(name), instances, notebooks, f"{SEED}{name}")
        for name in SUBMITTERS
    ]
    nemesis = Nemesis(stack, chance)
    began = time.monotonic()
    with ThreadPoolExecutor(len(submitters)) as pool:
        jobs = [
            pool.submit(
                _submit_all, submitter, stack, range(first, EDITS, len(submitters))
            )
            for first, submitter in enumerate(submitters)
        ]
        # Only the main thread may start processes: they die with the thread.
        nemesis.strike_until(lambda: all(job.done() for job in jobs))
        for job in jobs:
            job.result()
    struck = stack.struck()
    stack.finish()
    took = time.monotonic() - began
    evidence = stack.evidence()
    found = violations(evidence)
    seconds = sorted(second for one in submitters for second in one.seconds)
    recovered = sorted(
        min(later) / 1000
        for killed in nemesis.killed_ms
        if (later := [put["wall_ms"] - killed for put in _puts_after(evidence, killed)])
    )
    states: dict[str, int] = {}
    for edit in evidence.edits:
        if edit["instance"] in instances:
            states[edit["state"]] = states.get(edit["state"], 0) + 1
    stack.figures.append(
        f"chaos, seed {SEED}: {len(seconds)} accepted in "
        f"{took:.0f} s, {states}, {struck} upstream faults, {nemesis.report()}, "
        f"kill -9 of the worker to the next PUT {figures(recovered)}, "
        f"submit {figures(seconds)}, "
        f"violations {len(found)}"
    )
    assert found == []


def _submit_all(submitter: Submitter, stack: Stack, numbers: range) -> None:
    for number in numbers:
        submitter.submit(stack, number)


def _puts_after(evidence: Evidence, moment_ms: float) -> list[dict[str, Any]]:
    return [
        entry
        for entry in evidence.log
        if entry["route"] == "update"
        and entry["late_for"] is None
        and entry["wall_ms"] > moment_ms
    ]
