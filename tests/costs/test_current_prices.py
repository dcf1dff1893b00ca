"""The prices of today, for the pages of other apps."""

from datetime import date
from typing import Any

import pytest
import time_machine

from dashboard.costs.current_prices import current_prices, forget
from tests.factories import make_price

pytestmark = pytest.mark.django_db

FLAVOR = "modelarts.vm.gpu.v100"


def test_the_price_of_today_counts_in_the_zone_of_reports(
    settings: Any,
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"report_time_zone": "Asia/Shanghai"}
    )
    make_price("1.00")
    tomorrow = make_price("2.00", valid_from=date(2026, 12, 1))
    with time_machine.travel("2026-11-30T15:59:00Z", tick=False):
        before = current_prices()
        assert str(before.of("demo", FLAVOR).running) == "1.000000"  # type: ignore[union-attr]
        assert before.of("demo", "cpu") is None
    with time_machine.travel("2026-11-30T16:01:00Z", tick=False):
        after = current_prices()
        assert after.of("demo", FLAVOR) == tomorrow
        assert after.signature != before.signature


def test_a_minute_of_polls_needs_one_query(django_assert_num_queries: Any) -> None:
    make_price()
    with django_assert_num_queries(1):
        for _ in range(3):
            assert current_prices().of("demo", FLAVOR)
    forget()
    with django_assert_num_queries(1):
        current_prices()
