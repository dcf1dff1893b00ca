"""The bars of a trend."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import translation

from dashboard.costs.charts import HEIGHT, TOP, charts
from dashboard.costs.money import Money
from dashboard.costs.usage import Bucket, Usage

DAY = date(2026, 11, 9)


def buckets(*usages: Usage) -> list[Bucket]:
    days = [DAY + timedelta(days=index) for index in range(len(usages))]
    return [Bucket(day, day, item) for day, item in zip(days, usages, strict=True)]


def test_bars_stand_on_the_base_and_are_as_high_as_their_values() -> None:
    (chart,) = charts(
        buckets(Usage(running=30 * 3600, unknown=10 * 3600), Usage(running=20 * 3600)),
        "hours",
    )
    first, second = chart.bars
    heights = [(part.kind, float(part.height)) for part in first.parts]
    assert heights == [("known", HEIGHT * 0.75), ("unknown", HEIGHT * 0.25)]
    for bar in (first, second):
        bottom = bar.parts[0]
        assert float(bottom.y) + float(bottom.height) == TOP + HEIGHT
    assert float(first.parts[1].y) == TOP
    assert [tick.label for tick in chart.ticks] == ["40", "20", "0"]


def test_each_currency_has_a_chart() -> None:
    usage = Usage(running_cost=Money({"EUR": Decimal(2), "CNY": Decimal("0.004")}))
    found = charts(buckets(usage, Usage()), "cost")
    assert [chart.unit for chart in found] == ["CNY", "EUR"]
    assert [len(bar.parts) for chart in found for bar in chart.bars] == [1, 0, 1, 0]
    assert found[0].bars[0].text.startswith("Monday, 9 Nov 2026: <0.01")


def test_a_bar_says_what_it_cannot_show() -> None:
    usage = Usage(
        running=7200, unknown=3600, running_cost=Money({"EUR": Decimal(4)}, 1800)
    )
    (chart,) = charts(buckets(usage), "cost")
    assert chart.bars[0].text == (
        "Monday, 9 Nov 2026: 4.00 EUR, 2.0 h, 1.0 h unknown, 0.5 h without a price"
    )


@pytest.mark.parametrize(("number", "words"), [(1, 1), (7, 7), (31, 8), (100, 8)])
def test_few_days_have_words(number: int, words: int) -> None:
    (chart,) = charts(buckets(*[Usage(running=3600)] * number), "hours")
    assert len([bar for bar in chart.bars if bar.every]) == words
    widths = sum(float(bar.slot_width.rstrip("%")) for bar in chart.bars)
    assert widths == pytest.approx(100, abs=0.1)


def test_numbers_of_the_drawing_are_no_text_of_a_language() -> None:
    with translation.override("de"):
        (chart,) = charts(buckets(Usage(running=3723), Usage(running=9999)), "hours")
    values = [bar.x for bar in chart.bars] + [bar.parts[0].y for bar in chart.bars]
    assert not any("," in value for value in values)
