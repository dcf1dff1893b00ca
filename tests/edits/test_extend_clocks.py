"""Extensions in a cloud whose clock differs from ours: its own counts."""

import pytest

from dashboard.accounts.models import User
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance

from .deliveries import deliver, end_ms, extend

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    "empty_cloud",
    [
        {"fleet": 4, "notebooks": 4, "skew_seconds": skew}
        for skew in (-1_200, -1, 1, 1_200)
    ],
    indirect=True,
)
@pytest.mark.parametrize("current_time", [True, False])
def test_a_run_ends_by_the_clock_of_its_cloud(
    cloud: Emulator, notebook: Instance, operator: User, current_time: bool
) -> None:
    cloud.behavior.change({"current_time": current_time})
    edit = deliver(extend(notebook, operator, 4))
    assert edit.state == "applied"
    left_ms = end_ms(cloud, notebook) - cloud.clock.now_ms()
    assert abs(left_ms - 4 * HOUR_MS) < 10_000
    assert len(cloud.log.entries(route="notebooks.renew")) == 1
