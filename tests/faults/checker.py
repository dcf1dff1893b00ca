"""Holds what the witnesses say against the invariants I1 to I9.

They stand in ``docs/reliability.md``. A violation is a sentence that begins with the
number of its invariant; a run is right when there is none.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

from .evidence import Evidence, Values, wish_in

TERMINAL = frozenset({"applied", "failed", "conflict", "superseded", "cancelled"})
MOST_ATTEMPTS = 60
"""Fifteen minutes of back-off are fewer."""

DEADLINE_SLACK_MS = 90_000
"""An edit is failed when its queue is next looked at: a pause and a probe later."""

AT_SEA_MS = 6_000
"""A PUT that was permitted may wait for its turn in the rate limit, and travel."""

NEXT_START = frozenset({"auto_stop_enable", "auto_stop_duration"})

CLOCK_MS = 1
"""Rows are stamped in microseconds, the log in whole milliseconds."""


def violations(evidence: Evidence, *, settled: bool = True) -> list[str]:
    """Everything that is wrong; empty when nothing is.

    Args:
        evidence: What the witnesses say.
        settled: Whether the run is over: no edit may be open, no edit_queue unsettled.
    """
    checker = _Checker(evidence)
    found = [
        *checker.accepted_is_durable(),
        *checker.order_of_acceptance(),
        *checker.order_of_puts(),
        *checker.superseded_by_its_fields(),
        *checker.nobody_overwritten(),
        *checker.applied_is_true(),
        *checker.no_phantom(),
        *checker.bounded(),
        *checker.permitted(),
        *checker.audited(),
        *checker.said_of_sending(),
    ]
    if settled:
        found += [
            *checker.terminal(),
            *checker.newest_is_in_the_cloud(),
            *checker.said_of_the_cloud(),
        ]
    return found


class _Checker:
    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.edits = {edit["id"]: edit for edit in evidence.edits}
        self.queues: dict[str, list[Values]] = defaultdict(list)
        for edit in sorted(evidence.edits, key=lambda edit: edit["seq"]):
            self.queues[edit["instance"]].append(edit)

    # -- I1, I2 -----------------------------------------------------------------------

    def accepted_is_durable(self) -> Iterator[str]:
        forms: dict[str, set[str]] = defaultdict(set)
        for one in self.evidence.accepted:
            wish = json.dumps([one.instance, one.actor, one.wish], sort_keys=True)
            forms[wish].add(one.form)
        rows = Counter(
            json.dumps([edit["instance"], edit["actor"], edit["patch"]], sort_keys=True)
            for edit in self.evidence.edits
        )
        for wish, posted in forms.items():
            if rows[wish] != len(posted):
                yield f"I1: {len(posted)} accepted, {rows[wish]} in the rows: {wish}"

    def terminal(self) -> Iterator[str]:
        for edit in self.edits.values():
            if edit["state"] not in TERMINAL or edit["finished_ms"] is None:
                yield f"I2: not ended: {edit}"
            elif self.ended_ms(edit) > edit["deadline_ms"] + DEADLINE_SLACK_MS:
                yield f"I2: ended after its deadline: {edit}"

    # -- I3 ---------------------------------------------------------------------------

    def order_of_acceptance(self) -> Iterator[str]:
        for edit_queue in self.queues.values():
            for earlier, later in pairwise(edit_queue):
                if earlier["created_ms"] > later["created_ms"]:
                    yield f"I3: numbered against its time: {earlier} {later}"
        told: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
        for one in self.evidence.accepted:
            for edit in self.queues[one.instance]:
                same = edit["actor"] == one.actor and edit["patch"] == one.wish
                if (
                    same
                    and one.began_ms - CLOCK_MS <= edit["created_ms"] <= one.ended_ms
                ):
                    told[one.instance].append((one.began_ms, one.ended_ms, edit["seq"]))
        for instance, moments in told.items():
            for began, _, seq in moments:
                if any(end < began and other > seq for _, end, other in moments):
                    yield f"I3: accepted later, numbered earlier: {instance} #{seq}"

    def order_of_puts(self) -> Iterator[str]:
        for instance in self.queues:
            newest: dict[str, Values] = {}
            for put in self.puts(instance):
                attempt = self.attempt_of.get(put["number"])
                # Announced by a worker that was overtaken: the watch repairs it.
                if attempt is None or attempt["outcome"] == "interrupted":
                    continue
                sent = wish_in(put["body"])
                for edit in sorted(self.edits_of(attempt), key=lambda one: one["seq"]):
                    for name in edit["patch"].keys() & sent.keys():
                        if edit["patch"][name] != sent[name]:
                            continue
                        newer = newest.get(name, edit)
                        if edit["seq"] >= newer["seq"]:
                            newest[name] = edit
                        # One that has ended without being applied, after an attempt
                        # that carried both, is no reason to hold the older one back.
                        elif self.ended_ms(newer) > put["wall_ms"]:
                            yield f"I3: PUT after a newer one: {edit}"
                if not attempt["edits"] and not self.repairs[instance]:
                    yield f"I3: a PUT for nobody, and no repair was recorded: {put}"

    def superseded_by_its_fields(self) -> Iterator[str]:
        for edit in self.edits.values():
            if edit["state"] != "superseded" or edit["kind"] != "update":
                continue
            later = [
                other
                for other in self.queues[edit["instance"]]
                if other["seq"] > edit["seq"] and other["kind"] == "update"
            ]
            if not edit["patch"].keys() <= {
                name for one in later for name in one["patch"]
            }:
                yield f"I3: superseded, but nobody wished for its fields anew: {edit}"

    def newest_is_in_the_cloud(self) -> Iterator[str]:
        for instance, edit_queue in self.queues.items():
            newest: dict[str, Values] = {}
            for edit in edit_queue:
                if edit["state"] == "applied" and edit["outcome"] != "overwritten":
                    mine = edit["patch"].keys() - edit["replaced"].keys()
                    newest |= dict.fromkeys(mine, edit)
            for name, edit in newest.items():
                held = self.evidence.after[instance][name]
                strange = any(
                    stranger.instance == instance
                    and name in stranger.values
                    and stranger.at_ms > edit["finished_ms"]
                    for stranger in self.evidence.strangers
                )
                if held != edit["patch"][name] and not strange:
                    yield f"I3: {name} is {held!r} in the cloud, but applied is {edit}"

    def nobody_overwritten(self) -> Iterator[str]:
        """A stranger's value that was there before a turn began is not overwritten."""
        for stranger in self.evidence.strangers:
            ours = self.queues[stranger.instance]
            for name, value in stranger.values.items():
                changes = self.changes(stranger.instance, name)
                after = [put for at, put in changes if at > stranger.at_ms]
                # None: another stranger came first.
                overwriter = after[0] if after else None
                attempt = overwriter and self.attempt_of.get(overwriter["number"])
                if attempt is None or attempt["started_ms"] <= stranger.at_ms:
                    continue
                for edit in self.edits_of(attempt):
                    known = {one["patch"].get(name) for one in ours}
                    known |= {one["base"].get(name) for one in ours}
                    if name in edit["patch"] and value not in known:
                        yield f"I3: a stranger's {value!r} was overwritten by {edit}"

    # -- I4 to I6 ---------------------------------------------------------------------

    def applied_is_true(self) -> Iterator[str]:
        began: dict[str, float] = {}
        for attempt in self.evidence.attempts:
            for edit in attempt["edits"]:
                began[edit] = min(attempt["started_ms"], began.get(edit, float("inf")))
        for edit in self.edits.values():
            if edit["state"] != "applied" or edit["kind"] != "update":
                continue
            for name, wish in edit["patch"].items():
                if name in edit["replaced"]:
                    continue
                held = self.held(
                    edit["instance"], name, began[edit["id"]], edit["finished_ms"]
                )
                if wish not in held:
                    yield f"I4: applied, but {name} never was in the cloud: {edit}"

    def no_phantom(self) -> Iterator[str]:
        for instance in self.evidence.before:
            for put in self.puts(instance):
                if put["number"] not in self.attempt_of:
                    yield f"I5: a PUT without an attempt written before it: {put}"

    def bounded(self) -> Iterator[str]:
        for edit in self.edits.values():
            if edit["attempts"] > MOST_ATTEMPTS:
                yield f"I6: tried too often: {edit}"

    # -- I7, I8 -----------------------------------------------------------------------

    def permitted(self) -> Iterator[str]:
        for instance in self.evidence.before:
            for put in self.puts(instance):
                attempt = self.attempt_of.get(put["number"])
                for edit in self.edits_of(attempt) if attempt else ():
                    until = self.evidence.demoted.get(edit["actor"])
                    if attempt is None or until is None:
                        continue
                    if attempt["sent_ms"] > until or put["wall_ms"] > until + AT_SEA_MS:
                        yield f"I7: sent for one who may not: {edit}"

    def audited(self) -> Iterator[str]:
        events: dict[str, list[Values]] = defaultdict(list)
        for event in self.evidence.events:
            if event["action"] not in {"edit.repaired", "edit.corrected"}:
                events[event["edit"]].append(event)
        for edit in self.edits.values():
            state = None
            for event in events[edit["id"]]:
                if event["before"].get("state") not in {None, state} and state:
                    yield f"I8: a change of state without an event: {event}"
                state = event["action"].removeprefix("edit.")
                state = "queued" if state == "submitted" else state
            if state != edit["state"]:
                yield f"I8: the last event says {state}: {edit}"
            sendings = sum(
                event["action"] == "edit.sending" for event in events[edit["id"]]
            )
            if sendings != edit["attempts"]:
                yield f"I8: {sendings} events of sending: {edit}"

    # -- I9 ---------------------------------------------------------------------------

    def said_of_sending(self) -> Iterator[str]:
        """No sentence denies what the cloud's log shows of the requests of an edit."""
        for edit in self.edits.values():
            said, arrived = edit["said"].lower(), self.arrived[edit["id"]]
            landed = [entry for entry in arrived if entry["applied"]]
            denies = "before it was sent" in said or "nothing of" in said
            if denies and arrived:
                yield f"I9: it was sent, but this is said: {edit['said']} {edit}"
            if "has not applied it" in said and landed:
                yield f"I9: it was applied, but this is said: {edit['said']} {edit}"
            if "applied late" in said and not landed and edit["kind"] == "update":
                yield f"I9: it never was applied, but this is said: {edit['said']}"

    def said_of_the_cloud(self) -> Iterator[str]:
        """What is said of an edit is true of what the cloud holds at the end."""
        for edit in self.edits.values():
            if edit["kind"] != "update":
                continue
            if edit["outcome"] == "unconfirmed":
                yield f"I9: still being checked after the watch has ended: {edit}"
            for name, wish in edit["patch"].items():
                after = self.evidence.after[edit["instance"]][name]
                if edit["state"] != "applied" and self.stands(edit, name):
                    yield f"I9: {name} stands in the cloud, but it is said: {edit}"
                waits = name in NEXT_START - edit["replaced"].keys()
                if waits and "next start" in edit["said"] and after != wish:
                    yield f"I9: {name} is {after!r}, so not at the next start: {edit}"
            for name, by in edit["replaced"].items():
                other = self.edits.get(by.get("edit", ""))
                if other and other["patch"].get(name) in {None, edit["patch"][name]}:
                    yield f"I9: {name} was not replaced by {other}: {edit}"

    def stands(self, edit: Values, name: str) -> bool:
        """Whether the cloud holds a field's value because of this edit alone."""
        changes = self.changes(edit["instance"], name)
        last = changes[-1][1] if changes else None
        if last is None or wish_in(last["body"])[name] != edit["patch"][name]:
            return False
        attempt = self.attempt_of.get(last["late_for"] or last["number"])
        wanted = any(
            other["state"] == "applied"
            and other["patch"].get(name) == edit["patch"][name]
            for other in self.queues[edit["instance"]]
        )
        return bool(attempt and edit["id"] in attempt["edits"] and not wanted)

    @cached_property
    def arrived(self) -> dict[str, list[Values]]:
        """Requests that reached the cloud for an edit, and their late effects."""
        found: dict[str, list[Values]] = defaultdict(list)
        for entry in self.evidence.log:
            attempt = self.attempt_of.get(entry["late_for"] or entry["number"])
            for edit in attempt["edits"] if attempt else ():
                found[edit].append(entry)
        return found

    # -- what they go by --------------------------------------------------------------

    def puts(self, instance: str) -> list[Values]:
        """PUTs as they arrived; not those that were turned away at the gate."""
        return self._puts.get(instance, [])

    @cached_property
    def _puts(self) -> dict[str, list[Values]]:
        found: dict[str, list[Values]] = defaultdict(list)
        for entry in self.evidence.log:
            asked = entry["route"] == "update" and entry["late_for"] is None
            # Without a body: its sender was killed in the middle of the request.
            if asked and entry["status"] != 401 and entry["body"]:
                found[entry["instance_id"]].append(entry)
        for puts in found.values():
            puts.sort(key=lambda put: put["wall_ms"])
        return found

    @cached_property
    def attempt_of(self) -> dict[int, Values]:
        """For each PUT, by number, the attempt that announced it; each once."""
        free: dict[tuple[str, str], list[Values]] = defaultdict(list)
        for attempt in self.evidence.attempts:
            if attempt["sent_ms"] is not None:
                body = json.dumps(attempt["body"], sort_keys=True)
                free[attempt["instance"], body].append(attempt)
        found = {}
        for instance, puts in self._puts.items():
            for put in puts:
                body = json.dumps(json.loads(put["body"]), sort_keys=True)
                for attempt in free[instance, body]:
                    if attempt["sent_ms"] <= put["wall_ms"] + CLOCK_MS:
                        found[put["number"]] = attempt
                        free[instance, body].remove(attempt)
                        break
        return found

    @cached_property
    def repairs(self) -> Counter[str]:
        """How often a late write was put right, by instance."""
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
        found: dict[str, float] = {}
        for event in self.evidence.events:
            if event["action"].removeprefix("edit.") in TERMINAL:
                found.setdefault(event["edit"], event["at_ms"])
        return found

    def edits_of(self, attempt: Values) -> list[Values]:
        return [self.edits[one] for one in attempt["edits"]]

    def changes(self, instance: str, name: str) -> list[tuple[float, Values | None]]:
        """When a field was written and by which PUT, None for a stranger's hand."""
        found: list[tuple[float, Values | None]] = [
            (entry["applied"]["at_ms"], entry)
            for entry in self._applied[instance]
            if name in wish_in(entry["body"])
        ]
        found += [
            (one.at_ms, None)
            for one in self.evidence.strangers
            if one.instance == instance and name in one.values
        ]
        return sorted(found, key=lambda change: change[0])

    @cached_property
    def _applied(self) -> dict[str, list[Values]]:
        found: dict[str, list[Values]] = defaultdict(list)
        for entry in self.evidence.log:
            if entry["route"] == "update" and entry["applied"]:
                found[entry["instance_id"]].append(entry)
        return found

    def held(self, instance: str, name: str, since: float, until: float) -> list[Any]:
        """Every value a field had in the cloud during some time."""
        values: list[Any] = [self.evidence.before[instance][name]]
        writes = [
            (entry["applied"]["at_ms"], wish_in(entry["body"])[name])
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
