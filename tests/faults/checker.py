"""Check the evidence of a run against the invariants in ``docs/reliability.md``.

A violation is a sentence that begins with the number of its invariant.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise

from .evidence import END, RENEW, Evidence, Values
from .history import CLOCK_MS, TERMINAL, History, is_equal, is_met

MAX_ATTEMPTS = 60
"""Fifteen minutes of back-off are fewer."""

DEADLINE_SLACK_MS = 90_000
"""An edit is failed when its queue is next looked at: a pause and a probe later."""

AT_SEA_MS = 6_000
"""A PUT that was permitted may wait for its turn in the rate limit, and travel."""

MINUTE_MS = 60_000
"""People ask for an end to the minute."""

ROUNDING_MS = 3_000
"""A duration is rounded up to a second; a clock may be read in whole seconds."""

SETTINGS = frozenset({"update", "extend"})
"""The kinds of edits whose values the cloud shows."""

NEXT_START = frozenset({"auto_stop_enable", "auto_stop_duration"})


def violations(evidence: Evidence, *, finished: bool = True) -> list[str]:
    """Return the violations of the invariants I1 to I10.

    Args:
        evidence: What the witnesses say.
        finished: Whether the run is over: no edit may be open, no queue watched.
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
        *checker.extended_once(),
    ]
    if finished:
        found += [
            *checker.terminal(),
            *checker.newest_is_in_the_cloud(),
            *checker.said_of_the_cloud(),
        ]
    return found


class _Checker(History):
    # -- I1, I2 -----------------------------------------------------------------------

    def accepted_is_durable(self) -> Iterator[str]:
        forms: dict[str, set[str]] = defaultdict(set)
        for one in self.evidence.accepted:
            change = [one.instance, one.actor, _to_the_minute(one.requested)]
            forms[json.dumps(change, sort_keys=True)].add(one.form)
        rows: Counter[str] = Counter()
        for edit in self.evidence.edits:
            change = [edit["instance"], edit["actor"], _to_the_minute(edit["patch"])]
            rows[json.dumps(change, sort_keys=True)] += 1
        for change, posted in forms.items():
            if rows[change] != len(posted):
                yield f"I1: {len(posted)} accepted, {rows[change]} rows: {change}"

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
        accepted: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
        for one in self.evidence.accepted:
            for edit in self.queues[one.instance]:
                is_theirs = edit["actor"] == one.actor
                if (
                    is_theirs
                    and _to_the_minute(edit["patch"]) == _to_the_minute(one.requested)
                    and one.began_ms - CLOCK_MS <= edit["created_ms"] <= one.ended_ms
                ):
                    accepted[one.instance].append(
                        (one.began_ms, one.ended_ms, edit["seq"])
                    )
        for instance, moments in accepted.items():
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
                sent = self.sent(put)
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
            if edit["state"] != "superseded" or edit["kind"] not in SETTINGS:
                continue
            later = [
                other
                for other in self.queues[edit["instance"]]
                if other["seq"] > edit["seq"] and other["kind"] == edit["kind"]
            ]
            if not edit["patch"].keys() <= {
                name for one in later for name in one["patch"]
            }:
                yield f"I3: superseded, but no later edit requested its fields: {edit}"
            if edit["kind"] == "extend" and not any(
                is_met(END, edit["patch"][END], one["patch"][END]) for one in later
            ):
                yield f"I3: superseded, but no later edit asks for its end: {edit}"

    def newest_is_in_the_cloud(self) -> Iterator[str]:
        for instance, edit_queue in self.queues.items():
            newest: dict[str, Values] = {}
            for edit in edit_queue:
                if edit["state"] == "applied" and edit["outcome"] != "overwritten":
                    mine = edit["patch"].keys() - edit["newer_by_field"].keys()
                    if END in mine and END in newest:
                        # Of several, the run lasts until the latest end.
                        edit = max(edit, newest[END], key=_end_of)
                    newest |= dict.fromkeys(mine, edit)
            for name, edit in newest.items():
                held = self.evidence.after[instance][name]
                strange = any(
                    stranger.instance == instance
                    and name in stranger.values
                    and stranger.at_ms > edit["finished_ms"]
                    for stranger in self.evidence.strangers
                )
                if not is_met(name, edit["patch"][name], held) and not strange:
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
                    # Ends that are so close count as the same.
                    if any(is_equal(name, value, one) for one in known):
                        continue
                    if name in edit["patch"]:
                        yield f"I3: a stranger's {value!r} was overwritten by {edit}"

    # -- I4 to I6 ---------------------------------------------------------------------

    def applied_is_true(self) -> Iterator[str]:
        began: dict[str, float] = {}
        for attempt in self.evidence.attempts:
            for edit in attempt["edits"]:
                began[edit] = min(attempt["started_ms"], began.get(edit, float("inf")))
        for edit in self.edits.values():
            if edit["state"] != "applied" or edit["kind"] not in SETTINGS:
                continue
            for name, requested in edit["patch"].items():
                if name in edit["newer_by_field"]:
                    continue
                held = self.held(
                    edit["instance"], name, began[edit["id"]], edit["finished_ms"]
                )
                if not any(is_met(name, requested, value) for value in held):
                    yield f"I4: applied, but {name} never was in the cloud: {edit}"

    def no_phantom(self) -> Iterator[str]:
        for instance in self.evidence.before:
            for put in self.puts(instance):
                if put["number"] not in self.attempt_of:
                    yield f"I5: a PUT without an attempt written before it: {put}"

    def bounded(self) -> Iterator[str]:
        for edit in self.edits.values():
            if edit["attempt_count"] > MAX_ATTEMPTS:
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
            if sendings != edit["attempt_count"]:
                yield f"I8: {sendings} events of sending: {edit}"

    # -- I9 ---------------------------------------------------------------------------

    def said_of_sending(self) -> Iterator[str]:
        """No sentence denies what the cloud's log shows of the requests of an edit."""
        for edit in self.edits.values():
            said, arrived = edit["said"].lower(), self.arrived[edit["id"]]
            landed = [entry for entry in arrived if entry["applied"]]
            denies = "nothing was sent" in said or "nothing of" in said
            if denies and arrived:
                yield f"I9: it was sent, but this is said: {edit['said']} {edit}"
            if "has not applied it" in said and landed:
                yield f"I9: it was applied, but this is said: {edit['said']} {edit}"
            if "applied late" in said and not landed and edit["kind"] in SETTINGS:
                yield f"I9: it never was applied, but this is said: {edit['said']}"

    def said_of_the_cloud(self) -> Iterator[str]:
        """What is said of an edit is true of what the cloud holds at the end."""
        for edit in self.edits.values():
            if edit["kind"] not in SETTINGS:
                continue
            if edit["outcome"] == "unconfirmed":
                yield f"I9: still being checked after the watch has ended: {edit}"
            for name, requested in edit["patch"].items():
                after = self.evidence.after[edit["instance"]][name]
                if edit["state"] != "applied" and self.stands(edit, name):
                    yield f"I9: {name} stands in the cloud, but it is said: {edit}"
                waits = name in NEXT_START - edit["newer_by_field"].keys()
                if waits and "next start" in edit["said"] and after != requested:
                    yield f"I9: {name} is {after!r}, so not at the next start: {edit}"
            for name, by in edit["newer_by_field"].items():
                other = self.edits.get(by.get("edit", ""))
                if other and other["patch"].get(name) in {None, edit["patch"][name]}:
                    yield f"I9: {name} was not replaced by {other}: {edit}"

    def stands(self, edit: Values, name: str) -> bool:
        """Whether the cloud holds a field's value because of this edit alone."""
        changes = self.changes(edit["instance"], name)
        last = changes[-1][1] if changes else None
        if last is None or self.sent(last).get(name) != edit["patch"][name]:
            return False
        attempt = self.attempt_of.get(last["late_for"] or last["number"])
        is_desired = any(
            other["state"] == "applied"
            and name in other["patch"]
            and is_met(name, edit["patch"][name], other["patch"][name])
            for other in self.queues[edit["instance"]]
        )
        return bool(attempt and edit["id"] in attempt["edits"] and not is_desired)

    # -- I10 --------------------------------------------------------------------------

    def extended_once(self) -> Iterator[str]:
        """A renewal ends the run as asked, later only by its own way to the cloud."""
        for entry in self.evidence.log:
            if entry["route"] != RENEW or not entry["applied"]:
                continue
            attempt = self.attempt_of.get(entry["late_for"] or entry["number"])
            if attempt is None or END not in attempt["body"]:
                continue
            at_ms = entry["applied"]["at_ms"]
            asked = [edit["patch"].get(END, 0) for edit in self.edits_of(attempt)]
            # An undo is nobody's edit: it restores an end.
            target = max(asked, default=attempt["body"][END])
            later_ms = at_ms + attempt["body"]["duration"] - target
            way_ms = at_ms - attempt["started_ms"]
            if not -ROUNDING_MS <= later_ms <= max(way_ms, 0) + ROUNDING_MS:
                yield f"I10: ends {later_ms} ms later than asked for: {attempt}"

    @cached_property
    def arrived(self) -> dict[str, list[Values]]:
        """Requests that reached the cloud for an edit, and their late effects."""
        found: dict[str, list[Values]] = defaultdict(list)
        for entry in self.evidence.log:
            attempt = self.attempt_of.get(entry["late_for"] or entry["number"])
            for edit in attempt["edits"] if attempt else ():
                found[edit].append(entry)
        return found


def _end_of(edit: Values) -> int:
    return int(edit["patch"][END])


def _to_the_minute(patch: Values) -> Values:
    if END not in patch:
        return patch
    return {**patch, END: round(patch[END] / MINUTE_MS)}
