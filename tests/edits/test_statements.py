"""What a delivery asks of the database: a budget, with nothing else in it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import User
from dashboard.edits import dispatch
from dashboard.edits.delivery import group, send
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance

from .deliveries import submit
from .test_groups import due_together

ALONE, IN_A_GROUP = 15, 5
"""Statements for an edit, without BEGIN and COMMIT."""


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", lambda *args, **options: None)


def statements(captured: CaptureQueriesContext) -> list[str]:
    """Leave out the savepoints that are transactions outside of tests."""
    found, depth = [], 0
    for query in captured.captured_queries:
        sql = query["sql"]
        depth += sql.startswith("SAVEPOINT")
        is_transaction = sql.startswith(("SAVEPOINT", "RELEASE SAVEPOINT"))
        if not is_transaction or depth > 1:
            found.append(sql)
        depth -= sql.startswith("RELEASE")
    return found


@pytest.mark.parametrize(
    "patch", [{"description": "New words"}, {"auto_stop_duration": 5 * 3600}]
)
def test_an_edit_alone(
    patch: dict[str, object], cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, **patch)
    with CaptureQueriesContext(connection) as captured:
        send.drain(running.pk)
    edit.refresh_from_db()
    assert edit.state == Edit.State.APPLIED
    found = statements(captured)
    assert len(found) <= ALONE, "\n".join(found)


def test_edits_of_a_group(cloud: Emulator, operator: User) -> None:
    edits, served = due_together(cloud, operator, 12)
    with CaptureQueriesContext(connection) as captured:
        group.drain(served)
    assert {edit.state for edit in _again(edits)} == {Edit.State.APPLIED}
    found = statements(captured)
    assert len(found) <= IN_A_GROUP * len(edits), "\n".join(found)


def _again(edits: list[Edit]) -> list[Edit]:
    return list(Edit.objects.filter(pk__in=[edit.pk for edit in edits]))
