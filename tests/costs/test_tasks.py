"""The tasks of costs."""

import pytest

from dashboard.costs import tasks
from dashboard.costs.models import Run
from dashboard.emulator import Emulator
from tests.factories import make_instance

pytestmark = pytest.mark.django_db


def test_runs_that_nobody_wrote_are_written_once(cloud: Emulator) -> None:
    number = Run.objects.count()
    instance = make_instance()
    for _ in range(2):
        tasks.reconcile_runs()
        assert Run.objects.count() == number + 1
    assert instance.runs.get().is_open
