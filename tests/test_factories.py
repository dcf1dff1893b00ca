"""Rows that other tests rely on."""

from datetime import timedelta

import pytest

from dashboard.costs.models import Run
from tests.factories import make_run

pytestmark = pytest.mark.django_db


def test_a_run_is_that_of_its_instance() -> None:
    run = make_run(owner_name="li.wei", flavor="modelarts.vm.cpu.2u", hours=3)
    assert run.seconds(run.started_at) == 3 * 3_600
    assert (run.ended_by, run.instance.status) == (Run.EndedBy.AUTO_STOP, "STOPPED")
    assert run.allocation.owner_name == run.instance.owner_name == "li.wei"
    assert run.allocation.flavor == "modelarts.vm.cpu.2u"


def test_an_open_run_is_that_of_a_running_instance() -> None:
    run = make_run(ended_at=None)
    assert run.is_open
    assert run.instance.status == "RUNNING"
    assert run.ended_by == run.ended_known == ""


def test_the_run_before_learns_of_the_next_one() -> None:
    first = make_run()
    begin = first.ended_at + timedelta(minutes=5)
    second = make_run(instance=first.instance, started_at=begin, ended_at=None)
    first.refresh_from_db()
    assert first.next_started_at == second.started_at
    assert first.allocation_id == second.allocation_id
