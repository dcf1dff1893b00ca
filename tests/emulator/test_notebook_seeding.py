"""Random notebooks are repeatable, varied and valid."""

from collections import Counter

import pytest

from dashboard.emulator import Behavior
from dashboard.emulator.notebooks import lifecycle
from dashboard.emulator.notebooks.requests import FORBIDDEN
from dashboard.emulator.notebooks.seeding import seed_notebooks

from .conftest import START_MS


def test_the_same_seed_gives_the_same_notebooks() -> None:
    fleet = seed_notebooks(100, 7, START_MS)
    assert fleet == seed_notebooks(100, 7, START_MS)
    assert fleet != seed_notebooks(100, 8, START_MS)
    assert fleet[:40] == seed_notebooks(40, 7, START_MS)


@pytest.mark.parametrize("seed", [1, 2])
def test_two_thousand_keep_the_rules(seed: int) -> None:
    fleet = seed_notebooks(2_000, seed, START_MS)
    behavior = Behavior()
    assert len({notebook.id for notebook in fleet}) == 2_000
    counts = Counter(notebook.status for notebook in fleet)
    assert counts["RUNNING"] + counts["STOPPED"] > 1_600
    kinds = {(n.lease.type, n.lease.enable) for n in fleet if n.status == "RUNNING"}
    assert kinds >= {("TIMING", True), ("TIMING", False), ("IDLE", True)}
    for notebook in fleet:
        assert notebook.name.isascii()
        assert len(notebook.name) <= 128
        assert not set(notebook.description) & set(FORBIDDEN["huawei"])
        lease = notebook.lease
        assert lease.created_ms <= lease.updated_ms <= START_MS
        assert notebook.created_ms <= notebook.updated_ms <= START_MS
        assert 3_600_000 <= lease.period_ms <= 72 * 3_600_000
        assert (notebook.run_started_ms is not None) == notebook.is_active
        ends_ms = notebook.ends_ms(START_MS, behavior)
        assert ends_ms is None or ends_ms > START_MS
        if notebook.status == "RUNNING" and notebook.busy_until_ms is not None:
            planned_ms = notebook.plan[0][0] if notebook.plan else None
            assert planned_ms == ends_ms
        always = notebook.busy_until_ms is None or not lease.enable
        lifecycle.catch_up(notebook, START_MS + 9 * 86_400_000, behavior)
        assert always or not notebook.plan


def test_ends_far_and_near() -> None:
    behavior = Behavior()
    fleet = seed_notebooks(30, 1, START_MS)
    ends = [notebook.ends_ms(START_MS, behavior) for notebook in fleet]
    left = {(ends_ms - START_MS) // 1000 for ends_ms in ends if ends_ms}
    assert {240, 960, 61 * 3_600} <= left
