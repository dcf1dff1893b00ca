"""Hours, shares and amounts as tables show them."""

import pytest

from dashboard.cli import cost_tables


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((0, "0.0 h"), (0.01, "<0.1 h"), (0.05, "0.1 h"), (1234.56, "1,234.6 h")),
        (None, ""),
    ],
)
def test_hours(number: float | None, text: str) -> None:
    assert cost_tables.hours(number) == text


@pytest.mark.parametrize(
    ("amounts", "text"),
    [
        ({}, ""),
        ({"EUR": "0.00"}, "0.00 EUR"),
        ({"EUR": "0.005"}, "<0.01 EUR"),
        ({"EUR": "0.005001"}, "0.01 EUR"),
        ({"CNY": "1234.567", "EUR": "4.20"}, "1,234.57 CNY, 4.20 EUR"),
    ],
)
def test_money(amounts: dict[str, str], text: str) -> None:
    assert cost_tables.money(amounts) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.001, "<1 %"), (0.666, "67 %"), (1, "100 %")]
)
def test_percent(share: float, text: str) -> None:
    assert cost_tables.percent(share) == text
