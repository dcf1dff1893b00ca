"""Tests of locks, triggers, order and queries once more, on PostgreSQL."""

import os
import subprocess
import sys

import pytest

from dashboard.ops.managed_process import PROJECT

from .servers import PostgresServer

AGAIN = [
    "tests/audit/test_triggers.py",
    "tests/costs/test_backfill.py",
    "tests/costs/test_recorder_changes.py",
    "tests/costs/test_rollup.py",
    "tests/costs/test_savings.py",
    "tests/costs/test_usage.py",
    "tests/edits/test_batches.py",
    "tests/edits/test_bulk_undo.py",
    "tests/edits/test_delivery.py",
    "tests/edits/test_due_queues.py",
    "tests/edits/test_queue.py",
    "tests/edits/test_late_writes.py",
    "tests/edits/test_order.py",
    "tests/edits/test_keeping_races.py",
    "tests/edits/test_question_races.py",
    "tests/edits/test_questions.py",
    "tests/edits/test_deadlines.py",
    "tests/edits/test_retries.py",
    "tests/edits/test_restart.py",
    "tests/edits/test_services.py",
    "tests/edits/test_statements.py",
    "tests/edits/test_undo.py",
    "tests/handover/test_document.py",
    "tests/handover/test_markdown.py",
    "tests/handover/test_report_data.py",
    "tests/handover/test_since_published.py",
    "tests/handover/test_triggers.py",
    "tests/handover/test_one_number.py",
    "tests/handover/test_races.py",
    "tests/handover/test_services.py",
    "tests/instances/test_changes.py",
    "tests/instances/test_worker_liveness.py",
    "tests/instances/test_list.py",
    "tests/instances/test_list_filters.py",
    "tests/instances/test_list_pages.py",
    "tests/instances/test_list_states.py",
    "tests/instances/test_one_moment.py",
    "tests/instances/test_refresh.py",
    "tests/instances/test_search.py",
    "tests/metrics",
    "tests/policies/test_faults.py",
    "tests/policies/test_order.py",
    "tests/policies/test_rules.py",
    "tests/reminders/test_delivery.py",
    "tests/reminders/test_planning.py",
    "tests/saved/test_export.py",
    "tests/web/test_bulk_insert.py",
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
    with PostgresServer(is_migrated=True) as server:
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
            env=inherited
            | {"CURFEW_DATABASE_URL": server.url, "TEST_DATABASE_TEMPLATE": "curfew"},
            capture_output=True,
            text=True,
            check=False,
        )
    summary = (ended.stdout.strip().splitlines() or [ended.stderr])[-1]
    print(f"\nOn PostgreSQL: {summary}")  # noqa: T201 (the run's result)
    assert ended.returncode == 0, ended.stdout[-8000:]
