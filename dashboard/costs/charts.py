"""Bars of a trend, as the attributes of an SVG drawing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from .display import days_text, short_days_text, usage_text
from .filters import day_query
from .usage import Bucket, Usage

HEIGHT = 176
"""Of the bars at most, in pixels; the drawing has ``TOP`` more above."""

TOP = 16
_LABELS = 8
_FILLED = 0.72
"""Of the width of a slot."""


class Part(NamedTuple):
    """A rectangle of a bar.

    Attributes:
        kind: ``known`` or ``unknown``.
    """

    kind: str
    y: str
    height: str


class Bar(NamedTuple):
    """One bucket.

    Attributes:
        query: Parameters of its days.
        text: Its values in words.
        every: 2 for a label that is shown on any screen, 1 on a wide one, else 0.
    """

    query: dict[str, str]
    label: str
    text: str
    parts: list[Part]
    x: str
    width: str
    slot_x: str
    slot_width: str
    middle: str
    every: int


class Tick(NamedTuple):
    y: str
    label: str


@dataclass(frozen=True)
class Chart:
    """The bars of one measure.

    Attributes:
        unit: A currency; empty for hours.
        base: The line on which bars stand, in pixels from the top.
        words: That of the days.
    """

    unit: str
    bars: list[Bar]
    ticks: list[Tick]
    base: str = f"{TOP + HEIGHT}"
    words: str = f"{TOP + HEIGHT + 18}"
    height: str = f"{TOP + HEIGHT + 24}"


def charts(buckets: Sequence[Bucket], measure: str) -> list[Chart]:
    """Return a chart of hours, or one for each currency."""
    if measure == "hours":
        return [_chart("", buckets, _hours)]
    currencies = sorted({unit for item in buckets for unit in item.usage.cost.amounts})
    return [_chart(unit, buckets, _cost(unit)) for unit in currencies]


type _Values = Callable[[Usage], list[tuple[str, float]]]


def _hours(usage: Usage) -> list[tuple[str, float]]:
    return [("known", usage.running / 3600), ("unknown", usage.unknown / 3600)]


def _cost(currency: str) -> _Values:
    return lambda usage: [
        ("known", float(usage.cost.amounts.get(currency, Decimal(0))))
    ]


def _chart(unit: str, buckets: Sequence[Bucket], values: _Values) -> Chart:
    heights = [values(bucket.usage) for bucket in buckets]
    most = max((sum(v for _kind, v in item) for item in heights), default=0)
    top = _nice(most)
    slot = 100 / max(len(buckets), 1)
    every = math.ceil(len(buckets) / _LABELS)
    bars = []
    for index, (bucket, item) in enumerate(zip(buckets, heights, strict=True)):
        x = index * slot
        bars.append(
            Bar(
                day_query(bucket.first_day, bucket.last_day),
                short_days_text(bucket.first_day, bucket.last_day),
                _long_label(bucket) + _(": ") + usage_text(bucket.usage),
                _parts(item, top),
                _percent(x + slot * (1 - _FILLED) / 2),
                _percent(slot * _FILLED),
                _percent(x),
                _percent(slot),
                _percent(x + slot / 2),
                0 if index % every else (1 if index // every % 2 else 2),
            )
        )
    ticks = [
        Tick(f"{TOP + HEIGHT * (1 - part):.1f}", _number(top * part))
        for part in (1, 0.5, 0)
    ]
    return Chart(unit, bars, ticks)


def _parts(values: list[tuple[str, float]], top: float) -> list[Part]:
    parts = []
    base = float(TOP + HEIGHT)
    for kind, value in values:
        if value <= 0:
            continue
        # What is there can be seen, however little it is.
        height = max(value / top * HEIGHT, 1.5)
        base -= height
        parts.append(Part(kind, f"{max(base, 0):.1f}", f"{height:.1f}"))
    return parts


def _nice(most: float) -> float:
    """Return the next round number that is easy to halve."""
    if most <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(most))
    steps = (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10)
    return next(step * power for step in steps if step * power >= most)


def _number(value: float) -> str:
    if value == int(value):
        return number_format(int(value), force_grouping=True)
    return number_format(round(value, 1 if value >= 1 else 3), force_grouping=True)


def _long_label(bucket: Bucket) -> str:
    if bucket.first_day == bucket.last_day:
        return date_format(bucket.first_day, _("l, j M Y"))
    return days_text(bucket.first_day, bucket.last_day)


def _percent(value: float) -> str:
    return f"{value:.3f}%"
