"""What the evidence of a run says about requests, edits and values, by time."""

import json
from collections import Counter, defaultdict
from functools import cached_property
from typing import Any

from dashboard.edits import leases

from .evidence import END, RENEW, WRITES, Evidence, Values, stored_in, values_in

TERMINAL = frozenset({"applied", "failed", "conflict", "superseded", "cancelled"})
CLOCK_MS = 1
"""Rows are stamped in microseconds, the log in whole milliseconds."""


class History:
    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.edits = {edit["id"]: edit for edit in evidence.edits}
        self.queues: dict[str, list[Values]] = defaultdict(list)
        for edit in sorted(evidence.edits, key=lambda edit: edit["seq"]):
            self.queues[edit["instance"]].append(edit)

    def puts(self, instance: str) -> list[Values]:
        """Return the PUTs and renewals in the order of arrival, unless refused."""
        return self._puts.get(instance, [])

    @cached_property
    def _puts(self) -> dict[str, list[Values]]:
        rows: dict[str, list[Values]] = defaultdict(list)
        for entry in self.evidence.log:
            is_update = entry["route"] in WRITES and entry["late_for"] is None
            # Without a body: its sender was killed in the middle of the request.
            if is_update and entry["status"] != 401 and entry["body"]:
                rows[entry["instance_id"]].append(entry)
        for puts in rows.values():
            puts.sort(key=lambda put: put["wall_ms"])
        return rows

    @cached_property
    def attempt_of(self) -> dict[int, Values]:
        """For each PUT, by number, the attempt that announced it; each once."""
        free: dict[tuple[str, str], list[Values]] = defaultdict(list)
        for attempt in self.evidence.attempts:
            if attempt["sent_ms"] is not None:
                body = json.dumps(_as_sent(attempt["body"]), sort_keys=True)
                free[attempt["instance"], body].append(attempt)
        rows = {}
        for instance, puts in self._puts.items():
            for put in puts:
                body = json.dumps(json.loads(put["body"]), sort_keys=True)
                for attempt in free[instance, body]:
                    if attempt["sent_ms"] <= put["wall_ms"] + CLOCK_MS:
                        rows[put["number"]] = attempt
                        free[instance, body].remove(attempt)
                        break
        return rows

    def sent(self, put: Values) -> Values:
        """The values that a request asked for, by field."""
        if put["route"] != RENEW:
            return values_in(put["body"])
        attempt = self.attempt_of.get(put["late_for"] or put["number"])
        return {END: attempt["body"][END]} if attempt else {}

    @cached_property
    def repairs(self) -> Counter[str]:
        """How often a late write was repaired, by instance."""
        return Counter(
            self.edits[event["edit"]]["instance"]
            for event in self.evidence.events
            if event["action"] == "edit.repaired"
        )

    def ended_ms(self, edit: Values) -> float:
        """When an edit ended first; a late write may have changed how, later."""
        return self._ended_ms.get(edit["id"], float("inf"))

    @cached_property
    def _ended_ms(self) -> dict[str, float]:
        rows: dict[str, float] = {}
        for event in self.evidence.events:
            if event["action"].removeprefix("edit.") in TERMINAL:
                rows.setdefault(event["edit"], event["at_ms"])
        return rows

    def edits_of(self, attempt: Values) -> list[Values]:
        return [self.edits[one] for one in attempt["edits"]]

    def changes(self, instance: str, name: str) -> list[tuple[float, Values | None]]:
        """When a field was written, and by which PUT (None: outside Curfew)."""
        rows: list[tuple[float, Values | None]] = [
            (entry["applied"]["at_ms"], entry)
            for entry in self._applied[instance]
            if name in stored_in(entry)
        ]
        rows += [
            (one.at_ms, None)
            for one in self.evidence.strangers
            if one.instance == instance and name in one.values
        ]
        return sorted(rows, key=lambda change: change[0])

    @cached_property
    def _applied(self) -> dict[str, list[Values]]:
        rows: dict[str, list[Values]] = defaultdict(list)
        for entry in self.evidence.log:
            if entry["route"] in WRITES and entry["applied"]:
                rows[entry["instance_id"]].append(entry)
        return rows

    def held(self, instance: str, name: str, since: float, until: float) -> list[Any]:
        """Every value a field had in the cloud during some time."""
        values: list[Any] = [self.evidence.before[instance][name]]
        writes = [
            (entry["applied"]["at_ms"], stored_in(entry)[name])
            for at, entry in self.changes(instance, name)
            if entry
        ]
        writes += [
            (one.at_ms, one.values[name])
            for one in self.evidence.strangers
            if one.instance == instance and name in one.values
        ]
        for at, value in sorted(writes, key=lambda write: write[0]):
            if at <= since:
                values = [value]
            elif at <= until + CLOCK_MS:
                values.append(value)
        return values


def is_equal(name: str, left: Any, right: Any) -> bool:
    """Whether two values are the same to Curfew."""
    if name == END and None not in (left, right):
        return bool(abs(left - right) <= leases.TOLERANCE_MS)
    return bool(left == right)


def is_met(name: str, requested: Any, held: Any) -> bool:
    """Whether a value in the cloud is what was asked for: a run lasts that long."""
    if name == END and held is not None:
        return bool(held >= requested - leases.TOLERANCE_MS)
    return bool(held == requested)


def _as_sent(body: Values) -> Values:
    """The body as it left: an attempt also says which end a renewal is to reach."""
    if "type" not in body:
        return body
    return {name: body[name] for name in ("duration", "type")}
