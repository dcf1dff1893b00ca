"""The tests of delivery, refresh, bulk edits and rules once more, on PostgreSQL."""

import os
import subprocess
import sys

import pytest

from dashboard.ops.managed_process import PROJECT

from .servers import PostgresServer

AGAIN = [
    "tests/api",
    "tests/cli",
    "tests/audit/test_triggers.py",
    "tests/edits/test_batches.py",
    "tests/edits/test_batch_pages.py",
    "tests/edits/test_circuit.py",
    "tests/edits/test_delivery.py",
    "tests/edits/test_queue.py",
    "tests/edits/test_enforcement.py",
    "tests/edits/test_late_outcomes.py",
    "tests/edits/test_late_writes.py",
    "tests/edits/test_order.py",
    "tests/edits/test_overdue.py",
    "tests/edits/test_read_back.py",
    "tests/edits/test_restores.py",
    "tests/edits/test_retries.py",
    "tests/edits/test_services.py",
    "tests/handover/test_report_data.py",
    "tests/handover/test_triggers.py",
    "tests/handover/test_one_number.py",
    "tests/handover/test_races.py",
    "tests/handover/test_services.py",
    "tests/handover/test_wallboard.py",
    "tests/handover/test_wallboard_links.py",
    "tests/instances/test_changes.py",
    "tests/instances/test_clouds.py",
    "tests/instances/test_completeness.py",
    "tests/instances/test_worker_liveness.py",
    "tests/instances/test_list.py",
    "tests/instances/test_refresh.py",
    "tests/instances/test_stop_times.py",
    "tests/metrics",
    "tests/policies",
    "tests/reminders/test_delivery.py",
    "tests/reminders/test_links.py",
    "tests/reminders/test_pages.py",
    "tests/reminders/test_planning.py",
    "tests/saved/test_export.py",
]


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_delivery_and_refresh() -> None:
    # Its settings name a broker of its own; ours must not be inherited.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CURFEW_", "OS_", "PYTEST_"))
    }
    with PostgresServer() as server:
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "--quiet", "-n", "0"),
                *(
                    "--durations=0",
                    "--durations-min=5",
                    "-p",
                    "no:cacheprovider",
                    *AGAIN,
                ),
            ],
            cwd=PROJECT,
            env=inherited | {"CURFEW_DATABASE_URL": server.url},
            capture_output=True,
            text=True,
            check=False,
        )
    summary = (ended.stdout.strip().splitlines() or [ended.stderr])[-1]
    print(f"\nOn PostgreSQL: {summary}")  # noqa: T201 (the run's result)
    assert ended.returncode == 0, ended.stdout[-8000:]
