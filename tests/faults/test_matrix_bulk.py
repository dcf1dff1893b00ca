"""Bulk changes under faults: the rows K of the fault matrix.

What each row means stands in ``docs/reliability.md``. The checker goes over all of it
when the stack is taken down.
"""

import random
import time
from typing import Any

import pytest

from tests.ops.processes import wait_until

from .evidence import Acceptance
from .nemesis import Nemesis
from .person import Draft, Person
from .stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

MAX_CALLS_OF_A_DEAD_CLOUD = 5 + 4
"""What opens the circuit, and what each of four processes had begun by then."""


def select(person: Person, stack: Stack, instances: list[str], hours: float) -> Draft:
    """Tick these and see the preview of so many hours for each."""
    keys = {one["instance_id"]: one["pk"] for one in stack.ask("instances")}
    return person.select([keys[one] for one in instances], hours=f"{hours:g}")


def confirm(stack: Stack, draft: Draft, changed: list[str], hours: float) -> str:
    """Say yes, and bear witness of it; return the address of the batch."""
    began = time.time() * 1000
    url = draft.confirm()
    ended = time.time() * 1000
    for instance in changed:
        requested: dict[str, Any] = {"auto_stop_duration": int(hours * 3600)}
        if not stack.before[instance]["auto_stop_enable"]:
            requested["auto_stop_enable"] = True
        name = draft.person.name
        stack.accepted.append(Acceptance(url, instance, name, requested, began, ended))
    return url


def outcomes(stack: Stack, instances: list[str]) -> list[str]:
    """How the one edit of each ended, or stands."""
    edits = [stack.ask("edits_of", instance=instance) for instance in instances]
    assert [len(one) for one in edits] == [1] * len(instances)
    return [row["state"] for row in stack.ask("edits", ids=[pk for (pk,) in edits])]


def test_fault_k1_faults_and_kills(stack: Stack) -> None:
    seed = random.randrange(10**6)  # noqa: S311 (no secret)
    print(f"seed {seed}")  # noqa: T201 (shown where it fails)
    instances = [stack.take_instance() for _ in range(24)]
    for fault in (
        {"kind": "status", "status": 503, "retry_after": "1"},
        {"kind": "status", "status": 502, "applied": True},
        {"kind": "drop", "applied": True},
        {"kind": "truncate"},
        {"kind": "wrong_types"},
    ):
        stack.fault(**fault, probability=0.05)
    stack.fault("delay", route="show", latency_seconds=0.5)
    nemesis = Nemesis(stack, random.Random(seed))  # noqa: S311 (no secret)
    draft = select(stack.sign_in("oskar"), stack, instances, 22.5)
    url = confirm(stack, draft, instances, 22.5)
    others = [nemesis.kill_pool_child, nemesis.empty_broker, nemesis.kill_beat]
    if stack.postgres:
        others.append(nemesis.crash_database)
    for blow in (nemesis.kill_worker, nemesis.chance.choice(others)):
        before = _completed(stack, instances)
        # At work, so that each falls into it.
        wait_until(lambda before=before: _completed(stack, instances) > before)
        blow()
    stack.start_workers()
    stack.wait_until_all_ended()
    assert outcomes(stack, instances) == ["applied"] * len(instances)
    assert {stack.in_cloud(one)["auto_stop_duration"] for one in instances} == {81_000}
    shown = draft.person.browser.get(url).raise_for_status().text
    assert f"<strong>{len(instances)}</strong> of <strong>{len(instances)}" in shown


def _completed(stack: Stack, instances: list[str]) -> int:
    stack.supervise()
    states = outcomes(stack, instances)
    return sum(state not in {"queued", "sending", "retrying"} for state in states)


def test_fault_k2_upstream_down(stack: Stack) -> None:
    instances = [stack.take_instance() for _ in range(20)]
    person = stack.sign_in("oskar")
    draft = select(person, stack, instances, 21.5)
    stack.fault("drop")
    url = confirm(stack, draft, instances, 21.5)
    wait_until(lambda: stack.ask("cloud")["hold_reason"])
    wait_until(lambda: "sending" not in outcomes(stack, instances))
    assert set(outcomes(stack, instances)) <= {"queued", "retrying"}
    tried = [row["attempt_count"] for row in _rows(stack, instances)]
    assert sum(tried) <= MAX_CALLS_OF_A_DEAD_CLOUD, tried
    page = person.browser.get(url).raise_for_status().text
    assert f"<strong>0</strong> of <strong>{len(instances)}</strong> done" in page
    assert "Changes paused since" in page
    assert "retry automatically" in page
    listed = person.browser.get("/instances/").raise_for_status()
    assert "Changes paused" in listed.text
    stack.clear_faults()
    stack.ask("probe_at_once")
    stack.wait_until_all_ended()
    assert outcomes(stack, instances) == ["applied"] * len(instances)


def test_fault_k4_killed_in_a_group(stack: Stack) -> None:
    instances = [stack.take_instance() for _ in range(16)]
    stack.fault("delay", route="update", latency_seconds=0.4)
    draft = select(stack.sign_in("oskar"), stack, instances, 19.5)
    confirm(stack, draft, instances, 19.5)
    wait_until(lambda: any(stack.puts(one) for one in instances))
    # A page was read for them, and some of their writes are under way.
    asked = [entry["query"] for entry in stack.log(route="list")]
    assert any("sortby" in query for query in asked)
    stack.kill(stack.worker)
    stack.clear_faults()
    with stack.recovery("K4"):
        stack.worker.start()
        stack.wait_until_all_ended()
    assert outcomes(stack, instances) == ["applied"] * len(instances)
    assert {stack.in_cloud(one)["auto_stop_duration"] for one in instances} == {70_200}


def _rows(stack: Stack, instances: list[str]) -> list[dict[str, Any]]:
    ids = [pk for one in instances for pk in stack.ask("edits_of", instance=one)]
    rows: list[dict[str, Any]] = stack.ask("edits", ids=ids)
    return rows


def test_fault_k3_partly_not_permitted(stack: Stack) -> None:
    """Who is left out is said before the yes, and who fell out after it, too."""
    hers = [stack.take_instance(owner="anna.schmidt") for _ in range(2)]
    others = [stack.take_instance(owner=name) for name in _other_owners(stack)[:3]]
    anna = stack.sign_in("anna")
    draft = select(anna, stack, hers + others, 20.5)
    assert "<strong>2</strong> will change, <strong>3</strong> skipped" in (draft.text)
    assert "<strong>3</strong>: Only its owner and operators" in draft.text
    # Between the preview and the yes one of them gets another owner.
    lost, kept = hers
    stack.ask("set_owner", instance=lost, name="somebody.else")
    url = confirm(stack, draft, [kept], 20.5)
    stack.wait_until_all_ended()
    assert outcomes(stack, [kept]) == ["applied"]
    for instance in [lost, *others]:
        assert stack.ask("edits_of", instance=instance) == []
        assert stack.puts(instance) == []
    page = anna.browser.get(url, params={"state": "skipped"}).raise_for_status().text
    assert page.count("Only its owner and operators") == 4
    assert "<strong>1</strong> of <strong>1</strong> done" in page


def _other_owners(stack: Stack) -> list[str]:
    names = {
        one["owner_name"]
        for one in stack.ask("instances")
        if one["generation"] == "demanager"
    }
    return sorted(names - {"anna.schmidt", ""})
