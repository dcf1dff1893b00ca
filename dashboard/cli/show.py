"""Instances as lines of a table. Pure functions."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

type Json = dict[str, Any]

COLUMNS = ("NAME", "STATUS", "OWNER", "THIS RUN", "NEXT RUN", "EDIT")
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def clean(text: str) -> str:
    """Replace control characters: the owner of a notebook chooses its name."""
    return "".join(
        mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text
    )


def table(rows: Iterable[Sequence[str]], columns: Sequence[str] = COLUMNS) -> list[str]:
    """Return lines, the header first."""
    cells = [[_short(clean(cell)) for cell in row] for row in (columns, *rows)]
    widths = [max(width(row[place]) for row in cells) for place in range(len(columns))]
    return [
        "  ".join(
            cell + " " * (most - width(cell))
            for cell, most in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def width(text: str) -> int:
    """Return the columns that a text takes in a terminal."""
    return sum(map(_columns, text))


def _columns(mark: str) -> int:
    if unicodedata.category(mark) in {"Mn", "Me"}:
        return 0  # drawn over the one before
    return 2 if unicodedata.east_asian_width(mark) in {"W", "F"} else 1


def row(instance: Json, now_ms: int) -> list[str]:
    edit = instance["edit"]
    return [
        instance["name"] or instance["instance_id"],
        instance["status_text"],
        instance["owner"]["name"],
        countdown(instance["this_run"], now_ms),
        instance["next_run_text"],
        edit["state"] if edit else "",
    ]


def countdown(run: Json, now_ms: int) -> str:
    """Return the rest of a run, as the pages show it."""
    stops_at_ms = run["stops_at_ms"]
    if stops_at_ms is None:
        return str(run["text"])
    left = -(-(stops_at_ms - now_ms) // 1_000)
    if left > 0:
        return remaining(left)
    return "stopping…" if run["state"] == "counting" else str(run["text"])


def remaining(seconds: int) -> str:
    """Return the time left, rounded as the pages do; a test compares both."""
    if seconds > 2 * _DAY:
        return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"
    if seconds >= _HOUR:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    if seconds >= 5 * _MINUTE:
        return f"{seconds // _MINUTE} min"
    if seconds >= _MINUTE:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
    return f"{seconds} s"


def _short(text: str, most: int = 44) -> str:
    if width(text) <= most:
        return text
    while width(text) >= most:
        text = text[:-1]
    return f"{text}…"
