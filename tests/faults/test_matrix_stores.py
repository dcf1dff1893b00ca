"""Stores that stand still or hold nonsense: D4, D5 and R6 of the fault matrix.

What each row means stands in ``docs/reliability.md``. The checker goes over all of it
when the stack is taken down.
"""

import time

import pytest

from tests.ops.processes import wait_until

from .person import SaveError
from .stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

MAX_SECONDS = 30
"""For an answer, whatever stands still."""


def test_fault_d4_database_frozen(stack: Stack) -> None:
    if stack.postgres is None:
        pytest.skip("SQLite is a file.")
    person = stack.sign_in("oskar")
    instance = stack.take_instance()
    form = person.open(instance)
    person.browser.timeout = MAX_SECONDS
    stack.postgres.freeze()
    try:
        page = person.browser.get("/instances/")
        with pytest.raises(SaveError) as refused:
            form.save(description="D4")
    finally:
        stack.postgres.thaw()
    assert page.status_code == refused.value.status == 503
    assert int(page.headers["Retry-After"]) > 0
    assert 'value="D4"' in refused.value.text, "what was typed is kept"
    with stack.recovery("D4"):
        wait_until(lambda: person.browser.get("/instances/").status_code == 200)
    # No thread of the web server still waits.
    for _ in range(10):
        person.browser.get("/instances/").raise_for_status()
    stack.accepted.append(form.save(description="D4"))
    assert len(stack.ask("edits_of", instance=instance)) == 1
    stack.wait_until_all_ended()
    assert stack.in_cloud(instance)["description"] == "D4"


def test_fault_d5_disk_full(stack: Stack) -> None:
    if stack.postgres:
        pytest.skip("PostgreSQL would need a file system of its own, that is, root.")
    person = stack.sign_in("oskar")
    busy, later = stack.take_instance(), stack.take_instance()
    form = person.open(later)
    stack.fault("delay", route="update", instance_id=busy, latency_seconds=1, times=1)
    edit = stack.ask(
        "submit", instance=busy, actor="oskar", patch={"description": "D5"}
    )
    stack.wait_for_strike()
    stack.fill_disk()
    try:
        # The worker cannot write down what became of its PUT.
        full_until = time.monotonic() + 3
        while time.monotonic() < full_until:
            person.browser.get("/instances/").raise_for_status()
            with pytest.raises(SaveError) as refused:
                form.save(description="D5")
            assert refused.value.status == 503
            assert 'value="D5"' in refused.value.text, "what was typed is kept"
        assert stack.edit(edit)["state"] == "sending"
    finally:
        stack.free_disk()
    assert stack.ask("edits_of", instance=later) == []
    with stack.recovery("D5"):
        stack.accepted.append(form.save(description="D5"))
        stack.wait_for(edit, "applied")
        stack.wait_until_all_ended()
    for instance in (busy, later):
        assert stack.in_cloud(instance)["description"] == "D5"


def test_fault_r6_cache_empty_or_poisoned(stack: Stack) -> None:
    people = [stack.sign_in(name) for name in ("oskar", "vera")]
    try:
        for harm in ("wrong_types", "wrong_values", "empty"):
            instance = stack.take_instance()
            assert stack.ask("spoil_cache", harm=harm)
            for person in people:
                page = person.browser.get("/instances/").raise_for_status().text
                assert f"<bdi>{person.name}</bdi>" in page
                assert person.poll(page).status_code in {200, 204}
            if harm == "wrong_types":  # attempts cannot be counted
                with pytest.raises(SaveError) as refused:
                    stack.sign_in("olga")
                assert refused.value.status == 503
            form = people[0].open(instance)
            stack.ask("spoil_cache", harm=harm)
            stack.accepted.append(form.save(description=f"R6 {harm}"))
            (edit,) = stack.ask("edits_of", instance=instance)
            stack.wait_for(edit, "applied")
    finally:
        # The next row has to sign in.
        stack.ask("spoil_cache", harm="empty")
    assert stack.sign_in("olga")
